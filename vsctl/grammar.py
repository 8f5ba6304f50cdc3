"""The commands of ovs-vsctl: what each accepts follows from the signature of the function that executes it.

    @command("add-port", "!BRIDGE !NEW-PORT *COLUMN?:KEY=VALUE", writes=True)
    def add_port(model: Model, bridge: str, port: str, *settings: str, may_exist: bool = False) -> None:

Positional parameters are arguments, those with a default may be left out, *settings takes any number. A
keyword parameter is an option: --may-exist for a bool, --id=ARG for a str. Rule: a command line that gets
past parse_commands() can be executed as far as its grammar goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rpc.structs import Struct
from vsctl.errors import UsageError
from vsctl.text import format_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from ovsdb.schema import Schema
    from vsctl.output import Output

    Executed = TypeVar("Executed", bound=Callable[..., Output | int])


VARIADIC, KEYWORD = 0x04, 0x08  # flags of code objects: co_flags has *args, **kwargs


class Command(Struct):
    """A command as declared."""

    name: str
    function: Callable[..., Any]  # called with the model, the arguments and the options; makes an Output
    usage: str  # the arguments as --commands prints them: !required ?optional +one-or-more *any
    min_args: int
    max_args: int | None  # None: any number
    options: Mapping[str, bool]  # "--may-exist" -> whether it takes an argument
    writes: bool  # it may change the database
    # Called before any command is executed: looks at the names of tables and columns.
    check: Callable[[Schema, Call], None] | None
    alone: bool  # it is given a vsctl.session.Session, and the only command; its result is the exit status
    options_anywhere: bool  # also behind its name; Open vSwitch has no such options to be compatible with


class Call(Struct):
    """A command as given on the command line."""

    command: Command
    args: tuple[str, ...]
    options: Mapping[str, str | bool]  # parameter name -> value
    given: Mapping[str, str | None]  # the options as typed

    @property
    def text(self) -> str:
        """As typed, for messages."""
        options = (k if v is None else f"{k}={v}" for k, v in self.given.items())
        return format_words([*options, self.command.name, *self.args])


TAKES_ALL = "_complete"  # whatever follows this command, "--" too, are its arguments
COMMANDS: dict[str, Command] = {}  # as far as their modules are loaded

# Where commands are declared. Only what a command line names is loaded: vsctl.records, with the types of the
# database, would take 40 % of the time in which the program starts.
MODULES = {
    "vsctl.batch": ("batch",),
    "vsctl.watch": ("watch",),
    "vsctl.completion": ("completion", "_complete"),
    "vsctl.switch": ("init", "show", "emer-reset"),
    "vsctl.bridges": (
        *("add-br", "del-br", "list-br", "br-exists", "br-to-vlan", "br-to-parent"),
        *("br-set-external-id", "br-get-external-id"),
    ),
    "vsctl.ports": (
        *("list-ports", "add-port", "add-bond", "del-port", "port-to-br"),
        *("add-bond-iface", "del-bond-iface", "list-ifaces", "iface-to-br"),
    ),
    "vsctl.controllers": (
        *("get-controller", "del-controller", "set-controller"),
        *("get-fail-mode", "del-fail-mode", "set-fail-mode"),
        *("get-manager", "del-manager", "set-manager", "get-ssl", "del-ssl", "set-ssl"),
        *("add-aa-mapping", "del-aa-mapping", "get-aa-mapping"),
    ),
    "vsctl.zones": (
        *("add-zone-tp", "del-zone-tp", "list-zone-tp", "list-dp-cap"),
        *("set-zone-limit", "del-zone-limit", "list-zone-limits"),
    ),
    "vsctl.declared": ("export", "apply", "diff"),
    "vsctl.unconfirmed": ("confirm",),
    "vsctl.doctor.command": ("doctor",),
    "vsctl.records": (
        *("list", "find", "get", "set", "add", "remove", "clear", "create", "destroy"),
        *("wait-until", "comment"),
    ),
}
OPTIONS = {  # of all commands: whether they take an argument
    "--may-exist": False,
    "--if-exists": False,
    "--with-iface": False,
    "--fake-iface": False,
    "--real": False,
    "--fake": False,
    "--bootstrap": False,
    "--all": False,
    "--id": True,
    "--columns": True,
    "--inactivity-probe": True,
    "--graph": False,
    "--svg": False,
    "--confirm": True,
    "--revert": False,
    "--cancel": False,
    "--dry-run": False,
    "--format": True,
    "--prune": False,
    "--atomic": False,
    "--initial": False,
}


def find_command(name: str) -> Command | None:
    """The command of that name."""
    if name not in COMMANDS:
        for module, names in MODULES.items():
            if name in names:
                __import__(module)
    return COMMANDS.get(name)


def all_commands() -> dict[str, Command]:
    """Every command, by name."""
    for module in MODULES:
        __import__(module)
    return COMMANDS


def command(
    name: str,
    usage: str = "",
    *,
    writes: bool = False,
    check: Callable[[Schema, Call], None] | None = None,
    alone: bool = False,
    options_anywhere: bool = False,
) -> Callable[[Executed], Executed]:
    """Declare the function that executes a command."""

    def declare(function: Executed) -> Executed:
        # inspect.signature() would say the same, but importing inspect takes 10 ms.
        code: Any = function.__code__
        positional = code.co_argcount - 1  # without the model
        optional = len(function.__defaults__ or ())
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        defaults = function.__kwdefaults__ or {}
        options = {f"--{k.replace('_', '-')}": not isinstance(defaults[k], bool) for k in keywords}
        max_args = None if code.co_flags & VARIADIC else positional
        COMMANDS[name] = Command(
            name,
            function,
            usage,
            positional - optional,
            max_args,
            options,
            writes,
            check,
            alone,
            options_anywhere,
        )
        return function

    return declare


def parse_commands(words: Sequence[str], first_options: Sequence[tuple[str, str | None]]) -> list[Call]:
    """The commands in `words`, which "--" separates; `first_options` stood before the first one.
    UsageError.
    """
    if words and words[0] == TAKES_ALL and (found := find_command(words[0])):
        return [Call(found, tuple(words[1:]), {}, {})]
    groups: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    calls: list[Call] = []
    for group in filter(None, groups):
        calls.append(_parse_command(group, () if calls else first_options))
    if not calls:
        raise UsageError("missing command name (use --help for help)")
    alone = next((call.command.name for call in calls if call.command.alone), "")
    if alone and len(calls) > 1:
        raise UsageError(f"'{alone}' cannot be combined with other commands")
    return calls


def _parse_command(words: Sequence[str], before: Iterable[tuple[str, str | None]]) -> Call:
    given = dict(before)
    start = 0
    while start < len(words) and words[start].startswith("-"):
        key, equals, value = words[start].partition("=")
        if key in given:
            raise UsageError(f"'{words[start]}' option specified multiple times")
        given[key] = value if equals else None
        start += 1
    if start == len(words):
        raise UsageError("missing command name (use --help for help)")
    name, args = words[start], tuple(words[start + 1 :])
    found = find_command(name)
    if found is None:
        from vsctl.remedies import did_you_mean

        names = [known for module in MODULES.values() for known in module if not known.startswith("_")]
        raise UsageError(f"unknown command '{name}'; use --help for help", did_you_mean(name, names))
    if found.options_anywhere:
        args = tuple(_take_options(found, args, given))
    options = {key[2:].replace("-", "_"): _parse_option(found, key, value) for key, value in given.items()}
    _check_count(found, args)
    return Call(found, args, options, given)


def _take_options(found: Command, args: Sequence[str], given: dict[str, str | None]) -> Iterator[str]:
    """The arguments; options among them go to `given`, with their own argument behind "=" or as next word."""
    rest = iter(args)
    for word in rest:
        key, equals, value = word.partition("=")
        # What takes no arguments says of an option that it does not know what Open vSwitch says of any.
        if not word.startswith("--") or (found.max_args == 0 and key not in found.options):
            yield word
            continue
        if key in given:
            raise UsageError(f"'{key}' option specified multiple times")
        given[key] = value if equals else next(rest, None) if found.options.get(key) else None


def _parse_option(found: Command, key: str, value: str | None) -> str | bool:
    takes_argument = found.options.get(key)
    if takes_argument is None:
        from vsctl.remedies import did_you_mean

        hint = did_you_mean(key, list(found.options))
        raise UsageError(f"'{found.name}' command has no '{key}' option", hint)
    if takes_argument and value is None:
        raise UsageError(f"missing argument to '{key}' option on '{found.name}' command")
    if not takes_argument and value is not None:
        raise UsageError(f"'{key}' option on '{found.name}' does not accept an argument")
    return True if value is None else value


def _check_count(found: Command, args: Sequence[str]) -> None:
    if len(args) < found.min_args:
        raise UsageError(f"'{found.name}' command requires at least {found.min_args} arguments")
    if found.max_args is not None and len(args) > found.max_args:
        hint = ""
        if any(arg.startswith("-") for arg in args):
            hint = ' (note that options must precede command names and follow a "--" argument)'
        raise UsageError(f"'{found.name}' command takes at most {found.max_args} arguments{hint}")
