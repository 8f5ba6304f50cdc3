"""When datapaths are sought that this daemon has not opened."""

from datapath.fake import FakeProvider
from vswitchd.datapaths import Datapaths


class Counting(FakeProvider):
    """Counts how often it is asked what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def datapaths(self) -> list[str]:
        self.asked += 1
        return super().datapaths()


def test_a_type_that_nobody_wants_is_sought_once() -> None:
    dummy, system = Counting(), Counting()
    datapaths = Datapaths({"dummy": dummy, "system": system})
    for _ in range(3):
        datapaths.observe(None, {"dummy"})
    assert (dummy.asked, system.asked) == (3, 1)


def test_what_is_left_from_an_earlier_run_is_found_whoever_wants_it() -> None:
    system = Counting()
    system.create("ovs-system")
    assert set(Datapaths({"system": system}).observe(None, set()).datapaths) == {"system"}


def test_what_somebody_else_made_meanwhile_is_found_by_a_look_at_all() -> None:
    system = Counting()
    datapaths = Datapaths({"system": system})
    datapaths.observe(None, set())
    system.create("ovs-system")
    assert not datapaths.observe(None, set()).datapaths
    assert set(datapaths.observe(None).datapaths) == {"system"}
