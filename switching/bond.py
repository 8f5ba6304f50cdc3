"""A bond: which of its members carry packets, and which of them carries what.

Rule: pure; `now` is an argument. What happens to a bond is an answer to update(), run() or a command; each
returns the places that answer differently now, so that flows follow, and notes in `log` what a reader of the
log wants to know.
Source: ovs-vswitchd.conf.db(5), "Bonding Configuration"; ovs-vswitchd(8), "Bond Commands".
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

BUCKETS = 256  # what a hash can be: a bucket of stations or connections has one member


class BondMode(enum.Enum):
    """Port.bond_mode; the values are the database's."""

    ACTIVE_BACKUP = "active-backup"
    BALANCE_SLB = "balance-slb"
    BALANCE_TCP = "balance-tcp"


class LacpStatus(enum.Enum):
    """What has become of the negotiation with the other side; the values are those of bond/show."""

    OFF = "off"
    CONFIGURED = "configured"  # no partner has answered
    NEGOTIATED = "negotiated"


@dataclass(frozen=True, slots=True)
class BondConfig:
    """What the database asks of a bond; times in seconds."""

    mode: BondMode = BondMode.ACTIVE_BACKUP
    updelay: float = 0.0
    downdelay: float = 0.0
    rebalance_interval: float = 10.0  # 0: never
    hash_basis: int = 0
    primary: str = ""
    all_members_active: bool = False
    lacp: bool = False  # links are to be negotiated
    lacp_fallback_ab: bool = False  # without a partner: active-backup
    fake_interface: bool = False  # an internal port with the bond's name


def recirc_id_of(name: str) -> int:
    """Identify the packets that come again with a hash for the bond of this name; the same in every run."""
    return zlib.crc32(name.encode()) or 1


class ActiveMember(NamedTuple):
    """A place: which members of this bond are enabled, and which is active."""

    bond: str


class Bucket(NamedTuple):
    """A place: which member has this bucket of this bond."""

    bond: str
    number: int


@dataclass(slots=True)
class Member:
    """An interface of a bond."""

    enabled: bool = False
    link_up: bool = False
    changes_at: float | None = None  # when a delay is over and `enabled` follows the link


