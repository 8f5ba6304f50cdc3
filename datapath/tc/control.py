"""The kernel's traffic control of network devices: reading and changing it (rtnetlink(7), tc(8)).

Rule: look() costs one dump and no import; everything else loads the codec, and with it pyroute2. Every method
may raise DatapathError, whose errno is ENOENT where the kernel lacks a kind of qdisc, filter or action.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from datapath.netlink import attrs, message
from datapath.netlink.asking import asking
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket
from datapath.provider import DatapathError
from datapath.tc.values import HANDLE, Discipline, Police, QueueClass, QueueStats, Shaping

_NEWQDISC, _DELQDISC, _GETQDISC = 36, 37, 38
_NEWTCLASS, _DELTCLASS, _GETTCLASS = 40, 41, 42
_NEWTFILTER, _DELTFILTER, _GETTFILTER = 44, 45, 46
_TCMSG = Struct("=BxxxiIII")  # family, device, handle, parent, info
_ROOT, _INGRESS = 0xFFFFFFFF, 0xFFFFFFF1  # TC_H_ROOT, TC_H_INGRESS
_INGRESS_HANDLE = 0xFFFF0000
_INGRESS_FILTERS: Final = 0xFFFFFFF2  # TC_H_CLSACT and TC_H_MIN_INGRESS: of the qdisc ingress as of clsact
_POLICE_PRIORITY = 1
_ALL_PROTOCOLS = 0x0300  # ETH_P_ALL in network order
_KIND: attrs.Policy = {1: attrs.text("kind")}
_ECHO = 0x8  # NLM_F_ECHO: without it the kernel sends what is asked for to listeners alone
_MAKE = message.NLM_F_CREATE | message.NLM_F_EXCL


class Root(NamedTuple):
    """The root qdisc of a device."""

    kind: str
    handle: int  # 0: the kernel's own choice


@dataclass(frozen=True, slots=True)
class DeleteRoot:
    """Give a device the kernel's default qdisc again."""


@dataclass(frozen=True, slots=True)
class SetRoot:
    """Make a root qdisc, or change the settings of the one that is there."""

    discipline: Discipline
    is_there: bool


@dataclass(frozen=True, slots=True)
class SetClass:
    """Make a class or change its settings; its counters and packets stay."""

    minor: int
    queue: QueueClass


@dataclass(frozen=True, slots=True)
class DeleteClass:
    """Remove a class."""

    minor: int


@dataclass(frozen=True, slots=True)
class StopPolicing:
    """Take all that comes."""


@dataclass(frozen=True, slots=True)
class StartPolicing:
    """Limit what comes."""

    police: Police


TcStep = DeleteRoot | SetRoot | SetClass | DeleteClass | StopPolicing | StartPolicing


class Look(NamedTuple):
    """What stands at each device, by ifindex."""

    roots: dict[int, Root]
    ingress: dict[int, str]  # "ingress" or "clsact"


