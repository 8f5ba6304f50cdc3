"""What is drawn as before is the same object; all else is drawn as if there had been nothing before."""

import pytest

from datapath.provider import Vport
from switching.vlan import PortVlan
from vswitchd.config.desired import Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.ofports import BridgeNumbers
from vswitchd.picture import draw
from vswitchd.plan import Actual, ActualDatapath

NAMES = ("a", "b", "c")
VLAN = PortVlan()


def wanted(protected: str = "", peer: str = "", limit: int = 1) -> Desired:
    ports = tuple(
        DesiredPort(
            n, n, VLAN, (DesiredInterface(n, n, "system", peer=peer if n == "b" else ""),), n == protected
        )
        for n in NAMES
    )
    return Desired("u", (DesiredBridge("b", "br0", "dummy", ports),), vlan_limit=limit)


def there(*numbers: int) -> Actual:
    ports = {n: Vport(number, n, "system") for n, number in zip(NAMES, numbers, strict=True)}
    return Actual({"dummy": ActualDatapath("ovs-dummy", ports)})


def numbered(*numbers: int) -> dict[str, BridgeNumbers]:
    return {"br0": BridgeNumbers(dict(zip(NAMES, numbers, strict=True)))}


BEFORE = draw(wanted(), there(1, 2, 3), numbered(1, 2, 3), {})


def test_what_is_the_same_is_the_same_object() -> None:
    assert draw(wanted(), there(1, 2, 3), numbered(1, 2, 3), BEFORE)["dummy"] is BEFORE["dummy"]


@pytest.mark.parametrize(
    ("desired", "actual", "numbers"),
    [
        (wanted(), there(1, 7, 3), numbered(1, 2, 3)),
        (wanted(), there(1, 2, 3), numbered(1, 7, 3)),
        (wanted(protected="b"), there(1, 2, 3), numbered(1, 2, 3)),
        (wanted(peer="a"), there(1, 2, 3), numbered(1, 2, 3)),
    ],
)
def test_a_port_that_differs_is_drawn_anew_and_no_other(
    desired: Desired, actual: Actual, numbers: dict[str, BridgeNumbers]
) -> None:
    after = draw(desired, actual, numbers, BEFORE)
    assert after == draw(desired, actual, numbers, {})
    same = [name for name in NAMES if after["dummy"].by_name[name] is BEFORE["dummy"].by_name[name]]
    assert same == ["a", "c"]


def test_another_limit_of_tags_makes_another_picture_of_the_same_bridges() -> None:
    after = draw(wanted(limit=2), there(1, 2, 3), numbered(1, 2, 3), BEFORE)["dummy"]
    assert after.vlan_limit == 2
    assert after.bridges["br0"] is BEFORE["dummy"].bridges["br0"]
