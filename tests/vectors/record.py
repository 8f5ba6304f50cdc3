"""Record the transcripts here anew from the C server: `python -m tests.vectors.record [NAME...]`."""

import json
import sys
from pathlib import Path

from tests.kit import peers, transcripts


def record(path: Path) -> None:
    steps = transcripts.load(path)
    with peers.home() as place:
        database = peers.create_database(place, "shop.db", transcripts.VECTORS / "shop.ovsschema")
        with peers.c_ovsdb_server(place, databases=[database]) as server:
            played = transcripts.play(steps, lambda: transcripts.SocketClient(server.home.socket))
    lines = ",\n  ".join(json.dumps(step._asdict(), ensure_ascii=False, sort_keys=True) for step in played)
    path.write_text('{"steps": [\n  ' + lines + "\n]}\n")


if __name__ == "__main__":
    names = sys.argv[1:] or [p.stem for p in sorted(transcripts.VECTORS.glob("*.json"))]
    for name in names:
        record(transcripts.VECTORS / f"{name}.json")
