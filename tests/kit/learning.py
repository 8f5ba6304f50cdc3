"""A learning switch of a few lines, on top of any Datapath: what vswitchd does, without its database."""

from __future__ import annotations

import os
import select
import threading
from types import TracebackType

from datapath.actions import Action, Output, SetTunnel
from datapath.packet.flowkey import FlowKey
from datapath.provider import Datapath, Execute, FlowPut, Upcall

ALL = -1
MASK = FlowKey(
    in_port=0xFFFFFFFF,
    recirc_id=0xFFFFFFFF,
    eth_src=(1 << 48) - 1,
    eth_dst=(1 << 48) - 1,
    eth_type=0xFFFF,
    vlan_tci=0xFFFF,
    vlan_tpid=0xFFFF,
    ip_frag=0xFF,
)
_GROUP_BIT = 1 << 40


class LearningSwitch:
    """Answers a datapath's upcalls in a thread of its own: learn, flood, install a flow."""

    def __init__(
        self,
        datapath: Datapath,
        ports: list[int],
        tunnels: dict[int, SetTunnel] | None = None,
        mask: FlowKey = MASK,
    ) -> None:
        self.datapath = datapath
        self.ports = ports  # among which packets are switched
        self.tunnels = tunnels or {}  # by port: the far end that is behind it
        self.upcalls: list[Upcall] = []  # all that came
        self._mask = mask
        self._stations: dict[int, int] = {}
        self._flows = 0
        self._stop = os.eventfd(0)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> LearningSwitch:
        self._descriptors = list(self.datapath.listen())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._stop, *self._descriptors], [], [])
            if self._stop in ready:
                return
            for descriptor in ready:
                for upcall in self.datapath.upcalls(descriptor):
                    self._switch(upcall)

    def _switch(self, upcall: Upcall) -> None:
        self.upcalls.append(upcall)
        key = upcall.key
        self._stations[key.eth_src] = key.in_port
        known = None if key.eth_dst & _GROUP_BIT else self._stations.get(key.eth_dst)
        to = [port for port in self.ports if port != key.in_port] if known is None else [known]
        actions: list[Action] = []
        for port in to:
            if port in self.tunnels:
                actions.append(self.tunnels[port])
            actions.append(Output(port))
        self._flows += 1
        put = FlowPut(self._flows.to_bytes(16, "big"), key, self._mask, tuple(actions), upcall.wire_key)
        once = Execute(upcall.packet, key, tuple(actions), upcall.wire_key, upcall.hash)
        self.datapath.run([once] if known is None else [put, once])
