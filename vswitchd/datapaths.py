"""The datapaths that this daemon drives: what is observed of them, and the steps of a plan carried out.

Rule: this is the only module that changes a datapath's ports or a network device.
"""

from __future__ import annotations

import errno
from collections.abc import Container, Iterable, Mapping

from datapath.provider import Datapath, DatapathError, Provider
from vswitchd.linkwatch import LinkWatch
from vswitchd.plan import (
    DATAPATH_NAMES,
    Actual,
    ActualDatapath,
    AddPort,
    CreateDatapath,
    DeleteDatapath,
    DeletePort,
    SetMac,
    SetMtu,
    Step,
    Subject,
)
from vswitchd.retries import Failure, blocks, subject_of


class Datapaths:
    """Open datapaths by type."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self.handles: dict[str, Datapath] = {}
        self._never_sought = set(providers)

    def observe(self, watch: LinkWatch | None, wanted: Container[str] | None = None) -> Actual:
        """Look at what is there. Datapaths that are there already, from an earlier run, are opened.

        Those that are not open are sought at first and, later, of the `wanted` types (None: of all): it takes
        0.1 ms to be told that the kernel has no module.
        """
        datapaths = {}
        for type_, provider in self._providers.items():
            name = DATAPATH_NAMES[type_]
            try:
                if type_ not in self.handles and (
                    wanted is None or type_ in wanted or type_ in self._never_sought
                ):
                    self._never_sought.discard(type_)
                    if name in provider.datapaths():
                        self.handles[type_] = provider.open(name)
                if handle := self.handles.get(type_):
                    ports = {port.name: port for port in handle.ports()}
                    datapaths[type_] = ActualDatapath(name, ports, provider.type != "dummy")
            except DatapathError as error:
                if error.errno not in (errno.ENODEV, errno.ENOENT):
                    raise
                self._forget(type_)  # somebody else has deleted it
        if watch is not None:
            watch.refresh()
        return Actual(datapaths, dict(watch.links) if watch else {}, frozenset(self._providers))

    def apply(self, plan: Iterable[Step], watch: LinkWatch | None) -> dict[Step, Failure]:
        """Carry out a plan; return what failed.

        After a step that blocks its subject, or its whole datapath, no other of that is tried.
        """
        failures: dict[Step, Failure] = {}
        blocked: set[Subject] = set()
        for step in plan:
            if subject_of(step) in blocked or (step.type, "") in blocked:
                continue
            try:
                self._carry_out(step, watch)
            except DatapathError as error:
                failures[step] = Failure(step, error.errno, error.detail)
                if blocks(step):
                    blocked.add(subject_of(step))
        return failures

    def close(self, *, delete: bool) -> None:
        """Let go of the datapaths; `delete` removes them with their ports."""
        for type_, handle in self.handles.items():
            if delete:
                self._providers[type_].delete(DATAPATH_NAMES[type_])
            handle.close()
        self.handles.clear()

    def _carry_out(self, step: Step, watch: LinkWatch | None) -> None:
        match step:
            case CreateDatapath(type_):
                self.handles[type_] = self._providers[type_].create(DATAPATH_NAMES[type_])
            case DeleteDatapath(type_):
                self._providers[type_].delete(DATAPATH_NAMES[type_])
                self._forget(type_)
            case AddPort(type_, spec):
                self.handles[type_].add_port(spec)
            case DeletePort(type_, _, port_no):
                self._delete_port(type_, port_no)
            case SetMac(_, name, mac):
                if watch is not None:
                    watch.changer.set_mac(name, mac)
            case SetMtu(_, name, mtu):
                if watch is not None:
                    watch.changer.set_mtu(name, mtu)

    def _delete_port(self, type_: str, port_no: int) -> None:
        try:
            self.handles[type_].delete_port(port_no)
        except DatapathError as error:
            if error.errno != errno.ENODEV:  # it is gone already
                raise

    def _forget(self, type_: str) -> None:
        if handle := self.handles.pop(type_, None):
            handle.close()
