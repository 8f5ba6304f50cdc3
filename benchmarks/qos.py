"""Rates asked for and rates measured, beside the C switch's: HTB on what leaves, policing of what comes.

    python -m benchmarks.qos [--seconds N] [MBIT ...]

Two hosts are joined by one bridge of the datapath in userspace. iperf3 sends UDP at twice the rate; what
counts is what arrives, with its headers. Policing is measured on ours alone: the C datapath takes frames
before traffic control sees them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.userspace import iperf
from tests.kit.feature_lab import SIDES, FeatureLab, switch_of

PAYLOAD = 1400
HEADERS = 42  # Ethernet, IPv4, UDP
MBIT = 1_000_000


def measured(lab: FeatureLab, mbit: int, seconds: int) -> float:
    """Send from a to b at twice the rate; return what arrives in Mbit/s."""
    options = ("-u", "-b", f"{2 * mbit}M", "-l", str(PAYLOAD))
    found = iperf(lab.hosts["a"].namespace, "10.9.0.2", seconds, *options)
    arrived = found["packets"] * (1 - found["lost_percent"] / 100)
    return arrived * (PAYLOAD + HEADERS) * 8 / found["seconds"] / MBIT


def rates(side: str, kind: str, wanted: list[int], seconds: int) -> list[float]:
    """Measure one side at each rate (Mbit/s); the limit is changed in place."""
    results = []
    with switch_of(SIDES[side]) as lab:
        hosts = [lab.host("a", "10.9.0.1/24"), lab.host("b", "10.9.0.2/24")]
        listener = subprocess.Popen(
            ["ip", "netns", "exec", hosts[1].namespace, "iperf3", "-s"], stdout=subprocess.DEVNULL
        )
        try:
            lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b")
            if kind == "htb":
                lab.vsctl("set port b qos=@q -- --id=@q create qos type=linux-htb")
            for mbit in wanted:
                if kind == "htb":
                    qos = lab.get("port", "b", "qos")
                    lab.vsctl(f"set qos {qos} other_config:max-rate={mbit * MBIT}")
                else:
                    lab.vsctl(f"set interface a ingress_policing_rate={mbit * 1000}")
                    lab.vsctl(f"set interface a ingress_policing_burst={max(mbit * 10, 100)}")
                results.append(measured(lab, mbit, seconds))
        finally:
            listener.kill()
            listener.wait()
            lab.clean()
    return results


def main() -> int:
    """Print a row for each rate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.qos", description=__doc__)
    parser.add_argument("rates", nargs="*", type=int, default=[1, 10, 100], help="Mbit/s")
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    theirs = rates("c-userspace", "htb", options.rates, options.seconds)
    ours = rates("userspace", "htb", options.rates, options.seconds)
    policed = rates("userspace", "police", options.rates, options.seconds)
    print(f"{'Mbit/s asked for':>18}{'HTB, C':>12}{'HTB, ours':>12}{'policing, ours':>16}")
    for row in zip(options.rates, theirs, ours, policed, strict=True):
        print("{:18d}{:12.2f}{:12.2f}{:16.2f}".format(*row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
