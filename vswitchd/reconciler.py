"""One pass from the database's rows to the datapaths, and back to what the rows shall say.

Rule: reconcile() reads everything anew and remembers nothing of why it was called. It is synchronous; the
daemon around it waits, and carries the writes to the database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from appctl import coverage, vlog
from datapath.provider import DatapathError, Operation, Provider
from vswitchd.bonds import announcements, follow_links, next_deadline, run_bonds, take_log, update_bonds
from vswitchd.config.desired import Desired
from vswitchd.config.read import Memo, number_before, read_config
from vswitchd.datapaths import Datapaths
from vswitchd.devices import Devices
from vswitchd.egress import Egress
from vswitchd.figures import Figures, Tuning
from vswitchd.forwarding import Forwarding, places_changed, set_switch, translate_doubtful
from vswitchd.linkwatch import LinkWatch
from vswitchd.ofports import NO_NUMBERS, BridgeNumbers, assign
from vswitchd.picture import draw, present_interfaces
from vswitchd.plan import Actual, DeleteDatapath, DeletePort, SetMac, SetMtu, Step, Subject, plan
from vswitchd.qos import Qos
from vswitchd.retries import Failure, Retries
from vswitchd.revalidate import adopt, sweep
from vswitchd.rows import Tables
from vswitchd.status.describe import Described, describe
from vswitchd.status.interface import interface_errors
from vswitchd.status.observation import Observation, Writes, error_text
from vswitchd.status.switch import switch_columns

ROUNDS = 3  # a port that was made may need an address; more than that is left for the next time
log = vlog.module("bridge")
RECONFIGURATIONS = coverage.counter("bridge_reconfigure")
REVALIDATIONS = coverage.counter("revalidate")
bond_log = vlog.module("bond")
_REFUSED = {  # what is no interface's error
    DeletePort: "delete port",
    DeleteDatapath: "delete datapath",
    SetMac: "set the address of",
    SetMtu: "set the MTU of",
}


class Reconciler:
    """The switch: its configuration, its datapaths and how they forward."""

    def __init__(self, providers: Mapping[str, Provider], watch: LinkWatch | None) -> None:
        """`watch` is None where ports are not network devices."""
        self.types = tuple(providers)
        self.datapaths = Datapaths(providers)
        self.forwardings: dict[str, Forwarding] = {}  # by type of the datapath
        self.desired = Desired()
        self.actual = Actual()
        self.numbers: dict[str, BridgeNumbers] = {}  # by bridge
        self.retries = Retries()
        self.tell_changed: Callable[[], object] = lambda: None  # called when the database should say more
        self.figures: dict[str, Figures] = {}  # of revalidation, by type of the datapath
        self.tuning = Tuning()
        self.since: dict[str, float] = {}  # when each bridge appeared
        self.described: Described = {}  # what observation() said last
        self._watch = watch
        self._memo = Memo()
        self._devices = Devices(watch.ethtool) if watch else None
        self._egress = Egress(watch.routes) if watch else None
        self._failures: dict[Subject, Failure] = {}  # as last logged
        self.qos = Qos(watch.ethtool if watch else None)
        self._errors: dict[str, str] = {}  # of interfaces, as last logged
        self._warnings: frozenset[str] = frozenset()

    def reconcile(self, tables: Tables, now: float) -> None:
        """Make the datapaths what the database says. DatapathError where one cannot even be looked at."""
        RECONFIGURATIONS.count()
        self.desired = read_config(tables, self._memo)
        wanted = {bridge.datapath_type for bridge in self.desired.bridges}
        self.actual = self.datapaths.observe(self._watch, wanted)
        for _ in range(ROUNDS):
            planned = plan(self.desired, self.actual)
            self.retries.keep(planned)
            steps = self.retries.ready(planned, self.actual, now)
            if not steps:
                break
            failed = self._try(steps, now)
            self.actual = (
                self.datapaths.observe(self._watch, wanted) if failed else self.datapaths.outcome(self._watch)
            )
        self.since = {b.name: self.since.get(b.name, now) for b in self.desired.bridges}
        before = self.numbers
        self.numbers = {
            bridge.name: assign(
                bridge,
                present_interfaces(bridge, self.actual.datapaths.get(bridge.datapath_type)),
                before.get(bridge.name, NO_NUMBERS),
                partial(number_before, tables),
            )
            for bridge in self.desired.bridges
        }
        self._switch_over(now)
        self.qos.apply(self.desired, self.actual, self.datapaths.handles)
        self._log(before)

    def retry(self, now: float) -> bool:
        """Try again what has waited for that; true where there is more to do than to wait again.

        As long as a port does not work nothing else is looked at, however many others there are.
        """
        steps = self.retries.due(now)
        if any(isinstance(step, DeletePort | DeleteDatapath) for step in steps):
            return True  # what it names may be something else by now
        before = self.retries.failures()
        self._try(steps, now)
        return self.retries.failures() != before

    def is_behind(self, now: float) -> bool:
        """Tell whether something is to be done, as far as it was seen, that need not wait."""
        return bool(self.retries.ready(plan(self.desired, self.actual), self.actual, now))

    def is_cured(self) -> bool:
        """Tell whether a device that is no port has changed, or gone, for whose sake a port does not work."""
        return self._watch is not None and self.retries.cured(replace(self.actual, links=self._watch.links))

    def writes(self, *, first: bool) -> Writes:
        """Return what the database shall say now that the configuration is applied.

        The first time that is also what this program is, and counters.
        """
        if not self.desired.uuid:
            return {}
        switch = {"cur_cfg": self.desired.next_cfg} | (switch_columns(self.types) if first else {})
        return self.observation(refresh=first) | {("Open_vSwitch", self.desired.uuid): switch}

    def observation(self, *, refresh: bool) -> Writes:
        """Return what the database shall say of bridges and interfaces; with `refresh`, counters too."""
        if refresh:
            if self._egress is not None:
                self._egress.forget()
            if self._watch is not None:
                self._watch.read_counters()
            self.actual = self.datapaths.observe(self._watch)
        bonds = {n: b for f in self.forwardings.values() for n, b in f.state.bonds.items()}
        counters = {n: c for forwarding in self.forwardings.values() for n, c in forwarding.counters.items()}
        interfaces = (i for bridge in self.desired.bridges for i in bridge.interfaces())
        writes, self.described = describe(
            Observation(
                self.desired,
                self.actual,
                self.retries.failures(),
                self.numbers,
                self._devices.of(self.actual.links.values()) if self._devices else {},
                self._egress.status_of(interfaces, self.actual.links) if self._egress else {},
                counters,
                bonds,
            ),
            self.described,
            statistics=refresh,
        )
        return writes

    def _try(self, steps: Collection[Step], now: float) -> bool:
        """Carry out steps; true where some failed."""
        failed = self.datapaths.apply(steps, self._watch)
        self.retries.note(steps, failed, self.actual, now)
        return bool(failed)

    def run(self, type_: str, operations: Collection[Operation]) -> None:
        """Hand operations to a datapath, if it is still there."""
        handle = self.datapaths.handles.get(type_)
        if handle is not None and operations:
            try:
                handle.run(operations)
            except DatapathError as error:
                log.warn("%s", error_text(error))

    def revalidate(self, type_: str, now: float) -> None:
        """Compare the flows of one datapath with what it says of them."""
        handle = self.datapaths.handles.get(type_)
        forwarding = self.forwardings.get(type_)
        if handle is not None and forwarding is not None:
            dump = handle.flows(terse=self.tuning.terse)
            self.run(type_, sweep(forwarding, dump, now, time.monotonic()))
            figures = self.figures.setdefault(type_, Figures())
            figures.note(len(forwarding.book), time.monotonic() - now)
            REVALIDATIONS.count()

    def _switch_over(self, now: float) -> None:
        """Let packets be decided by the new configuration, and flows with them."""
        drawn = {type_: forwarding.switch for type_, forwarding in self.forwardings.items()}
        switches = draw(self.desired, self.actual, self.numbers, drawn)
        for gone in self.forwardings.keys() - switches.keys():
            del self.forwardings[gone]
        for type_, switch in switches.items():
            forwarding = self.forwardings.get(type_)
            fresh = forwarding is None
            if forwarding is None:
                forwarding = self.forwardings[type_] = Forwarding()
            bridges = [b for b in self.desired.bridges if b.datapath_type == type_]
            forwarding.flow_limit, forwarding.max_idle = self.desired.flow_limit, self.desired.max_idle
            before = forwarding.switch
            places = set_switch(forwarding, switch, bridges)
            places += update_bonds(forwarding, bridges, self.actual.links, now)
            if fresh:
                self.run(type_, self._adopt(type_, forwarding, now))
            else:
                self.run(type_, translate_doubtful(forwarding, before, places))
            self.bonds_changed(type_, forwarding, ())

    def follow_links(self, now: float) -> None:
        """Let bonds follow the links of their members at once, whatever else there is to do."""
        for type_, forwarding in self.forwardings.items():
            if forwarding.state.bonds and self._watch is not None:
                self.bonds_changed(type_, forwarding, follow_links(forwarding, self._watch.links, now))

    def run_bonds(self, now: float) -> None:
        """Let delays of bonds end and loads be balanced."""
        for type_, forwarding in self.forwardings.items():
            if forwarding.state.bonds:
                self.bonds_changed(type_, forwarding, run_bonds(forwarding.state, now))

    def bonds_changed(self, type_: str, forwarding: Forwarding, places: Iterable[Hashable]) -> None:
        """Let flows follow, announce stations where another member is active now, and tell the log."""
        self.run(type_, places_changed(forwarding, places))
        self.run(type_, announcements(forwarding))
        told = take_log(forwarding.state)
        for line in told:
            bond_log.info("%s", line)
        if told:
            self.tell_changed()

    def bonds_deadline(self) -> float | None:
        """Return when run_bonds() has something to do."""
        return next_deadline(forwarding.state for forwarding in self.forwardings.values())

    def _adopt(self, type_: str, forwarding: Forwarding, now: float) -> list[Operation]:
        try:
            handle = self.datapaths.handles[type_]
            flows = list(handle.flows())
            if any(not flow.ufid for flow in flows):  # nobody could ever delete these one by one
                handle.flush_flows()
                return []
            return adopt(forwarding, flows, now)
        except DatapathError as error:
            log.warn("%s", error_text(error))
            return []

    def _log(self, before: Mapping[str, BridgeNumbers]) -> None:
        """Say what became different: ports that came and went, what is wrong since now."""
        for warning in self.desired.warnings:
            if warning not in self._warnings:
                log.warn("%s", warning)
        self._warnings = frozenset(self.desired.warnings)
        failures = self.retries.failures()
        for subject, failure in failures.items():
            if self._failures.get(subject) != failure and (what := _REFUSED.get(type(failure.step))):
                log.warn("could not %s %s (%s)", what, failure.step.name, os.strerror(failure.errno))
        self._failures = failures
        for name in before.keys() | self.numbers.keys():
            old = before.get(name, NO_NUMBERS).ofports
            new = self.numbers.get(name, NO_NUMBERS).ofports
            for interface in old.keys() - new.keys():
                log.info("bridge %s: deleted interface %s on port %d", name, interface, old[interface])
            for interface in new.keys() - old.keys():
                log.info("bridge %s: added interface %s on port %d", name, interface, new[interface])
        errors = self.errors()
        for interface_name, error in errors.items():
            if self._errors.get(interface_name) != error:
                log.warn("%s", error)
        self._errors = errors

    def errors(self) -> dict[str, str]:
        """Tell of the interfaces that do not work why."""
        failures = self.retries.failures()
        errors: dict[str, str] = {}
        for bridge in self.desired.bridges:
            errors |= interface_errors(bridge, self.actual, failures)
        return errors
