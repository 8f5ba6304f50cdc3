"""Which datapath a command is about: "type@name", "name", or the only one there is.

Rule: a datapath that the program has open already is used as it is and not closed.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from datapath.provider import Datapath, DatapathError, Provider
from dpctl.errors import DpctlError, because

Name = tuple[str, str]  # type, name


@dataclass(frozen=True)
class Targets:
    """The datapaths that commands can reach."""

    providers: Mapping[str, Provider]
    default_type: str = "system"
    opened: Mapping[Name, Datapath] = field(default_factory=dict)
    in_daemon: bool = False  # the commands are dpctl/* of ovs-vswitchd

    def parse(self, text: str) -> Name:
        """Split "type@name"."""
        kind, at, name = text.rpartition("@")
        return (kind if at else self.default_type), name

    def all(self) -> list[Name]:
        """List the datapaths of every type. DpctlError where one cannot be asked."""
        names: list[Name] = []
        for kind, provider in self.providers.items():
            try:
                names += [(kind, name) for name in provider.datapaths()]
            except DatapathError as error:
                raise DpctlError(because(f"failed to enumerate {kind} datapaths", error.errno)) from None
        return sorted(names)

    def provider(self, kind: str) -> Provider:
        """Find a provider; DatapathError(EAFNOSUPPORT) where there is none of that type."""
        provider = self.providers.get(kind)
        if provider is None:
            raise DatapathError(errno.EAFNOSUPPORT, f"find datapath type {kind}")
        return provider

    @contextlib.contextmanager
    def open(self, name: Name, what: str) -> Iterator[Datapath]:
        """Use a datapath; DpctlError(`what`) where it cannot be opened."""
        if name in self.opened:
            yield self.opened[name]
            return
        try:
            datapath = self.provider(name[0]).open(name[1])
        except DatapathError as error:
            raise DpctlError(because(what, error.errno)) from None
        try:
            yield datapath
        finally:
            datapath.close()

    def optional(self, arguments: list[str], others: int) -> tuple[Name, list[str]]:
        """Take the optional datapath off the arguments of a command that wants `others` more at most."""
        names = self.all()
        if arguments and self.parse(arguments[0]) in names:
            return self.parse(arguments[0]), arguments[1:]
        if len(arguments) > others:
            raise DpctlError(because("datapath not found", errno.EINVAL))
        if len(names) != 1:
            count = "multiple datapaths, specify one" if names else "no datapaths exist"
            raise DpctlError(count, because("datapath not found", errno.EINVAL))
        return names[0], arguments


def label(name: Name) -> str:
    """Write a datapath's name as the commands print it."""
    return f"{name[0]}@{name[1]}"
