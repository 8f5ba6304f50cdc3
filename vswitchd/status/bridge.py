"""The status columns of a Bridge.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Bridge table.
"""

from __future__ import annotations

from vswitchd.config.desired import DesiredBridge
from vswitchd.plan import ActualDatapath
from vswitchd.status.observation import EMPTY, Columns, Observation, stable_mac

# Those in this process have none of their own, nor has the module in the kernel's tree.
DATAPATH_VERSIONS = {"system": "<unknown>", "netdev": "<built-in>", "dummy": "<built-in>"}


def bridge_columns(
    bridge: DesiredBridge, datapath: ActualDatapath | None, observation: Observation
) -> Columns:
    """Return what a bridge's row shall say; `datapath` is None where it has none."""
    link = observation.actual.links.get(bridge.name)
    mac = bridge.hwaddr
    if datapath is not None and bridge.name in datapath.ports:
        mac = link.mac if link and datapath.devices else mac or stable_mac(bridge.name)
    else:
        return {"datapath_id": EMPTY, "datapath_version": ""}
    return {
        "datapath_id": frozenset((bridge.datapath_id or "0000" + mac.replace(":", ""),)),
        "datapath_version": DATAPATH_VERSIONS[bridge.datapath_type],
    }
