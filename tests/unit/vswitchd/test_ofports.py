from switching.vlan import PortVlan
from vswitchd import ofports
from vswitchd.config.desired import DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.ofports import MAX_OFPORT, NO_NUMBERS, BridgeNumbers


def bridge(*interfaces: DesiredInterface) -> DesiredBridge:
    ports = [DesiredPort(i.name, i.name, PortVlan(), (i,)) for i in interfaces]
    return DesiredBridge("b", "br0", "dummy", tuple(ports))


def internal(name: str, request: int | None = None) -> DesiredInterface:
    return DesiredInterface(name, name, "internal", ofport_request=request)


def assign(
    wanted: DesiredBridge, present: tuple[str, ...], before: BridgeNumbers, **in_database: int
) -> BridgeNumbers:
    """Number interfaces; `in_database` are the numbers from before a restart."""
    return ofports.assign(wanted, present, before, lambda interface: in_database.get(interface.name))


def test_local_port_has_its_own_number_and_others_count_up() -> None:
    wanted = bridge(internal("br0"), internal("a"), internal("b"))
    assert assign(wanted, ("br0", "a", "b"), NO_NUMBERS).ofports == {"br0": 65534, "a": 1, "b": 2}


def test_number_of_a_port_that_went_is_not_used_again_at_once() -> None:
    first = assign(bridge(internal("a")), ("a",), NO_NUMBERS)
    second = assign(bridge(internal("b")), ("b",), first)
    assert second.ofports == {"b": 2}


def test_request_is_granted_and_kept_against_a_later_one() -> None:
    first = assign(bridge(internal("a", request=9)), ("a",), NO_NUMBERS)
    both = assign(bridge(internal("a", request=9), internal("b", request=9)), ("a", "b"), first)
    assert both.ofports == {"a": 9, "b": 1}


def test_changed_request_changes_the_number() -> None:
    first = assign(bridge(internal("a")), ("a",), NO_NUMBERS)
    assert assign(bridge(internal("a", request=9)), ("a",), first).ofports == {"a": 9}


def test_database_remembers_numbers_over_a_restart() -> None:
    wanted = bridge(internal("a"), internal("b"))
    assert assign(wanted, ("a", "b"), NO_NUMBERS, a=7).ofports == {"a": 7, "b": 1}


def test_two_ports_with_the_same_remembered_number_get_different_ones() -> None:
    wanted = bridge(internal("a"), internal("b"))
    assert assign(wanted, ("a", "b"), NO_NUMBERS, a=7, b=7).ofports == {"a": 7, "b": 1}


def test_port_that_is_not_there_has_no_number() -> None:
    assert assign(bridge(internal("a"), internal("b")), ("b",), NO_NUMBERS).ofports == {"b": 1}


def test_counting_begins_anew_after_the_last_number() -> None:
    before = BridgeNumbers({"a": 1}, MAX_OFPORT)
    assert assign(bridge(internal("a"), internal("b")), ("a", "b"), before).ofports == {"a": 1, "b": 2}
