"""What ovs-vsctl tells about itself: options and commands.

Rule: everything here is made from the declarations of options and commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from appctl.getopt import FLAG, BadUsage, Option
from vsctl.grammar import Command, all_commands

if TYPE_CHECKING:
    from appctl.command_line import Tool


def spelt_nearly(tool: Tool, error: BadUsage) -> str:
    """A hint for an option that there is not."""
    if not error.option:
        return ""
    from vsctl.remedies import did_you_mean

    names = [name for each in tool.options for name in each.names if name.startswith("--")]
    return did_you_mean(error.option, names)


def help_rows() -> list[tuple[str, str]]:
    """The commands, for the help."""
    return [
        (" ".join([c.name, *_words(c.usage)]), (c.function.__doc__ or "").partition("\n")[0])
        for c in _shown_commands()
    ]


def list_commands() -> str:
    """The commands, a line each."""
    return "".join(f"{_syntax(command)}\n" for command in _shown_commands())


def list_options(options: Sequence[Option]) -> str:
    """The options, a line each."""
    lines = []
    for option in options:
        for form in () if option.hidden else option.forms:
            argument = "" if option.takes == FLAG else "=ARG" if form.startswith("--") else " ARG"
            lines.append(f"{form}{argument}\n")
    return "".join(lines)


def _shown_commands() -> list[Command]:
    return [command for name, command in all_commands().items() if not name.startswith("_")]


def _words(usage: str) -> list[str]:
    forms = {"!": "{}", "?": "[{}]", "+": "{}...", "*": "[{}]..."}
    return [forms[word[0]].format(word[1:]) for word in usage.split()]


def _syntax(command: Command) -> str:
    options = "".join(f"[{option}{'=' * takes}] " for option, takes in command.options.items())
    return f"{options},{command.name},{command.usage}"
