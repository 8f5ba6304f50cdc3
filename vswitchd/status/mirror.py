"""The status columns of a Mirror.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Mirror table.
"""

from __future__ import annotations

from collections.abc import Mapping

from switching.mirror import Mirror
from vswitchd.forwarding import Counters
from vswitchd.status.observation import Columns


def mirror_columns(mirror: Mirror, counters: Mapping[str, Counters]) -> Columns:
    """Return the counters of a mirror, which is in use."""
    counted = counters.get(mirror.uuid, Counters())
    return {"statistics": {"tx_bytes": counted.tx_bytes, "tx_packets": counted.tx_packets}}
