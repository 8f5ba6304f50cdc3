"""Which changes of rows wake the reconciler."""

from ovsdb.client.replica import Change
from ovsdb.datum import Value
from vswitchd.daemon import is_configuration


def test_own_writes_do_not_wake() -> None:
    old: dict[str, Value] = {"name": "p1", "ofport": frozenset[int](), "statistics": {}}
    new = old | {"ofport": frozenset((1,)), "statistics": {"rx_packets": 1}}
    assert not is_configuration(Change("Interface", "u", old, new))
    assert not is_configuration(Change("Open_vSwitch", "u", {"cur_cfg": 1}, {"cur_cfg": 2}))


def test_settings_do_wake() -> None:
    assert is_configuration(Change("Open_vSwitch", "u", {"next_cfg": 1}, {"next_cfg": 2}))
    assert is_configuration(Change("Port", "u", {"tag": frozenset[int]()}, {"tag": frozenset((5,))}))


def test_rows_that_come_and_go_do_wake() -> None:
    assert is_configuration(Change("Interface", "u", None, {"name": "p1"}))
    assert is_configuration(Change("Interface", "u", {"name": "p1"}, None))
