"""Fuzz for as long as one likes: `python -m tests.fuzz.run --minutes 10 [--seed N]`.

Prints one line for each round: what was sent and answered, and the server's memory.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.attack import Attacker, damaged_files
from tests.fuzz.test_fuzz_server import make_file, make_schema
from tests.kit import peers


def main() -> int:
    """Run rounds until the time is over, or something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    for number in itertools.count(options.seed):
        if time.monotonic() >= end:
            return 0
        play(number, min(end, time.monotonic() + 60))
    return 1


def play(seed: int, end: float) -> None:
    """One schema and one server for up to a minute, then files made of what it wrote."""
    schema = make_schema(f"run {seed}")
    with peers.home() as place, tempfile.TemporaryDirectory() as scratch:
        path = make_file(place, schema)
        sent = 0
        with peers.our_ovsdb_server(place, databases=[path]) as server:
            attacker = Attacker(server, schema, f"run {seed}")
            first = 0
            while time.monotonic() < end:
                attacker.attack(1000)
                sent += 1000
                first = first or server.resident_kb()
            attacker.check()
            attacker.close()
            print(
                f"seed {seed}: {sent} messages, {attacker.answered} answers, {attacker.closed} connections closed, "
                f"VmRSS {first} kB after 1,000 messages, {server.resident_kb()} kB at the end",
                flush=True,
            )
        data = path.read_bytes()[:200_000]
        outcomes = Counter(damaged_files(data, Path(scratch), random.Random(seed), 300))
        print(f"seed {seed}: {outcomes['read']} of {outcomes.total()} damaged files read", flush=True)


if __name__ == "__main__":
    sys.exit(main())
