"""Actions as values."""

from datapath.actions import Action, Output, PopVlan, Recirc, Userspace


def test_actions_of_different_kinds_are_never_equal() -> None:
    output: Action = Output(1)
    others: list[Action] = [Recirc(1), Userspace(1), PopVlan()]
    assert output not in others
    assert output in [*others, Output(1)]
    assert len({output, *others, Output(1)}) == 4
