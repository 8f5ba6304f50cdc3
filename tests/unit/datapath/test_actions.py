"""Actions as values."""

from datapath.actions import Output, PopVlan, Recirc, Userspace


def test_actions_of_different_kinds_are_never_equal() -> None:
    assert Output(1) != Recirc(1)
    assert Output(1) != Userspace(1)
    assert Output(1) == Output(1)
    assert len({Output(1), Recirc(1), Output(1), PopVlan()}) == 3
