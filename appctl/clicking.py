"""Help texts, laid out by click from a tool's table of options.

Rule: click decides how it looks, the table what it says. Loaded only when help is asked for.
"""

from __future__ import annotations

import click

from appctl.command_line import HELP_OPTION, Tool
from appctl.getopt import FLAG, Option


def format_help(tool: Tool) -> str:
    """What --help prints."""
    command = _Command(
        tool.program,
        context_settings={"help_option_names": list(HELP_OPTION.names)},
        help=tool.text if isinstance(tool.text, str) else tool.text(),
        options_metavar=tool.usage,
        params=[
            _click_option(option)
            for option in tool.options
            if option is not HELP_OPTION and not option.hidden
        ],
    )
    command.rows = tool.epilog() if tool.epilog else ()
    with command.make_context(tool.program, []) as context:
        return command.get_help(context)


class _Command(click.Command):
    """A command with rows of its own behind the options."""

    rows: list[tuple[str, str]] | tuple[()] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The rows."""
        if self.rows:
            with formatter.section("Commands"):
                formatter.write_dl(list(self.rows))


def _is_shown(option: Option) -> bool:
    return not option.hidden and option is not HELP_OPTION  # which click adds by itself


def _click_option(option: Option) -> click.Option:
    forms = list(option.names)
    if option.negative:
        forms[-1] += f"/{option.negative}"
    return click.Option(
        [*forms, f"value_of_{option.name}"],
        is_flag=option.takes == FLAG,
        metavar=option.metavar or None,
        help=option.text,
    )
