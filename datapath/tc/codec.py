"""Values ↔ messages of rtnetlink's traffic control, by pyroute2's classes for them.

Rule: no I/O. Importing this module loads pyroute2, which takes 0.2 s: do so only where a device has or
wants QoS.
Source: rtnetlink(7), <linux/rtnetlink.h>, <linux/pkt_sched.h>, <linux/pkt_cls.h>.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final

from pyroute2.netlink import nla
from pyroute2.netlink.rtnl.tcmsg import act_police, cls_matchall, common_act, tcmsg

from datapath.tc.values import (
    HANDLE,
    MAX_U32,
    ROOT_CLASS,
    Codel,
    Discipline,
    FqCodel,
    Hfsc,
    HfscClass,
    Htb,
    HtbClass,
    Netem,
    Police,
    QueueClass,
    QueueStats,
    Sfq,
)

NEWQDISC: Final = 36
NEWTCLASS: Final = 40
NEWTFILTER: Final = 44
ROOT: Final = MAX_U32  # TC_H_ROOT
POLICE_PRIORITY: Final = 1  # the C switch's, so that each finds what the other made

_HEADER = Struct("=IHHII")
_ALL_PROTOCOLS = 0x0300  # ETH_P_ALL in network order
_LINKLAYER_ETHERNET = 1
_SMALLEST = 60  # octets: what is shorter is padded
_LARGEST = 1 << 17  # a super-frame with the headers that its segments will have
_TABLE_LEN = 1024  # of a table of times, which must be there though the kernel computes
_SHOT, _PIPE, _CONTINUE = 2, 3, -1
_Attributes = list[tuple[str, object]]


class _PoliceOptions(act_police.options):  # type: ignore[misc]
    """What act_police has learned since: pyroute2 does not know these."""

    nla_map = (
        *(
            (name, "cdata" if name == "TCA_POLICE_RATE" else kind)
            for name, kind in act_police.options.nla_map
        ),
        ("TCA_POLICE_TM", "hex"),
        ("TCA_POLICE_PAD", "hex"),
        ("TCA_POLICE_RATE64", "uint64"),
        ("TCA_POLICE_PEAKRATE64", "uint64"),
        ("TCA_POLICE_PKTRATE64", "uint64"),
        ("TCA_POLICE_PKTBURST64", "uint64"),
    )

    class police_tbf(act_police.options.police_tbf):  # type: ignore[misc]  # noqa: N801 - as below
        """The bucket, without the table of times that pyroute2 computes, which slow rates overflow."""

        encode = nla.encode


class _Actions(nla):  # type: ignore[misc]
    nla_map = tuple((f"TCA_ACT_PRIO_{n}", "tca_act") for n in range(8))

    class tca_act(common_act.tca_act_prio.tca_act):  # type: ignore[misc]  # noqa: N801 - pyroute2 finds it by name
        """An action of a filter."""

        @staticmethod
        def get_act_options(self: Any, *_args: object, **_kwargs: object) -> Any:
            """Choose the class for the action's options."""
            return _PoliceOptions if self.get_attr("TCA_ACT_KIND") == "police" else nla.hex


class _MatchAllOptions(cls_matchall.options):  # type: ignore[misc]
    tca_act_prio = _Actions


class _Message(tcmsg):  # type: ignore[misc]
    @staticmethod
    def get_options(self: Any, *args: object, **kwargs: object) -> Any:
        """Choose the class for TCA_OPTIONS."""
        if self.get_attr("TCA_KIND") == "matchall":
            return _MatchAllOptions
        return tcmsg.get_options(self, *args, **kwargs)


def encode_qdisc(ifindex: int, discipline: Discipline) -> bytes:
    """Return the body of a message that makes or changes a device's root qdisc."""
    options = _DISCIPLINES[discipline.kind][0](discipline)
    return _encode(NEWQDISC, ifindex, HANDLE, ROOT, discipline.kind, options)


def encode_class(ifindex: int, minor: int, queue: QueueClass) -> bytes:
    """Return the body of a message that makes or changes a class."""
    kind, options = (
        ("htb", _htb_class(queue)) if isinstance(queue, HtbClass) else ("hfsc", _hfsc_class(queue))
    )
    top = ROOT if kind == "htb" else HANDLE
    parent = top if minor == ROOT_CLASS else HANDLE | ROOT_CLASS
    return _encode(NEWTCLASS, ifindex, HANDLE | minor, parent, kind, options)


