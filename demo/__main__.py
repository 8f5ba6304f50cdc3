"""Build the lab, show each command and what the switch made of it, and take everything down again."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from demo.lab import CommandFailed, Lab


def kernel_module() -> bool:
    """Tell whether the kernel has the openvswitch module, loading it where it is not loaded yet."""
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "openvswitch"], check=False, stderr=subprocess.DEVNULL)
    return Path("/sys/module/openvswitch").exists()


def show(lab: Lab) -> None:
    """Print what each side's switch is and knows."""
    for host in lab.hosts:
        host.run("ovs-vsctl show")
        host.run("ovs-appctl fdb/show br1")
        host.run("ovs-appctl fdb/show br2")
        host.run("ovs-appctl dpctl/dump-flows")


def main() -> int:
    """Run the demonstration; 0 when every ping came back."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--datapath", choices=("kernel", "userspace"), help="default: kernel where it can be had"
    )
    parser.add_argument("--tunnel", choices=("gre", "vxlan", "geneve"), default="gre")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("demo: it makes network namespaces, which needs root: sudo make demo", file=sys.stderr)
        return 1
    datapath = options.datapath or ("kernel" if kernel_module() else "userspace")
    print(
        f"The {datapath} datapath"
        + (
            "."
            if options.datapath
            else ": the openvswitch module is " + ("there." if datapath == "kernel" else "not there.")
        )
    )
    try:
        with Lab(datapath, say=lambda text: print(text, flush=True)) as lab:
            lab.bridges()
            lab.tunnel(options.tunnel)
            lab.ping(5)
            show(lab)
    except CommandFailed as error:
        print(f"demo: failed:\n{error}", file=sys.stderr)
        return 1
    print("All pings came back. Everything is taken down again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
