"""Documents as YAML and JSON text.

Rule: what a word without quotes means, the column decides that it is for: `no` is no boolean and 0x10 no
integer, and `external_ids: {vlan: 010}` keeps its zero. Nothing of YAML is read that could make an object;
anchors are, merge keys are not. A member that stands twice is refused.

A document is dict, list, None, Word (without quotes) and str (in quotes).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from declare.errors import DocumentError

MAX_DEPTH = 50
MAX_NODES = 2_000_000  # after anchors are followed
NULLS = ("", "~", "null", "Null", "NULL")
_TAGS = "tag:yaml.org,2002:"


class Word(str):
    """A scalar that stands without quotes: a number, a boolean or text."""

    __slots__ = ()


def parse_document(text: str, file: str) -> dict[str, Any]:
    """Read a document, JSON if it begins with "{" and is such, else YAML; `file` is named in errors.
    DocumentError.
    """
    bad = next((c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if bad is not None:
        line = text[: text.index(bad)].count("\n") + 1
        raise DocumentError((), f"{file}:{line}: U+{ord(bad):04X} is not allowed")
    document = _parse_json(text, file) if text.lstrip()[:1] == "{" else None
    if document is None:
        document = _Yaml(file).parse(text)
    if not isinstance(document, dict):
        raise DocumentError((), f"{file}: expected a mapping with members such as bridges")
    return document


def _parse_json(text: str, file: str) -> Any:
    """None if it is no JSON; YAML, of which JSON is nearly a part, then says what is wrong with it."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in members:
            if key in found:
                raise DocumentError((), f'{file}: "{key}" stands twice in one object')
            found[key] = {True: Word("true"), False: Word("false")}[value] if type(value) is bool else value
        return found

    try:
        return json.loads(text, parse_int=Word, parse_float=Word, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return None


class _Yaml:
    """Reads the events of PyYAML's parser, which has neither depth nor recursion to run out of."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Any] = {}
        self.nodes = 0

    def parse(self, text: str) -> Any:
        import yaml  # takes 20 ms, and most commands need none

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            return self.documents(yaml.parse(text, Loader=loader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
            raise DocumentError((), f"{self.file}{place}: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise DocumentError((), f"{self.file}: {error}".replace("\n", " ")) from None

    def documents(self, events: Iterator[Any]) -> Any:
        found: list[Any] = []
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                if found:
                    self.fail(event, "only one document may stand in a file")
                found.append(self.node(next(events), events, 0))
        return found[0] if found else {}

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        kind = type(event).__name__
        self.count(event, 1)
        if depth > MAX_DEPTH:
            self.fail(event, f"more than {MAX_DEPTH} levels")
        if kind == "AliasEvent":
            if event.anchor not in self.anchors:
                self.fail(event, f"the anchor {event.anchor} is not defined before")
            value, size = self.anchors[event.anchor]
            self.count(event, size)
            return value
        before = self.nodes
        if kind == "ScalarEvent":
            value = self.scalar(event)
        elif kind == "SequenceStartEvent":
            self.check_tag(event, "seq")
            value = []
            while type(inner := next(events)).__name__ != "SequenceEndEvent":
                value.append(self.node(inner, events, depth + 1))
        else:
            self.check_tag(event, "map")
            value = self.mapping(events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before)
        return value

    def mapping(self, events: Iterator[Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while type(start := next(events)).__name__ != "MappingEndEvent":
            key = self.node(start, events, depth + 1)
            if not isinstance(key, str):
                self.fail(start, "the name of a member must be a word or a string")
            if key == "<<" and isinstance(key, Word):
                self.fail(start, "merge keys are not supported")
            if key in found:
                self.fail(start, f'"{key}" stands twice in one mapping')
            found[str(key)] = self.node(next(events), events, depth + 1)
        return found

    def scalar(self, event: Any) -> str | None:
        self.check_tag(event, "str", "int", "bool", "null", "float")
        text = str(event.value)
        if event.style or event.tag == f"{_TAGS}str":
            return text
        return None if text in NULLS else Word(text)

    def check_tag(self, event: Any, *allowed: str) -> None:
        if event.tag not in (None, "!", *(_TAGS + name for name in allowed)):
            self.fail(event, f"the tag {event.tag} is not allowed here")

    def count(self, event: Any, number: int) -> None:
        self.nodes += number
        if self.nodes > MAX_NODES:
            self.fail(event, f"more than {MAX_NODES} values")

    def fail(self, event: Any, why: str) -> NoReturn:
        mark = event.start_mark
        raise DocumentError((), f"{self.file}:{mark.line + 1}:{mark.column + 1}: {why}")


def format_document(document: dict[str, Any], form: str) -> str:
    """As text in the form "yaml" or "json"."""
    if form == "json":
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: object) -> bool:
            return True

    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
