"""What ovs-vsctl tells about itself: options, commands, version; and commands' options among the global ones.

Rule: everything here is made from the declarations of options and commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import click

from appctl.command_line import CliError, GetoptCommand
from appctl.version import format_version
from vsctl.grammar import OPTIONS, Command, all_commands

SCHEMA_VERSION = "8.3.1"  # of the Open_vSwitch schema that the commands are made for
WORDS = "vsctl.words"  # where the context keeps the words of the command line
LOCAL = "command_"  # before the names of the first command's options among the parsed parameters


class VsctlCommand(GetoptCommand):
    """Knows the commands' options, and lists the commands in the help."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # The options of the commands too, since the first command's may stand among the global ones.
        known = {form for param in self.params for form in param.opts}
        self.params += [_local_option(name, takes) for name, takes in OPTIONS.items() if name not in known]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember what was typed, for the log."""
        ctx.meta[WORDS] = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise CliError(error.format_message(), hint=self._spelt_nearly(error.message)) from None

    def _spelt_nearly(self, complaint: str) -> str:
        _, unrecognized, option = complaint.partition("unrecognized option '")
        if not unrecognized:
            return ""
        from vsctl.remedies import did_you_mean

        names = [name for each in self.params for name in each.opts if name.startswith("--")]
        return did_you_mean(option.rstrip("'").partition("=")[0], names)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (" ".join([c.name, *_words(c.usage)]), (c.function.__doc__ or "").partition("\n")[0])
                    for c in _shown_commands()
                ]
            )


def _local_option(name: str, takes_argument: bool) -> click.Option:
    decls = [name, LOCAL + name[2:].replace("-", "_")]
    return click.Option(decls, is_flag=not takes_argument, multiple=takes_argument, default=None, hidden=True)


def _shown_commands() -> list[Command]:
    return [command for name, command in all_commands().items() if not name.startswith("_")]


def _words(usage: str) -> list[str]:
    forms = {"!": "{}", "?": "[{}]", "+": "{}...", "*": "[{}]..."}
    return [forms[word[0]].format(word[1:]) for word in usage.split()]


def _print_and_exit(text: str) -> NoReturn:
    click.echo(text, nl=False)
    click.get_current_context().exit()


def show_commands(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """The commands, a line each."""
    if value:
        _print_and_exit("".join(f"{_syntax(command)}\n" for command in _shown_commands()))


def _syntax(command: Command) -> str:
    options = "".join(f"[{option}{'=' * takes}] " for option, takes in command.options.items())
    return f"{options},{command.name},{command.usage}"


def show_options(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """The options, a line each."""
    if value:
        names = []
        for option in ctx.command.get_params(ctx):
            if isinstance(option, click.Option) and not option.hidden:
                for form in (*option.opts, *option.secondary_opts):
                    argument = "" if option.is_flag else "=ARG" if form.startswith("--") else " ARG"
                    names.append(f"{form}{argument}\n")
        _print_and_exit("".join(names))


def show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """The version."""
    if value:
        _print_and_exit(f"{format_version('ovs-vsctl')}\nDB Schema {SCHEMA_VERSION}\n")


def local_options(options: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Those of the first command that stood among the global ones."""
    given = []
    for name, value in options.items():
        if name.startswith(LOCAL) and value:
            option = "--" + name.removeprefix(LOCAL).replace("_", "-")
            given.append((option, None if value is True else value[0]))  # the first one of several holds
    return given
