"""Steps that failed, and when each is tried again.

Rule: pure; `now` is an argument. Each step waits by itself, 1, 2, 4 ... 30 seconds, so that one port that
does not work costs the others nothing. It is tried at once where its configuration changed, as it is another
step then, and where what it needs looks different: the device of that name, or who else has it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from vswitchd.plan import Actual, AddPort, SetMac, SetMtu, Step, Subject

FIRST_DELAY, LAST_DELAY = 1.0, 30.0  # seconds
_BY_NAME = ("system", "internal", "tap")  # kinds of ports that are the device of their name


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that the datapath refused."""

    step: Step
    errno: int
    detail: str = ""  # in the datapath's own words


Failures = Mapping[Subject, Failure]


@dataclass(frozen=True, slots=True)
class _Attempt:
    failure: Failure
    circumstances: Hashable
    delay: float
    due: float


def subject_of(step: Step) -> Subject:
    """Name what a step is about."""
    return step.type, step.name


def blocks(step: Step) -> bool:
    """Tell whether nothing else can be done with its subject where a step fails.

    An address that a device refuses hinders neither its MTU nor its forwarding.
    """
    return not isinstance(step, SetMac | SetMtu)


class Retries:
    """The steps that failed when they were last tried."""

    def __init__(self) -> None:
        self._attempts: dict[Step, _Attempt] = {}

    def failures(self) -> dict[Subject, Failure]:
        """Return what does not work, by its subject; what blocks the subject comes before what does not."""
        ordered = sorted(self._attempts.values(), key=lambda attempt: blocks(attempt.failure.step))
        return {subject_of(attempt.failure.step): attempt.failure for attempt in ordered}

    def deadline(self) -> float | None:
        """Return when a step is to be tried again whatever happens."""
        return min((attempt.due for attempt in self._attempts.values()), default=None)

    def due(self, now: float) -> list[Step]:
        """Return the steps that have waited long enough."""
        return [step for step, attempt in self._attempts.items() if attempt.due <= now]

    def ready(self, steps: Iterable[Step], actual: Actual, now: float) -> list[Step]:
        """Return those of the planned steps that wait neither for their time nor for another step."""
        if not self._attempts:
            return list(steps)
        planned = list(steps)
        waiting = {step for step in planned if self._waits(step, actual, now)}
        blocked = {subject_of(step) for step in waiting if blocks(step)}
        return [
            step
            for step in planned
            if step not in waiting and subject_of(step) not in blocked and (step.type, "") not in blocked
        ]

    def cured(self, actual: Actual) -> bool:
        """Tell whether what a step waits for looks different now, so that it need not wait any longer."""
        return any(
            attempt.circumstances != _circumstances(step, actual) for step, attempt in self._attempts.items()
        )

    def keep(self, steps: Iterable[Step]) -> None:
        """Forget the steps that are not planned any more."""
        if self._attempts:
            planned = set(steps)
            self._attempts = {s: attempt for s, attempt in self._attempts.items() if s in planned}

    def note(
        self, tried: Iterable[Step], failed: Mapping[Step, Failure], circumstances: Actual, now: float
    ) -> None:
        """Take down how steps went that were tried under these circumstances."""
        for step in tried:
            before = self._attempts.pop(step, None)
            failure = failed.get(step)
            if failure is None:
                continue
            found = _circumstances(step, circumstances)
            again = before is not None and before.circumstances == found
            delay = min(before.delay * 2, LAST_DELAY) if before is not None and again else FIRST_DELAY
            self._attempts[step] = _Attempt(failure, found, delay, now + delay)
        self._drop_blocked()

    def _waits(self, step: Step, actual: Actual, now: float) -> bool:
        attempt = self._attempts.get(step)
        return (
            attempt is not None
            and now < attempt.due
            and attempt.circumstances == _circumstances(step, actual)
        )

    def _drop_blocked(self) -> None:
        """Let nothing be due that waits for something else."""
        blocked = {subject_of(step) for step in self._attempts if blocks(step)}
        self._attempts = {
            step: attempt
            for step, attempt in self._attempts.items()
            if (step.name == "" or (step.type, "") not in blocked)
            and (blocks(step) or subject_of(step) not in blocked)
        }


def _circumstances(step: Step, actual: Actual) -> Hashable:
    """Return what can be seen of that on which the outcome of a step depends."""
    link = actual.links.get(step.name)
    if isinstance(step, SetMac | SetMtu):
        return link and (link.ifindex, link.mac, link.mtu, link.admin_up, link.max_mtu)
    if not isinstance(step, AddPort):
        return None
    holders = frozenset(type_ for type_, datapath in actual.datapaths.items() if step.name in datapath.ports)
    if step.spec.kind in _BY_NAME:
        return link and (link.ifindex, link.master, link.kind, link.slave_kind), holders
    rivals = frozenset((n, link.ifindex) for n, link in actual.links.items() if link.kind == step.spec.kind)
    return rivals, holders  # another device that has the tunnel's UDP port
