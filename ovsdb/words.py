"""Words: what is a name, and what stands in quotes where it is shown.

Rule: no patterns, which a call of a tool would have to compile.
"""

from __future__ import annotations

from ovsdb.uuids import is_uuid
from rpc.jsonvalue import encode


def is_identifier(text: str) -> bool:
    """Whether it is an <id> (RFC 7047, section 3.1): letters, digits and _, no digit first."""
    return text.isascii() and text.isidentifier()


def quoted(text: str) -> str:
    """A string as the programs show it: as it is where it could be nothing else, else as in JSON."""
    plain = text[:1] not in (".", "-") and is_identifier(text.replace(".", "_").replace("-", "_"))
    return text if plain and text not in ("true", "false") and not is_uuid(text) else encode(text).decode()
