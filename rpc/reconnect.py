"""When to connect, when to probe an idle connection, when to give it up: the timing of one connection.

Rule: nothing here does I/O or reads a clock. The owner reports what happened (`connected`, `disconnected`,
`activity`, ...), asks `run(now)` what to do, does it, and sleeps until `deadline()`. Times are seconds of a
monotonic clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

DEFAULT_MIN_BACKOFF = 1.0
DEFAULT_MAX_BACKOFF = 8.0
DEFAULT_PROBE_INTERVAL = 5.0


class State(enum.Enum):
    """Where the connection stands."""

    VOID = "VOID"  # not enabled
    BACKOFF = "BACKOFF"  # waiting before the next attempt
    CONNECTING = "CONNECTING"
    LISTENING = "LISTENING"  # passive: waiting for the other side to connect
    ACTIVE = "ACTIVE"  # connected
    IDLE = "IDLE"  # connected, a probe was sent and not answered yet


class Event(enum.Enum):
    """What happens to it."""

    ENABLE = "enable"
    CONNECT = "connect begun"
    LISTEN = "listen begun"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"  # also: the attempt failed
    ACTIVITY = "activity"  # bytes were received
    PROBE = "probe sent"
    DISABLE = "disable"


class Action(enum.Enum):
    """What run() asks the owner to do."""

    CONNECT = "connect"  # begin to connect (passive: to listen), and report CONNECT or LISTEN
    DISCONNECT = "disconnect"  # close, and report DISCONNECTED
    PROBE = "probe"  # send an echo request


_DOWN = {Event.DISCONNECTED: State.BACKOFF, Event.DISABLE: State.VOID}
_UP = {**_DOWN, Event.ACTIVITY: State.ACTIVE}
TRANSITIONS: dict[tuple[State, Event], State] = {
    (state, event): target
    for state, row in {
        State.VOID: {Event.ENABLE: State.BACKOFF},
        State.BACKOFF: {
            **_DOWN,
            Event.CONNECT: State.CONNECTING,
            Event.LISTEN: State.LISTENING,
            Event.CONNECTED: State.ACTIVE,
        },
        State.CONNECTING: {**_DOWN, Event.CONNECTED: State.ACTIVE},
        State.LISTENING: {**_DOWN, Event.CONNECTED: State.ACTIVE},
        State.ACTIVE: {**_UP, Event.PROBE: State.IDLE},
        State.IDLE: _UP,
    }.items()
    for event, target in row.items()
}
CONNECTED_STATES = (State.ACTIVE, State.IDLE)


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals in seconds."""

    min_backoff: float = DEFAULT_MIN_BACKOFF
    max_backoff: float = DEFAULT_MAX_BACKOFF
    probe_interval: float = DEFAULT_PROBE_INTERVAL  # 0: never probe


class ReconnectError(Exception):
    """The owner reported an event that cannot happen in this state."""


class Reconnect:
    """The machine for one connection; it starts in VOID."""

    def __init__(self, now: float, timing: Timing | None = None, *, passive: bool = False) -> None:
        self.timing = timing or Timing()
        self.passive = passive
        self.state = State.VOID
        self.entered = now  # when the state was entered
        self.backoff = 0.0  # how long to wait in BACKOFF
        self._connected_since = now  # when the connection was made that is there or was there last
        self._active_since = now  # last sign of life of the peer

    def handle(self, event: Event, now: float) -> None:
        """Takes a report of what happened; ReconnectError if it cannot happen now."""
        target = TRANSITIONS.get((self.state, event))
        if target is None:
            raise ReconnectError(f"{event.value} in state {self.state.value}")
        if event is Event.ENABLE:
            self.backoff = 0.0
        elif event is Event.DISCONNECTED:
            self._set_backoff()
        elif event is Event.CONNECTED:
            self._connected_since = self._active_since = now
        elif event is Event.ACTIVITY:
            self._active_since = now
        if target is not self.state or event is Event.DISCONNECTED:
            self.state = target
            self.entered = now

    def run(self, now: float) -> Action | None:
        """What to do now; the same answer until the owner has reported that it was done."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return None
        if self.state is State.BACKOFF:
            return Action.CONNECT
        return Action.PROBE if self.state is State.ACTIVE else Action.DISCONNECT

    def deadline(self) -> float | None:
        """When run() will have something to say, if nothing happens before; None: never."""
        if self.state is State.BACKOFF:
            return self.entered + self.backoff
        if self.state is State.CONNECTING:
            return self.entered + max(1.0, self.backoff)
        if self.state is State.ACTIVE and self.timing.probe_interval:
            return self._active_since + self.timing.probe_interval
        if self.state is State.IDLE and self.timing.probe_interval:
            return self.entered + self.timing.probe_interval
        return None

    def _set_backoff(self) -> None:
        """Doubles the wait, or starts over after a connection that lived longer than the wait before it.

        Listening is cheap for everybody, so a passive connection does not wait after one that was made.
        """
        timing = self.timing
        if self.state in CONNECTED_STATES:
            if self.passive:
                self.backoff = 0.0
                return
            if self._active_since - self._connected_since >= self.backoff:
                self.backoff = timing.min_backoff
                return
        self.backoff = min(max(self.backoff * 2, timing.min_backoff), timing.max_backoff)
