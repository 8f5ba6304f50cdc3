import copy
import pickle
from collections import namedtuple
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


class Wide(Struct):
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int
    h: int
    i: int
    j: int
    k: int = 11
    m: int = 12


def test_fields_are_given_by_place_or_by_name_however_many_there_are() -> None:
    first = dict(zip("abcdefghij", range(10), strict=True))
    assert Wide(*range(10)) == Wide(**first) == (*range(10), 11, 12)
    assert Wide(**first, m=0)[-2:] == (11, 0)
    assert Wide._field_defaults == {"k": 11, "m": 12}


class Empty(Struct):
    pass


def test_a_class_may_have_no_fields() -> None:
    assert Empty() == ()
    assert repr(Empty()) == "Empty()"


def test_mistakes_in_a_call_are_told_as_of_any_function() -> None:
    theirs_too = namedtuple("theirs_too", "x y name", defaults=[2, ""])
    for args, kwargs in ((), {}), ((1, 2, "", 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1}):
        with pytest.raises(TypeError) as theirs:
            theirs_too(*args, **kwargs)
        with pytest.raises(TypeError) as ours:
            Point(*args, **kwargs)
        assert str(ours.value) == str(theirs.value).replace("theirs_too", "Point")


def test_what_is_unknown_is_not_replaced() -> None:
    with pytest.raises((TypeError, ValueError)):
        Point(1)._replace(z=5)  # type: ignore[call-arg]


def test_it_is_made_of_a_sequence_and_taken_apart() -> None:
    assert Point._make([1, 3, "n"]) == Point(1, 3, "n")
    assert Point(1)._asdict() == {"x": 1, "y": 2, "name": ""}
    match Point(1, 5):
        case Point(x, 5):
            assert x == 1
        case _:
            pytest.fail("no match")


def test_it_is_copied_and_pickled() -> None:
    for made in (pickle.loads(pickle.dumps(Point(1, 3))), copy.copy(Point(1, 3)), copy.deepcopy(Point(1, 3))):
        assert made == Point(1, 3)
        assert type(made) is Point


def test_a_field_without_default_behind_one_that_has_one_is_refused() -> None:
    with pytest.raises(TypeError, match="without a default"):

        class Wrong(Struct):
            a: int = 1
            b: int  # type: ignore[misc]