@dataclass(slots=True)
class Bond:
    """The state of a bond."""

    name: str
    config: BondConfig = field(default_factory=BondConfig)
    members: dict[str, Member] = field(default_factory=dict)  # by name of the interface
    active: str = ""  # the member that alone takes what is for many; "": none is enabled
    buckets: list[str] = field(default_factory=lambda: [""] * BUCKETS)  # the member of each
    loads: list[int] = field(default_factory=lambda: [0] * BUCKETS)  # octets, halved at each rebalancing
    lacp_status: LacpStatus = LacpStatus.OFF
    rebalances_at: float | None = None
    must_announce: bool = False  # stations behind us shall be heard at another member now
    log: list[str] = field(default_factory=list)

    @property
    def mode(self) -> BondMode | None:
        """How it carries packets at present; None: not at all, for want of a partner."""
        if self.lacp_status is LacpStatus.NEGOTIATED:
            return self.config.mode
        if self.lacp_status is LacpStatus.CONFIGURED:
            return BondMode.ACTIVE_BACKUP if self.config.lacp_fallback_ab else None
        if self.config.mode is not BondMode.BALANCE_TCP:
            return self.config.mode
        return BondMode.ACTIVE_BACKUP if self.config.lacp_fallback_ab else None

    def may_enable(self, name: str) -> bool:
        """Tell whether a member may carry packets once its delays are over."""
        member = self.members[name]
        return member.link_up and (
            self.lacp_status is not LacpStatus.CONFIGURED or self.config.lacp_fallback_ab
        )

    def enabled(self) -> list[str]:
        """Name the members that carry packets."""
        return [name for name, member in self.members.items() if member.enabled]

    def update(
        self, config: BondConfig, links: Mapping[str, bool], now: float, active_hint: str = ""
    ) -> list[Hashable]:
        """Take over a configuration and the members with the state of their links.

        `active_hint` names the member that was active when an earlier run ended.
        """
        changed: list[Hashable] = []
        if config != self.config or links.keys() != self.members.keys():
            changed.append(ActiveMember(self.name))
        if config.hash_basis != self.config.hash_basis:
            changed += (Bucket(self.name, n) for n in range(BUCKETS))
        self.config = config
        self.lacp_status = LacpStatus.CONFIGURED if config.lacp else LacpStatus.OFF
        before, self.members = self.members, {name: Member(link_up=links[name]) for name in sorted(links)}
        for name, member in self.members.items():
            if name in before:
                self.members[name] = before[name]
                before[name].link_up = member.link_up
            else:
                changed += self._enable(name, self.may_enable(name), now)
        interval = config.rebalance_interval
        if not interval or config.mode is BondMode.ACTIVE_BACKUP:
            self.rebalances_at = None
        elif self.rebalances_at is None or self.rebalances_at > now + interval:
            self.rebalances_at = now + interval
        if not self.active and active_hint in self.enabled():
            changed += self._activate(active_hint)
        return changed + self.run(now)

    def run(self, now: float) -> list[Hashable]:
        """Let delays begin and end, and choose an active member where there is none."""
        changed: list[Hashable] = []
        for name in self.members:
            changed += self._follow_link(name, now)
        if not self.enabled():
            changed += self._enable_at_once(now)
        if self.active not in self.members or not self.members[self.active].enabled:
            preferred = self.config.primary if self.config.primary in self.enabled() else ""
            changed += self._activate(preferred or next(iter(self.enabled()), ""))
        return changed + self._fill_buckets()

    def deadline(self) -> float | None:
        """Return when run() has something to do, links aside."""
        times = [member.changes_at for member in self.members.values() if member.changes_at is not None]
        return min(times, default=None)

    def _follow_link(self, name: str, now: float) -> list[Hashable]:
        member, up = self.members[name], self.may_enable(name)
        if (up == member.enabled) != (member.changes_at is None):
            self.log.append(f"member {name}: link state {'up' if up else 'down'}")
            if up == member.enabled:
                member.changes_at = None
                self.log.append(f"member {name}: will not be {'disabled' if up else 'enabled'}")
            else:
                self._begin_delay(name, up, now)
        if member.changes_at is not None and now >= member.changes_at:
            return self._enable(name, up, now)
        return []

    def _begin_delay(self, name: str, up: bool, now: float) -> None:
        delay = self.config.updelay if up else self.config.downdelay
        self.members[name].changes_at = now + delay
        if delay:
            verb, state = ("enabled", "up") if up else ("disabled", "down")
            self.log.append(f"member {name}: will be {verb} if it stays {state} for {delay * 1000:.0f} ms")

    def _enable_at_once(self, now: float) -> list[Hashable]:
        """Let the first member that is about to be enabled skip what is left of its delay."""
        waiting = [
            (member.changes_at, name)
            for name, member in self.members.items()
            if member.changes_at is not None and self.may_enable(name)
        ]
        if not waiting:
            return []
        when, name = min(waiting)
        self.log.append(
            f"member {name}: skipping remaining {(when - now) * 1000:.0f} ms updelay, as no other is enabled"
        )
        return self._enable(name, True, now)

    def _enable(self, name: str, enabled: bool, now: float) -> list[Hashable]:
        """Enable or disable a member now; whether that lasts is up to its link."""
        member = self.members[name]
        member.changes_at = None
        if member.enabled == enabled:
            return []
        member.enabled = enabled
        self.log.append(f"member {name}: {'enabled' if enabled else 'disabled'}")
        changed: list[Hashable] = [ActiveMember(self.name)]
        if enabled and name == self.config.primary and self.config.mode is not BondMode.BALANCE_SLB:
            changed += self._activate(name)
        return changed

    def _activate(self, name: str) -> list[Hashable]:
        if name == self.active:
            return []
        self.active = name
        self.must_announce = bool(name)
        self.log.append(f"bond {self.name}: " + (f"active member is now {name}" if name else "all disabled"))
        return [ActiveMember(self.name)]

    def _fill_buckets(self) -> list[Hashable]:
        """Give each bucket whose member does not carry packets another one, in turn."""
        enabled = self.enabled()
        turn = cycle(enabled or [""])
        changed: list[Hashable] = []
        for index, name in enumerate(self.buckets):
            if name not in enabled or not name:
                chosen = next(turn)
                if chosen != name:
                    self.buckets[index] = chosen
                    changed.append(Bucket(self.name, index))
        return changed

    # --- commands; the text of a refusal is that of the command

    def set_enabled(self, name: str, enabled: bool, now: float) -> list[Hashable]:
        """bond/enable-member and bond/disable-member: no delay. LookupError: no such member."""
        changed = self._enable(self._member(name), enabled, now)
        if not self.members.get(self.active, Member()).enabled:
            changed += self._activate(next(iter(self.enabled()), ""))
        return changed + self._fill_buckets()

    def set_active(self, name: str) -> list[Hashable]:
        """bond/set-active-member. LookupError: no such member; ValueError: it is disabled."""
        if not self.members[self._member(name)].enabled:
            raise ValueError("cannot make disabled member active")
        return self._activate(name)

    def migrate(self, index: int, name: str) -> list[Hashable]:
        """bond/migrate. LookupError: no such member; ValueError: not allowed."""
        if self.config.mode is not BondMode.BALANCE_SLB:
            raise ValueError("not an SLB bond")
        if not self.members[self._member(name)].enabled:
            raise ValueError("cannot migrate to disabled member")
        self.buckets[index] = name
        return [Bucket(self.name, index)]

    def _member(self, name: str) -> str:
        if name not in self.members:
            raise LookupError("no such member")
        return name