def encode_police(ifindex: int, parent: int, police: Police) -> bytes:
    """Return the body of a message that makes the filter which limits what comes."""
    limits = _limits(police)
    actions = [
        (
            f"TCA_ACT_PRIO_{at}",
            {"attrs": [("TCA_ACT_KIND", "police"), ("TCA_ACT_OPTIONS", {"attrs": limit(at == len(limits))})]},
        )
        for at, limit in enumerate(limits, 1)
    ]
    options = {"attrs": [("TCA_MATCHALL_ACT", {"attrs": actions})]}
    info = POLICE_PRIORITY << 16 | _ALL_PROTOCOLS
    return _encode(NEWTFILTER, ifindex, 1, parent, "matchall", options, info)


def decode_qdisc(body: bytes) -> Discipline | None:
    """Read a qdisc of a kind that this program makes; None: it is another."""
    message = _decode(NEWQDISC, body)
    found = _DISCIPLINES.get(message.get_attr("TCA_KIND"))
    return found[1](message.get_attr("TCA_OPTIONS")) if found else None


def decode_class(body: bytes) -> tuple[int, QueueClass, QueueStats] | None:
    """Read a class: its minor number, its settings and its counters; None: it is none of ours."""
    message = _decode(NEWTCLASS, body)
    kind, options = message.get_attr("TCA_KIND"), message.get_attr("TCA_OPTIONS")
    minor = message["handle"] & 0xFFFF
    if kind not in _CLASSES or options is None or not minor:
        return None
    return minor, _CLASSES[kind](options), _statistics(message)


def decode_police(body: bytes) -> Police | None:
    """Read a filter; None: it is none that encode_police() made."""
    message = _decode(NEWTFILTER, body)
    options = message.get_attr("TCA_OPTIONS")
    if message.get_attr("TCA_KIND") != "matchall" or message["info"] >> 16 != POLICE_PRIORITY or not options:
        return None
    actions = options.get_attr("TCA_MATCHALL_ACT")
    found = Police()
    for _, action in actions["attrs"] if actions else ():
        if action.get_attr("TCA_ACT_KIND") != "police":
            return None
        settings = action.get_attr("TCA_ACT_OPTIONS")
        bucket = settings.get_attr("TCA_POLICE_TBF")
        if packets := settings.get_attr("TCA_POLICE_PKTRATE64"):
            burst = settings.get_attr("TCA_POLICE_PKTBURST64") or 0
            found = Police(found.rate, found.burst, packets, burst)
        else:
            rate = settings.get_attr("TCA_POLICE_RATE64") or bucket["rate"]
            found = Police(rate, bucket["burst"], found.packets, found.packet_burst)
    return None if found == Police() else found


def _encode(
    type_: int, ifindex: int, handle: int, parent: int, kind: str, options: object, info: int = 0
) -> bytes:
    message = _Message()
    message["header"]["type"] = type_  # on which the class for the options depends
    message["index"], message["handle"], message["parent"], message["info"] = ifindex, handle, parent, info
    message["attrs"] = [("TCA_KIND", kind)]
    if options is not None:
        message["attrs"].append(("TCA_OPTIONS", options))
    message.encode()
    return bytes(message.data[_HEADER.size :])


def _decode(type_: int, body: bytes) -> Any:
    message = _Message(_HEADER.pack(_HEADER.size + len(body), type_, 0, 0, 0) + body)
    message.decode()
    return message


def _statistics(message: Any) -> QueueStats:
    stats = message.get_attr("TCA_STATS2")
    basic = stats.get_attr("TCA_STATS_BASIC") if stats else None
    queue = stats.get_attr("TCA_STATS_QUEUE") if stats else None
    return QueueStats(
        packets=basic["packets"] if basic else 0,
        octets=basic["bytes"] if basic else 0,
        drops=queue["drops"] if queue else 0,
    )


def _htb_class(queue: HtbClass) -> Mapping[str, object]:
    parameters = {
        "rate": min(queue.rate, MAX_U32),
        "ceil": min(queue.ceil, MAX_U32),
        "buffer": queue.burst,
        "cbuffer": queue.cburst,
        "quantum": queue.quantum,
        "prio": queue.priority,
        # pyroute2 calls the link layer reserved. With it the kernel needs no tables of times.
        **{f"{of}___reserved": _LINKLAYER_ETHERNET for of in ("rate", "ceil")},
        **{f"{of}_mpu": _SMALLEST for of in ("rate", "ceil")},
    }
    attributes: _Attributes = [("TCA_HTB_PARMS", parameters)]
    if queue.rate > MAX_U32:
        attributes.append(("TCA_HTB_RATE64", queue.rate))
    if queue.ceil > MAX_U32:
        attributes.append(("TCA_HTB_CEIL64", queue.ceil))
    return {"attrs": attributes}


