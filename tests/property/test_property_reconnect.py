"""Whatever happens to a connection, its machine keeps its promises."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rpc.reconnect import TRANSITIONS, Action, Event, Reconnect


class AnyLife(RuleBasedStateMachine):
    """Whatever happens: the wait stays within its limits, and run() agrees with deadline()."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.fsm = Reconnect(0.0)

    @rule(event=st.sampled_from(Event))
    def happens(self, event: Event) -> None:
        if (self.fsm.state, event) in TRANSITIONS:
            self.fsm.handle(event, self.now)

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.fsm.run(self.now) is not None)
    @rule()
    def obey(self) -> None:
        events = {
            Action.CONNECT: Event.CONNECT,
            Action.DISCONNECT: Event.DISCONNECTED,
            Action.PROBE: Event.PROBE,
        }
        action = self.fsm.run(self.now)
        assert action
        before = self.fsm.state
        self.fsm.handle(events[action], self.now)
        assert self.fsm.state is not before

    @invariant()
    def wait_is_within_limits(self) -> None:
        assert self.fsm.backoff == 0 or 1 <= self.fsm.backoff <= 8

    @invariant()
    def run_agrees_with_deadline(self) -> None:
        deadline = self.fsm.deadline()
        assert (self.fsm.run(self.now) is not None) == (deadline is not None and deadline <= self.now)


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=40, stateful_step_count=30)
