"""A switch under traffic to which bad things happen, one after another; after each it is as the database says.

Rule: what is done is drawn from a seed. A round is over when the switch has converged: every interface works or says
why not, the datapath's ports are those of the database, and frames go through in both directions in the VLAN that is
configured. `lost` counts frames of a steady stream that did not arrive.

    python -m tests.faults.rounds [--side userspace] [--rounds 100] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.kit import namespace, netns, peers
from tests.kit.feature_lab import IN_VM, SIDES, FeatureLab, Host, frame, switch_of
from tests.kit.wire import Wire

STREAM, PROBE = 0x88B5, 0x88B6  # IEEE 802's local experimental Ethertypes
EVERY = 0.01  # seconds between frames of the stream
CONVERGED_WITHIN = 240.0 if IN_VM else 60.0


class Stream:
    """Numbered frames from one host to another, all the time."""

    def __init__(self, source: Host, target: Host) -> None:
        self.source, self.target = source, target
        self.sent = 0
        self.seen: set[int] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._over.wait(EVERY):
            payload = self.sent.to_bytes(4, "big") + bytes(42)
            self.source.send(frame(self.source, self.target, payload=payload, kind=STREAM))
            self.sent += 1

    def _receive(self) -> None:
        while not self._over.is_set():
            for received in self.target.wire.received(1, 0.1):
                if received[12:14] == STREAM.to_bytes(2, "big"):
                    self.seen.add(int.from_bytes(received[14:18], "big"))

    def mark(self) -> int:
        """Return how many were sent, once those on their way had time to arrive."""
        sent = self.sent
        time.sleep(0.3)
        return sent

    def lost(self, first: int, last: int) -> int:
        """Count the frames of a range that did not arrive."""
        return sum(number not in self.seen for number in range(first, last))


class Rig:
    """The switch, two hosts with a stream between them, and the rounds."""

    def __init__(self, lab: FeatureLab, seed: int) -> None:
        self.lab = lab
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.a, self.b, self.x = (lab.host(name) for name in ("a", "b", "x"))
        lab.vsctl("add-br br0 -- add-port br0 a tag=5 -- add-port br0 b tag=5 -- add-port br0 x tag=5")
        lab.vsctl("add-port br0 i0 -- set interface i0 type=internal")
        self.probe, self.probed = lab.host("p"), lab.host("q")
        lab.vsctl("add-port br0 p tag=6 -- add-port br0 q tag=6")

    # --- what happens

    def kill_switch(self) -> None:
        """End the daemon as a crash would, in the middle of a change of the configuration, and start it again."""
        command = [peers.C_BIN / "ovs-vsctl", "--timeout=200", *shlex.split(self._drawn_change())]
        writer = threading.Thread(target=self.lab.server.run, args=command, kwargs={"timeout": 240})
        writer.start()
        time.sleep(self.random.random() * 0.05)
        self.lab.switch.process.send_signal(signal.SIGKILL)
        self.lab.switch.process.wait()
        time.sleep(self.random.random() * 0.5)
        with netns.inside(self.lab.namespace):
            self.lab.switch = self.lab.daemons.enter_context(self.lab.side.vswitchd(self.lab.server))
        writer.join()

    def restart_server(self) -> None:
        """End the database server as a crash would, and start it again on its file."""
        self.lab.server.process.send_signal(signal.SIGKILL)
        self.lab.server.process.wait()
        time.sleep(self.random.random() * 0.5)
        with netns.inside(self.lab.namespace):
            self.lab.server = self.lab.daemons.enter_context(self.lab.side.server(self.lab.server.home))

    def remove_device(self) -> None:
        """Take a port's device away and bring another one of its name."""
        namespace.delete_device(self.lab.namespace, "x")
        self.lab.wait_until(lambda: self.lab.get("interface", "x", "error") != "[]", "the error is told")
        namespace.join(self.lab.namespace, "x", self.x.namespace, "eth0", self.x.mac)
        self.x.wire.close()
        self.x.wire = Wire(self.x.namespace, "eth0")

    def overflow(self) -> None:
        """Let the kernel tell more than the daemon's sockets hold, while that stands still."""
        self.lab.switch.process.send_signal(signal.SIGSTOP)
        try:
            for number in range(3000):
                self.x.send(frame(0x0200_1000_0000 + number, 0x0200_2000_0000 + number, payload=bytes(1000)))
            for _ in range(100 if IN_VM else 700):
                namespace.set_up(self.x.namespace, "eth0", False)
                namespace.set_up(self.x.namespace, "eth0")
        finally:
            self.lab.switch.process.send_signal(signal.SIGCONT)

    def change(self) -> None:
        """Change the configuration, and nothing else."""
        self.lab.vsctl(self._drawn_change())

    def _drawn_change(self) -> str:
        """Move the probes to another VLAN, and let ports come and go."""
        vlan = self.random.randrange(6, 4000)
        words = [f"set port p tag={vlan} -- set port q tag={vlan}"]
        name = f"n{self.random.randrange(8)}"
        if self.random.random() < 0.5:
            words.append(f"-- --may-exist add-port br0 {name} -- set interface {name} type=internal")
        else:
            words.append(f"-- --if-exists del-port br0 {name}")
        return " ".join(words)

    # --- what holds afterwards

    def converge(self) -> None:
        """Wait until the switch is as the database says; PeerError names what is not."""
        lab, within = self.lab, CONVERGED_WITHIN
        lab.wait_until(self._is_told, "every interface works or says why not", within)
        lab.wait_until(self._has_its_ports, "the datapath has the ports of the database", within)
        lab.wait_until(self._passes, "frames go through in the configured VLAN", within)

    def _is_told(self) -> bool:
        rows = self.lab.vsctl("--format=csv --no-headings --columns=ofport,error list Interface").splitlines()
        return all(row.endswith(",[]") and not row.startswith(("-1,", "[],")) for row in rows)

    def _has_its_ports(self) -> bool:
        wanted = set(self.lab.vsctl("list-ports br0").split()) | {"br0"}
        shown = {
            line.split()[2] for line in self.lab.dpctl("show").splitlines() if line.startswith("  port ")
        }
        return wanted <= shown and not {name for name in shown - wanted if name.startswith("n")}

    def _passes(self) -> bool:
        for source, target in ((self.probe, self.probed), (self.probed, self.probe)):
            target.wire.drain()
            source.send(frame(source, target, kind=PROBE))
            if not any(f[12:14] == PROBE.to_bytes(2, "big") for f in target.wire.received(1, 2.0)):
                return False
        return True

    def kinds(self) -> list[Callable[[], None]]:
        """List what may happen in a round."""
        return [
            self.kill_switch,
            self.kill_switch,
            self.restart_server,
            self.remove_device,
            self.overflow,
            self.change,
        ]

    def round(self, kind: Callable[[], None]) -> None:
        """Let something happen, and wait until all is well."""
        kind()
        self.converge()
        self.done[kind.__name__] += 1


def main() -> None:
    """Run as many rounds as asked for, and say what was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rounds", description=__doc__)
    parser.add_argument(
        "--side", choices=SIDES, default="kernel" if os.environ.get("IN_KERNEL_VM") else "userspace"
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", default="", help="the kind of all rounds, such as kill_switch")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with switch_of(SIDES[given.side]) as lab:
        try:
            _run(Rig(lab, given.seed), given.rounds, given.only)
        finally:
            lab.clean()


def _run(made: Rig, rounds: int, only: str) -> None:
    lost: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    with Stream(made.a, made.b) as stream:
        for number in range(rounds):
            kind = getattr(made, only) if only else made.random.choice(made.kinds())
            first = stream.mark()
            made.round(kind)
            last = stream.mark()
            lost[kind.__name__] += stream.lost(first, last)
            sent[kind.__name__] += last - first
            print(f"{number}: {kind.__name__}, {stream.lost(first, last)} of {last - first} lost", flush=True)
    for name, times in sorted(made.done.items()):
        print(f"{name}: {times} times, {lost[name]} of {sent[name]} frames lost")


if __name__ == "__main__":
    main()