def _read_htb_class(options: Any) -> HtbClass:
    parameters = options.get_attr("TCA_HTB_PARMS")
    return HtbClass(
        rate=options.get_attr("TCA_HTB_RATE64") or parameters["rate"],
        ceil=options.get_attr("TCA_HTB_CEIL64") or parameters["ceil"],
        burst=parameters["buffer"],
        cburst=parameters["cbuffer"],
        priority=parameters["prio"],
        quantum=parameters["quantum"],
    )


def _hfsc_class(queue: HfscClass) -> Mapping[str, object]:
    share = {"m1": 0, "d": 0, "m2": min(queue.rate, MAX_U32)}
    limit = {"m1": 0, "d": 0, "m2": min(queue.ceil, MAX_U32)}
    return {"attrs": [("TCA_HFSC_RSC", share), ("TCA_HFSC_FSC", share), ("TCA_HFSC_USC", limit)]}


def _read_hfsc_class(options: Any) -> HfscClass:
    share, limit = options.get_attr("TCA_HFSC_RSC"), options.get_attr("TCA_HFSC_USC")
    return HfscClass(rate=share["m2"] if share else 0, ceil=limit["m2"] if limit else 0)


_CLASSES: dict[str, Callable[[Any], QueueClass]] = {"htb": _read_htb_class, "hfsc": _read_hfsc_class}


def _encode_htb(_: Any) -> object:
    return {"attrs": [("TCA_HTB_INIT", {"version": 3, "rate2quantum": 10, "defcls": 1})]}


def _encode_hfsc(_: Any) -> object:
    return {"defcls": 1}


def _encode_sfq(sfq: Any) -> object:
    return {"quantum": sfq.quantum, "perturb_period": sfq.perturb}


def _read_sfq(options: Any) -> Sfq:
    return Sfq(perturb=options["perturb_period"], quantum=options["quantum"])


def _encode_netem(netem: Any) -> object:
    return {"delay": netem.latency, "jitter": netem.jitter, "limit": netem.limit, "loss": netem.loss}


def _read_netem(options: Any) -> Netem:
    return Netem(options["delay"], options["jitter"], options["limit"], options["loss"])


def _encode_codel(codel: Any) -> object:
    names = ("target", "limit", "interval")
    return {"attrs": [(f"TCA_CODEL_{name.upper()}", getattr(codel, name)) for name in names]}


def _read_codel(options: Any) -> Codel:
    return Codel(*(options.get_attr(f"TCA_CODEL_{name}") for name in ("TARGET", "LIMIT", "INTERVAL")))


_FQ_CODEL = ("target", "limit", "interval", "flows", "quantum")


def _encode_fq_codel(codel: Any) -> object:
    return {"attrs": [(f"TCA_FQ_CODEL_{name.upper()}", getattr(codel, name)) for name in _FQ_CODEL]}


def _read_fq_codel(options: Any) -> FqCodel:
    return FqCodel(*(options.get_attr(f"TCA_FQ_CODEL_{name.upper()}") for name in _FQ_CODEL))


_DISCIPLINES: dict[str, tuple[Callable[[Any], object], Callable[[Any], Discipline]]] = {
    "htb": (_encode_htb, lambda _: Htb()),
    "hfsc": (_encode_hfsc, lambda _: Hfsc()),
    "sfq": (_encode_sfq, _read_sfq),
    "netem": (_encode_netem, _read_netem),
    "codel": (_encode_codel, _read_codel),
    "fq_codel": (_encode_fq_codel, _read_fq_codel),
}


def _limits(police: Police) -> list[Callable[[bool], _Attributes]]:
    """Return what encodes each limit, told whether it is the last: each is an action of its own."""

    def bucket(**settings: int) -> tuple[str, object]:
        return "TCA_POLICE_TBF", {"action": _SHOT, "mtu": _LARGEST, **settings}

    def octets(is_last: bool) -> _Attributes:
        rate = min(police.rate, MAX_U32)
        attributes: _Attributes = [
            bucket(rate=rate, burst=police.burst, rate_cell_log=1, rate___reserved=_LINKLAYER_ETHERNET),
            ("TCA_POLICE_RATE", bytes(_TABLE_LEN)),
            ("TCA_POLICE_RESULT", _result(is_last)),
        ]
        return attributes + ([("TCA_POLICE_RATE64", police.rate)] if police.rate > MAX_U32 else [])

    def packets(is_last: bool) -> _Attributes:
        return [
            bucket(),
            ("TCA_POLICE_RESULT", _result(is_last)),
            ("TCA_POLICE_PKTRATE64", police.packets),
            ("TCA_POLICE_PKTBURST64", police.packet_burst),
        ]

    return [*([octets] if police.rate else []), *([packets] if police.packets else [])]


def _result(is_last: bool) -> int:
    """Return what becomes of a packet within the limit: the next limit has it, or what is behind."""
    return (_CONTINUE if is_last else _PIPE) & MAX_U32
