"""Read the members of a JSON object one by one, and refuse what nobody asked for.

The texts are those that clients of Open vSwitch know: "Parsing <what> failed: Required 'table' member is
missing."
"""

from __future__ import annotations

from ovsdb.errors import OvsdbSyntaxError
from ovsdb.words import is_identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Members:
    """One object that is being read; `what` names it in errors."""

    __slots__ = ("_read", "object", "what")

    def __init__(self, json: object, what: str) -> None:
        self.what = what
        if type(json) is not dict:
            raise OvsdbSyntaxError(f"Parsing {what} failed: Object expected.")
        self.object: dict[str, Any] = json
        self._read = 0

    def error(self, text: str) -> OvsdbSyntaxError:
        """An error about this object."""
        return OvsdbSyntaxError(f"Parsing {self.what} failed: {text}", self.object)

    def required(self, name: str, *types: type) -> Any:
        """The member, which must be there and be exactly of one of `types`."""
        value = self.object.get(name, self)
        if value is self:
            raise self.error(f"Required '{name}' member is missing.")
        if type(value) not in types:
            raise self.error(f"Type mismatch for member '{name}'.")
        self._read += 1
        return value

    def optional(self, name: str, *types: type) -> Any | None:
        """The member, or None where it is missing."""
        if name not in self.object:
            return None
        return self.required(name, *types)

    def identifier(self, name: str) -> str:
        """The member, which must be there and be an <id>."""
        value = self.required(name, str)
        if not is_identifier(value):
            raise self.error(f"Type mismatch for member '{name}'.")
        return str(value)

    def finish(self, allowed: tuple[str, ...]) -> None:
        """Raise if there is a member beside `allowed`, which are those that have been asked for."""
        if len(self.object) == self._read:  # the usual case: nothing is left
            return
        left = [name for name in self.object if name not in allowed]
        if not left:
            return
        if len(left) == 1:
            raise self.error(f"Member '{left[0]}' is present but not allowed here.")
        more = f"{len(left) - 1} other member{'s' if len(left) > 2 else ''}"
        raise self.error(f"Member '{left[-1]}' and {more} are present but not allowed here.")
