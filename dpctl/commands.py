"""The commands of ovs-dpctl, which ovs-vswitchd serves too as dpctl/*.

Rule: a command is a function of its targets, options and arguments to what it prints; it raises DpctlError.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from dpctl import ports, show, unsupported
from dpctl.errors import BadCall, DpctlError
from dpctl.options import Options, take_options
from dpctl.targets import Targets

Run = Callable[[Targets, Options, list[str]], str]


class Command(NamedTuple):
    """A command: how it is called, how many arguments it takes, what it does."""

    usage: str
    least: int
    most: int  # 1000: any number
    run: Run
    writes: bool = False


_MANY = 1000


def _parse_actions(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Print actions as they are understood."""
    from datapath.odp_actions import format_actions, parse_actions
    from datapath.odp_values import OdpTextError

    try:
        return "".join(f"{format_actions(parse_actions(text))}\n" for text in arguments)
    except OdpTextError:
        raise DpctlError("odp_actions_from_string (Invalid argument)") from None


def _later(module: str, name: str) -> Run:
    """The function of a module that is loaded when called: the text form of flows is a fifth of a start."""

    def run_it(targets: Targets, options: Options, arguments: list[str]) -> str:
        function: Run = getattr(importlib.import_module(f"dpctl.{module}"), name)
        return function(targets, options, arguments)

    return run_it


def _list_commands(targets: Targets, options: Options, arguments: list[str]) -> str:
    """List the commands with their arguments."""
    return "The available commands are:\n" + "".join(
        f"  {name:<23} {command.usage}\n" for name, command in COMMANDS.items()
    )


COMMANDS: dict[str, Command] = {
    "add-dp": Command("dp [iface...]", 1, _MANY, ports.add_dp, True),
    "del-dp": Command("dp", 1, 1, ports.del_dp, True),
    "add-if": Command("dp iface...", 2, _MANY, ports.add_if, True),
    "del-if": Command("dp iface...", 2, _MANY, ports.del_if, True),
    "set-if": Command("dp iface...", 2, _MANY, ports.set_if, True),
    "dump-dps": Command("", 0, 0, show.dump_dps),
    "show": Command("[-s] [dp...]", 0, _MANY, show.show),
    "dump-flows": Command(
        "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6, _later("flows", "dump_flows")
    ),
    "add-flow": Command("[dp] flow actions", 2, 3, _later("flows", "add_flow"), True),
    "mod-flow": Command("[dp] flow actions", 2, 3, _later("flows", "mod_flow"), True),
    "get-flow": Command("[dp] ufid", 1, 2, _later("flows", "get_flow")),
    "del-flow": Command("[dp] flow", 1, 2, _later("flows", "del_flow"), True),
    "add-flows": Command("[dp] file", 1, 2, _later("flows", "add_flows"), True),
    "mod-flows": Command("[dp] file", 1, 2, _later("flows", "mod_flows"), True),
    "del-flows": Command("[dp] [file]", 0, 2, _later("flows", "del_flows"), True),
    "offload-stats-show": Command(*unsupported.COMMANDS["offload-stats-show"]),
    "dump-conntrack": Command("[-m] [-s] [dp] [zone=N]", 0, 2, _later("conntrack", "dump_conntrack")),
    "flush-conntrack": Command(
        "[dp] [zone=N] [ct-orig-tuple] [ct-reply-tuple]", 0, 4, _later("conntrack", "flush_conntrack"), True
    ),
    "cache-get-size": Command("[dp]", 0, 1, show.cache_get_size),
    "cache-set-size": Command("dp cache <size>", 3, 3, show.cache_set_size, True),
    "ct-stats-show": Command("[dp] [zone=N]", 0, 3, _later("conntrack", "ct_stats_show")),
    "ct-bkts": Command(*unsupported.COMMANDS["ct-bkts"]),
    "ct-set-maxconns": Command(*unsupported.COMMANDS["ct-set-maxconns"]),
    "ct-get-maxconns": Command(*unsupported.COMMANDS["ct-get-maxconns"]),
    "ct-get-nconns": Command(*unsupported.COMMANDS["ct-get-nconns"]),
    "ct-enable-tcp-seq-chk": Command(*unsupported.COMMANDS["ct-enable-tcp-seq-chk"]),
    "ct-disable-tcp-seq-chk": Command(*unsupported.COMMANDS["ct-disable-tcp-seq-chk"]),
    "ct-get-tcp-seq-chk": Command(*unsupported.COMMANDS["ct-get-tcp-seq-chk"]),
    "ct-set-limits": Command(
        "[dp] [default=L] [zone=N,limit=L]...", 1, _MANY, _later("ct_limits", "set_limits"), True
    ),
    "ct-del-limits": Command("[dp] zone=N1[,N2]...", 1, 2, _later("ct_limits", "delete_limits"), True),
    "ct-get-limits": Command("[dp] [zone=N1[,N2]...]", 0, 2, _later("ct_limits", "get_limits")),
    "ipf-set-enabled": Command(*unsupported.COMMANDS["ipf-set-enabled"]),
    "ipf-set-disabled": Command(*unsupported.COMMANDS["ipf-set-disabled"]),
    "ipf-set-min-frag": Command(*unsupported.COMMANDS["ipf-set-min-frag"]),
    "ipf-set-max-nfrags": Command(*unsupported.COMMANDS["ipf-set-max-nfrags"]),
    "ipf-get-status": Command(*unsupported.COMMANDS["ipf-get-status"]),
    "help": Command("", 0, _MANY, _list_commands),
    "list-commands": Command("", 0, _MANY, _list_commands),
    "parse-actions": Command("actions", 1, _MANY, _parse_actions),
    "normalize-actions": Command("actions", 2, _MANY, _later("normalize", "normalize_actions")),
}


def run(targets: Targets, words: Sequence[str]) -> str:
    """Carry out a command with its options and arguments; return what it prints, or raise DpctlError."""
    options, arguments = take_options(words)
    if not arguments:
        raise DpctlError("missing command name; use --help for help")
    return run_with(targets, options, arguments)


def run_with(targets: Targets, options: Options, words: Sequence[str]) -> str:
    """The same, with the options understood: `words` are the command's name and its arguments."""
    name, *arguments = words
    command = COMMANDS.get(name)
    if command is None:
        raise DpctlError(f"unknown command '{name}'; use --help for help")
    if len(arguments) < command.least:
        raise BadCall(name, f"requires at least {command.least} arguments", in_daemon=targets.in_daemon)
    if len(arguments) > command.most:
        raise BadCall(name, f"takes at most {command.most} arguments", in_daemon=targets.in_daemon)
    if command.writes and options.read_only:
        raise DpctlError(f"'{name}' command does not work in read only mode")
    answer = partial(_as_json, name, command) if options.json else command.run
    return answer(targets, options, arguments)


def _as_json(name: str, command: Command, targets: Targets, options: Options, arguments: list[str]) -> str:
    """Answer with JSON: things of its own, or the lines of the text; nothing where the text is empty."""
    from dpctl.as_json import ANSWERS, dumps

    if name in ANSWERS:
        return dumps(ANSWERS[name](targets, options, arguments), pretty=options.pretty)
    lines = command.run(targets, options, arguments).splitlines()
    return dumps(lines, pretty=options.pretty) if lines else ""
