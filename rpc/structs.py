"""Struct: typing.NamedTuple for what a call of a tool loads.

Rule: to a type checker it is NamedTuple itself. When a program runs it makes classes that are used in the
same ways, but neither loads typing nor compiles anything, be it annotations or constructors: for the thirty
classes of a call that would take as long as an interpreter takes to start.
"""

from __future__ import annotations

__all__ = ["Struct"]

TYPE_CHECKING = False  # typing's would load typing
if TYPE_CHECKING:
    from typing import NamedTuple as Struct
else:
    from collections import _tuplegetter  # what a namedtuple reads its fields with
    from sys import intern

    _new = tuple.__new__
    # The constructors of classes with 0, 1, ... fields, whose names their parameters are given.
    _CONSTRUCTORS = (
        lambda _cls: _new(_cls, ()),
        lambda _cls, a: _new(_cls, (a,)),
        lambda _cls, a, b: _new(_cls, (a, b)),
        lambda _cls, a, b, c: _new(_cls, (a, b, c)),
        lambda _cls, a, b, c, d: _new(_cls, (a, b, c, d)),
        lambda _cls, a, b, c, d, e: _new(_cls, (a, b, c, d, e)),
        lambda _cls, a, b, c, d, e, f: _new(_cls, (a, b, c, d, e, f)),
        lambda _cls, a, b, c, d, e, f, g: _new(_cls, (a, b, c, d, e, f, g)),
        lambda _cls, a, b, c, d, e, f, g, h: _new(_cls, (a, b, c, d, e, f, g, h)),
        lambda _cls, a, b, c, d, e, f, g, h, i: _new(_cls, (a, b, c, d, e, f, g, h, i)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j: _new(_cls, (a, b, c, d, e, f, g, h, i, j)),
    )

    def _constructor(name, fields):
        if len(fields) < len(_CONSTRUCTORS):
            code = _CONSTRUCTORS[len(fields)].__code__.replace(
                co_name="__new__", co_qualname=f"{name}.__new__", co_varnames=("_cls", *fields)
            )
            return type(_constructor)(code, globals(), "__new__")
        listed = ", ".join(fields)
        return eval(f"lambda _cls, {listed}: _new(_cls, ({listed}))", globals())

    class _Maker(type):
        def __new__(mcs, name, bases, namespace):
            if not bases:
                return super().__new__(mcs, name, bases, namespace)
            fields = tuple(map(intern, namespace.get("__annotations__", ())))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            if list(defaults) != list(fields[len(fields) - len(defaults) :]):
                raise TypeError(f"a field of {name} without a default follows one that has a default")
            constructor = _constructor(name, fields)
            constructor.__defaults__ = tuple(defaults.values())
            namespace.update((field, _tuplegetter(n, "")) for n, field in enumerate(fields))
            namespace.update(
                __slots__=(),
                __new__=constructor,
                __match_args__=fields,
                _fields=fields,
                _field_defaults=defaults,
            )
            return type(name, (_Tuple,), namespace)

    class _Tuple(tuple):
        __slots__ = ()

        @classmethod
        def _make(cls, iterable):
            return cls(*iterable)

        def _replace(self, /, **changes):
            for field in changes:
                if field not in self._fields:
                    raise TypeError(f"{type(self).__name__} has no field {field!r}")
            return _new(type(self), [changes.get(f, v) for f, v in zip(self._fields, self, strict=True)])

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            listed = ", ".join(f"{f}={v!r}" for f, v in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({listed})"

        def __getnewargs__(self):
            return tuple(self)

    class Struct(metaclass=_Maker):
        """Base of classes whose annotated members are fields, with defaults behind those without."""
