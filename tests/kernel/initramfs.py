"""What the virtual machine boots into: a cpio archive with busybox, modules and three scripts.

The first script loads modules and puts a tmpfs over this machine's root, which comes over 9p and stays as
it is; the second runs the command with its output on a virtio serial port, and ends it with a line that has
the exit status.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.kernel.debian_kernel import Kernel, VmError

NEEDED_MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]

_INIT = r"""
/busybox mkdir /bin /lower /upper /new
/busybox --install -s /bin
while read -r module options; do insmod "/$module" $options || exit; done < /modules
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose root /lower
mount -t tmpfs -o size=75% tmpfs /upper
mkdir /upper/upper /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work overlay /new
cd /new || exit
for pair in proc:proc sysfs:sys devtmpfs:dev tmpfs:run devpts:dev/pts tmpfs:dev/shm cgroup2:sys/fs/cgroup; do
    mkdir -p "${pair#*:}"
    mount -t "${pair%:*}" "${pair%:*}" "${pair#*:}"
done
mkdir -p run/vm run/lock run/netns dev/net tmp ".$MODULES"
mount --bind ".$TREE$MODULES" ".$MODULES"
mknod dev/net/tun c 10 200
for pair in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sf "/proc/self/${pair#*:}" "dev/${pair%:*}"; done
hostname kernel-tests
ip link set lo up
ulimit -n 65536
echo /run/vm/modprobe > proc/sys/kernel/modprobe
cp /busybox /modprobe /run-job /job run/vm
exec switch_root . /run/vm/busybox sh /run/vm/run-job
"""

# Autoloading works, but not of "netdev-NAME", which an ioctl on a missing interface asks for: it takes 0.2
# s each.
_MODPROBE = """#!/run/vm/busybox sh
case $* in *netdev-*) exit ;; esac
exec /sbin/modprobe "$@"
"""

# The command writes to a FIFO, which it can open again as /dev/stdout; what comes out goes to the serial
# port. When the last line has come, so has everything before it.
_RUN_JOB = r"""
cd /
/run/vm/busybox mkfifo /run/vm/output
port=$(echo /dev/vport*p1)  # a redirection expands no pattern
/run/vm/busybox cat /run/vm/output > "$port" &
exec 3> /run/vm/output
/run/vm/busybox setsid /run/vm/busybox sh /run/vm/job < /dev/null >&3 2>&1 3>&-
printf '\0%s:%03d\n' "$TOKEN" $? >&3
/run/vm/busybox sleep 60
/run/vm/busybox poweroff -f
"""


def build(kernel: Kernel, modules: Sequence[str], command: Sequence[str], token: str) -> bytes:
    """Build the archive. `token` opens the line with the exit status: NUL token colon three digits."""
    settings = {
        "TREE": str(kernel.tree),
        "MODULES": f"/lib/modules/{kernel.version}",
        "TOKEN": token,
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    files = {
        "busybox": _busybox(),
        "init": f"#!/busybox sh\n{head}{_INIT}".encode(),
        "run-job": (head + _RUN_JOB).encode(),
        "job": _job(command).encode(),
        "modprobe": _MODPROBE.encode(),
    }
    loaded = kernel.modules([*NEEDED_MODULES, *modules])
    files["modules"] = "".join(f"{name} {options}\n" for name, options, _data in loaded).encode()
    return _cpio({**files, **{name: data for name, _options, data in loaded}})


def _busybox() -> bytes:
    path = shutil.which("busybox")
    data = Path(path).read_bytes() if path else b""
    if not data or b"/ld-linux" in data:
        raise VmError("no statically linked busybox: install busybox-static")
    return data


def _job(command: Sequence[str]) -> str:
    """Write the script that runs the command as it would run here: same directory, same environment."""
    exports = "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in os.environ.items() if name.isidentifier()
    )
    return f"{exports}cd {shlex.quote(os.getcwd())} || cd /\nexec {shlex.join(command)}\n"


def _cpio(files: dict[str, bytes]) -> bytes:
    """Pack executable files into a "newc" archive (kernel: Documentation/driver-api/early-userspace)."""
    archive = bytearray()
    for inode, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")]):
        fields = (inode, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        header = "070701" + "".join(f"{field:08x}" for field in fields) + name + "\0"
        for part in (header.encode(), data):
            archive += part
            archive += bytes(-len(archive) % 4)
    return bytes(archive)
