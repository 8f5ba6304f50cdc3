"""The datapaths that this daemon drives: what is observed of them, and the steps of a plan carried out.

Rule: this is the only module that changes a datapath's ports or a network device.
"""

from __future__ import annotations

import errno
from collections.abc import Container, Iterable, Mapping

from datapath.provider import Datapath, DatapathError, Provider, Vport
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
        self._ports: dict[str, dict[str, Vport]] = {}  # by type and name, as of the last look, and since done

    def observe(self, watch: LinkWatch | None, wanted: Container[str] | None = None) -> Actual:
        """Look at what is there. Datapaths that are there already, from an earlier run, are opened.

        Those that are not open are sought at first and, later, of the `wanted` types (None: of all): it takes
        0.1 ms to be told that the kernel has no module.
        """
        self._ports = {}
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
                    self._ports[type_] = _ports_of(handle)
            except DatapathError as error:
                if error.errno not in (errno.ENODEV, errno.ENOENT):
                    raise
                self._forget(type_)  # somebody else has deleted it
        return self.outcome(watch)

    def outcome(self, watch: LinkWatch | None) -> Actual:
        """Return what is there after an apply() of which nothing failed: what was seen, and was done since.

        Ports are not listed again, which takes the kernel's datapath 25 us for each.
        """
        if watch is not None:
            watch.refresh()
        datapaths = {
            type_: ActualDatapath(DATAPATH_NAMES[type_], ports, self._providers[type_].type != "dummy")
            for type_, ports in self._ports.items()
        }
        return Actual(datapaths, dict(watch.links) if watch else {}, frozenset(self._providers))

    def apply(self, plan: Iterable[Step], watch: LinkWatch | None) -> dict[Step, Failure]:
        """Carry out a plan; return what failed.

        After a step that blocks its subject, or its whole datapath, no other of that is tried.
        """
        failures: dict[Step, Failure] = {}
        blocked: set[Subject] = set()
        self._ports = {type_: dict(ports) for type_, ports in self._ports.items()}  # what was returned stays
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
                handle = self.handles[type_] = self._providers[type_].create(DATAPATH_NAMES[type_])
                self._ports[type_] = _ports_of(handle)
            case DeleteDatapath(type_):
                self._providers[type_].delete(DATAPATH_NAMES[type_])
                self._forget(type_)
            case AddPort(type_, spec):
                port = self.handles[type_].add_port(spec)
                self._ports.setdefault(type_, {})[spec.name] = port
            case DeletePort(type_, name, port_no):
                self._delete_port(type_, port_no)
                self._ports.get(type_, {}).pop(name, None)
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
        self._ports.pop(type_, None)
        if handle := self.handles.pop(type_, None):
            handle.close()


def _ports_of(handle: Datapath) -> dict[str, Vport]:
    return {port.name: port for port in handle.ports()}
