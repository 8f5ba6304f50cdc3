"""Actions of every kind, for hypothesis; each can be written as text and read again."""

from __future__ import annotations

from hypothesis import strategies as st

from datapath.actions import (
    Action,
    AddMpls,
    CheckPktLen,
    Clone,
    Ct,
    CtClear,
    DecTtl,
    Hash,
    Meter,
    Nat,
    Opaque,
    Output,
    PopEth,
    PopMpls,
    PopNsh,
    PopVlan,
    PushEth,
    PushMpls,
    PushNsh,
    PushVlan,
    Recirc,
    Sample,
    SetTunnel,
    Trunc,
    Userspace,
)
from datapath.netlink.attrs import attr
from datapath.packet.flowkey import TUN_KEY


def bits(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << count) - 1)


def numbers(count: int) -> st.SearchStrategy[int | None]:
    return st.none() | bits(count)


def nats() -> st.SearchStrategy[Nat]:
    """Translations as the kernel knows them: a range of addresses, perhaps one of ports."""

    def complete(kind: str, proto: int, low: int, more: int | None, ports: list[int]) -> Nat:
        width = 32 if proto == 2 else 128
        addr_min = low % (1 << width)
        high = None if more is None else min(addr_min + 1 + more, (1 << width) - 1)
        port_min = min(ports) if ports else None
        port_max = max(ports) if len(set(ports)) > 1 else None
        addr_max = None if high == addr_min else high
        return Nat(kind, proto, addr_min, addr_max, port_min, port_max, persistent=True)

    ranges = st.builds(
        complete, st.sampled_from(["src", "dst"]), st.sampled_from([2, 10]), bits(128), numbers(20),
        st.lists(bits(16), max_size=2),
    )  # fmt: skip
    return st.sampled_from([Nat(), Nat("src"), Nat("dst")]) | ranges


def masked_values(count: int) -> st.SearchStrategy[tuple[int, int] | None]:
    return st.none() | st.tuples(bits(count), bits(count).filter(bool)).map(
        lambda pair: (pair[0] & pair[1], pair[1])
    )


WORDS = st.from_regex(r"[a-z]{0,8}", fullmatch=True)
OPTIONS: list[st.SearchStrategy[tuple[int, bytes]]] = [
    st.builds(
        lambda parts: (8, b"".join(bytes((0, c, t, len(d) // 4)) + d for c, t, d in parts)),
        st.lists(
            st.tuples(bits(8), bits(8), st.sampled_from([b"", b"\0\0\0\1", b"\xab" * 8])),
            min_size=1,
            max_size=3,
        ),
    ),
    st.builds(lambda value: (11, attr(1, value.to_bytes(4, "little"))), st.integers(1, (1 << 24) - 1)),
    st.builds(lambda index: (15, b"\1\0\0\0" + index.to_bytes(4, "big") + bytes(4)), bits(20)),
    st.builds(lambda high, low: (15, b"\2\0\0\0" + bytes(6) + bytes((high, low & 0xF8))), bits(2), bits(8)),
]


def simple_actions() -> st.SearchStrategy[Action]:
    known: list[st.SearchStrategy[Action]] = [
        st.builds(Output, bits(32)),
        st.builds(Recirc, bits(32)),
        st.just(PopVlan()),
        st.builds(PushVlan, st.sampled_from([0x8100, 0x88A8]), bits(16)),
        st.builds(
            Userspace, bits(32), st.just(b"") | st.binary(min_size=8, max_size=40), numbers(32), st.booleans()
        ),
        st.builds(
            SetTunnel, dst=st.integers(1, (1 << 32) - 1), src=bits(32), tun_id=bits(64), tos=bits(8), ttl=bits(8),
            flags=bits(4).map(lambda flags: flags | TUN_KEY), tp_src=bits(16), tp_dst=bits(16),
            options=st.just(()) | st.one_of(OPTIONS).map(lambda option: (option,)),
        ),
        st.builds(Trunc, bits(32)),
        st.builds(Hash, st.sampled_from([0, 1, 7]), bits(32)),
        st.builds(PushMpls, bits(32), st.sampled_from([0x8847, 0x8848])),
        st.builds(PopMpls, st.sampled_from([0x0800, 0x8847])),
        st.builds(AddMpls, bits(32), st.sampled_from([0x8847, 0x8848]), bits(1)),
        st.builds(PushEth, bits(48), bits(48)),
        st.just(PopEth()),
        st.builds(
            PushNsh, bits(2), bits(6), st.just(1), bits(8), bits(32), st.binary(min_size=16, max_size=16)
        ),
        st.builds(PushNsh, bits(2), bits(6), st.just(2), bits(8), bits(32), st.sampled_from([b"", b"\xa1\2\3\4" * 2])),
        st.just(PopNsh()),
        st.builds(Meter, bits(32)),
        st.builds(
            lambda force, **rest: Ct(commit=force is not None, force=bool(force), **rest),
            st.sampled_from([None, False, True]), zone=bits(16), mark=masked_values(32), labels=masked_values(128),
            helper=WORDS, nat=st.none() | nats(), timeout=WORDS,
        ),
        st.just(CtClear()),
        st.builds(Opaque, st.integers(24, 40), st.binary(max_size=40)),
    ]  # fmt: skip
    return st.one_of(known)


def actions() -> st.SearchStrategy[tuple[Action, ...]]:
    def deeper(inner: st.SearchStrategy[Action]) -> st.SearchStrategy[Action]:
        lists = st.lists(inner, max_size=3).map(tuple)
        return st.one_of(
            st.builds(Clone, lists),
            st.builds(Sample, st.sampled_from([0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]), lists),
            st.builds(CheckPktLen, bits(16), lists, lists),
            st.builds(DecTtl, lists),
        )

    return st.lists(st.recursive(simple_actions(), deeper, max_leaves=4), max_size=6).map(tuple)
