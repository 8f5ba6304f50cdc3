"""Debian's kernel with all its modules, unpacked into a cache directory without being installed."""

from __future__ import annotations

import fcntl
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-amd64"  # depends on the newest kernel of the distribution
_XZ = b"\xfd7zXZ\0"


class VmError(Exception):
    """The virtual machine cannot be built or did not run to its end."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    tree: Path

    @property
    def image(self) -> Path:
        """The kernel, decompressed: it boots twice as fast so."""
        return self.tree / "vmlinux"

    @property
    def version(self) -> str:
        return os.listdir(self.tree / "lib/modules")[0]

    def modules(self, names: list[str]) -> list[tuple[str, str, bytes]]:
        """Name, options and content of the modules and of those they need, in the order to load them."""
        found: dict[str, str] = {}
        for name in names:
            listed = run(
                "modprobe",
                "-C",
                "/dev/null",
                "-d",
                str(self.tree),
                "-S",
                self.version,
                "--show-depends",
                *name.split(),
            )
            found |= dict(re.findall(r"^insmod (\S+) *(.*)", listed, re.MULTILINE))
        return [
            (Path(path).name.removesuffix(".xz"), options, _read(path)) for path, options in found.items()
        ]


def _read(path: str) -> bytes:
    data = Path(path).read_bytes()
    return lzma.decompress(data) if path.endswith(".xz") else data


def run(*command: str, cwd: str | None = None) -> str:
    """Run a program; VmError with its words where it fails."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, "PATH": path}, check=False
    )
    if done.returncode:
        raise VmError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def get_kernel() -> Kernel:
    """Return the kernel, which the first call downloads: 60 MB. Delete the cache to get a newer one."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = Path(base) / "vswitch-kernel-tests"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several runs may start at once
        trees = sorted(cache.glob("linux-image-*"))
        return Kernel(trees[-1] if trees else _download(cache))


def _download(cache: Path) -> Path:
    if os.geteuid() == 0:
        run("apt-get", "-qq", "update")  # an old list names packages that are no longer there
    package = re.search(r"Depends: (linux-image-\d\S+)", run("apt-cache", "depends", META_PACKAGE))
    if package is None:
        raise VmError(f"package {META_PACKAGE} names no kernel")
    _unpack(package.group(1), cache / package.group(1))
    return cache / package.group(1)


def _unpack(package: str, tree: Path) -> None:
    with tempfile.TemporaryDirectory(dir=tree.parent) as place:
        run("apt-get", "-oAPT::Sandbox::User=root", "download", package, cwd=place)
        new = Path(place) / "new"
        run("dpkg-deb", "-x", *map(str, Path(place).glob("*.deb")), str(new))
        if not (new / "lib").exists():
            (new / "lib").symlink_to("usr/lib")
        run("depmod", "-b", str(new), os.listdir(new / "lib/modules")[0])
        compressed = next((new / "boot").glob("vmlinuz-*")).read_bytes()
        start = compressed.find(_XZ)
        image = lzma.LZMADecompressor().decompress(compressed[start:]) if start >= 0 else compressed
        (new / "vmlinux").write_bytes(image)
        shutil.move(new, tree)
