from typing import get_type_hints

import pytest

from rpc.structs import Struct


class Point(Struct):
    """A place."""

    x: int
    y: int = 2
    name: "UnknownToAnybody" = ""  # type: ignore[name-defined]  # noqa: F821  # annotations are not looked at

    @property
    def sum(self) -> int:
        return self.x + self.y

    @classmethod
    def origin(cls) -> "Point":
        return cls(0, 0)

    def __str__(self) -> str:
        return f"{self.x}/{self.y}"


def test_it_is_a_named_tuple() -> None:
    assert Point(1) == (1, 2, "") == Point(x=1, y=2, name="")
    assert Point(1)._replace(y=5) == Point(1, 5)
    assert Point._fields == ("x", "y", "name")
    assert repr(Point(1)) == "Point(x=1, y=2, name='')"
    assert (Point.__module__, Point.__doc__) == (__name__, "A place.")


def test_methods_and_properties_are_there() -> None:
    assert (Point(1).sum, Point.origin(), str(Point(3, 4))) == (3, Point(0, 0), "3/4")


def test_a_field_without_default_must_be_given() -> None:
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]


def test_members_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Point(1).z = 2  # type: ignore[attr-defined]


def test_annotations_stay_for_those_who_ask() -> None:
    class Pair(Struct):
        a: int
        b: str = ""

    assert get_type_hints(Pair) == {"a": int, "b": str}
