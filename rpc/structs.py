"""Struct: typing.NamedTuple for what a call of a tool loads.

Rule: to a type checker it is NamedTuple itself. When a program runs it makes the same classes, but neither
loads typing nor compiles the annotations, which together take as long as an interpreter takes to start.
"""

from __future__ import annotations

__all__ = ["Struct"]

TYPE_CHECKING = False  # typing's would load typing
if TYPE_CHECKING:
    from typing import NamedTuple as Struct
else:
    from collections import namedtuple

    class _Maker(type):
        def __new__(mcs, name, bases, namespace):
            if not bases:
                return super().__new__(mcs, name, bases, namespace)
            fields = namespace.get("__annotations__", {})
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            made = namedtuple(name, fields, defaults=defaults, module=namespace["__module__"])
            made.__annotations__ = fields
            for member, value in namespace.items():
                if member not in ("__annotations__", "__module__", "__qualname__"):
                    setattr(made, member, value)
            return made

    class Struct(metaclass=_Maker):
        """Base of classes whose annotated members are fields, with defaults behind those without."""