class TrafficControl:
    """The qdiscs, classes and filters of this network namespace's devices."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def look(self) -> Look:
        """See which root and ingress qdiscs there are."""
        roots, ingress = {}, {}
        for answer in self._ask(_GETQDISC, message.NLM_F_DUMP, 0, 0, 0, "list qdiscs"):
            _family, ifindex, handle, parent, _info = _TCMSG.unpack_from(answer)
            if parent in (_ROOT, _INGRESS):
                kind = _kind_of(answer)
                if parent == _ROOT:
                    roots[ifindex] = Root(kind, handle)
                else:
                    ingress[ifindex] = kind
        return Look(roots, ingress)

    def shaping(self, ifindex: int) -> Shaping | None:
        """Read a device's root qdisc with its classes; None where it is none that this program makes."""
        from datapath.tc import codec  # pyroute2 is loaded where traffic control is used

        answers = self._ask(_GETQDISC, _ECHO, ifindex, 0, _ROOT, "read qdisc")
        if not answers or _TCMSG.unpack_from(answers[0])[2] != HANDLE:
            return None
        discipline = codec.decode_qdisc(answers[0])
        if discipline is None:
            return None
        return Shaping(discipline, {minor: queue for minor, (queue, _) in self._classes(ifindex).items()})

    def statistics(self, ifindex: int) -> dict[int, QueueStats]:
        """Read the counters of a device's classes, by minor number."""
        return {minor: stats for minor, (_, stats) in self._classes(ifindex).items()}

    def police(self, ifindex: int) -> Police | None:
        """Read the limit of what comes; None where this program has set none.

        Filters of another kind, as the datapath in userspace has one at each of its ports, load no codec.
        """
        answers = [answer for answer in self._filters(ifindex) if _kind_of(answer) == "matchall"]
        if not answers:
            return None
        from datapath.tc import codec

        found = (codec.decode_police(answer) for answer in answers)
        return next((police for police in found if police), None)

    def apply(self, ifindex: int, step: TcStep) -> None:
        """Carry out a step."""
        from datapath.tc import codec

        match step:
            case DeleteRoot():
                self._change(_DELQDISC, 0, _body(ifindex, 0, _ROOT), "delete qdisc")
            case SetRoot(discipline, is_there):
                verb = "change" if is_there else "create"
                body = codec.encode_qdisc(ifindex, discipline)
                self._change(_NEWQDISC, 0 if is_there else _MAKE, body, f"{verb} qdisc {discipline.kind}")
            case SetClass(minor, queue):
                body = codec.encode_class(ifindex, minor, queue)
                self._change(_NEWTCLASS, message.NLM_F_CREATE, body, f"set class 1:{minor:x}")
            case DeleteClass(minor):
                self._change(_DELTCLASS, 0, _body(ifindex, HANDLE | minor, 0), f"delete class 1:{minor:x}")
            case StopPolicing():
                self._stop_policing(ifindex)
            case StartPolicing(police):
                if ifindex not in self.look().ingress:
                    body = _body(ifindex, _INGRESS_HANDLE, _INGRESS, kind="ingress")
                    self._change(_NEWQDISC, _MAKE, body, "create qdisc ingress")
                body = codec.encode_police(ifindex, _INGRESS_FILTERS, police)
                self._change(_NEWTFILTER, _MAKE, body, "create filter matchall with action police")

    def _stop_policing(self, ifindex: int) -> None:
        """Remove the filter, and the qdisc unless somebody else uses it."""
        info = _POLICE_PRIORITY << 16 | _ALL_PROTOCOLS
        self._change(_DELTFILTER, 0, _body(ifindex, 0, _INGRESS_FILTERS, info), "delete filter")
        if not self._filters(ifindex) and self.look().ingress.get(ifindex) == "ingress":
            self._change(_DELQDISC, 0, _body(ifindex, _INGRESS_HANDLE, _INGRESS), "delete qdisc ingress")

    def _classes(self, ifindex: int) -> dict[int, tuple[QueueClass, QueueStats]]:
        from datapath.tc import codec

        answers = self._ask(_GETTCLASS, message.NLM_F_DUMP, ifindex, 0, 0, "list classes")
        found = filter(None, map(codec.decode_class, answers))
        return {minor: (queue, stats) for minor, queue, stats in found}

    def _filters(self, ifindex: int) -> list[bytes]:
        """List the filters of what comes, without the lines for whole priorities."""
        answers = self._ask(_GETTFILTER, message.NLM_F_DUMP, ifindex, 0, _INGRESS_FILTERS, "list filters")
        return [answer for answer in answers if _TCMSG.unpack_from(answer)[2]]

    def _ask(self, kind: int, flags: int, ifindex: int, handle: int, parent: int, what: str) -> list[bytes]:
        try:
            with asking(what):
                return self._socket.transact(kind, flags, _body(ifindex, handle, parent))
        except DatapathError as error:
            if error.errno == errno.ENOENT:  # there is no such qdisc
                return []
            raise

    def _change(self, kind: int, flags: int, body: bytes, what: str) -> None:
        with asking(what):
            self._socket.transact(kind, flags, body)


def _kind_of(answer: bytes) -> str:
    return attrs.parse(answer, _KIND, "tc", _TCMSG.size).string("kind", "")


def _body(ifindex: int, handle: int, parent: int, info: int = 0, kind: str = "") -> bytes:
    header = _TCMSG.pack(0, ifindex, handle, parent, info)
    return header + attrs.attr_text(1, kind) if kind else header
