"""Command lines as getopt_long() reads them, for programs made with click.

Rule: long options may be shortened to what is unique; an option's optional value comes with `=` or not at
all; a user's mistake is one line on stderr and exit status 1, in the words of the C library. Nobody sees a
traceback.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

import click

from appctl import vlog
from appctl.version import VERSION, format_version


class CliError(Exception):
    """Ends a program with `text` on stderr after its name, and `status`; `hint` stands in lines below."""

    def __init__(self, text: str, status: int = 1, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint
        self.text = text
        self.status = status


class OptionalValue(click.Option):
    """--name or --name=VALUE: its value is "" where none was given, None where the option was not."""


class GetoptCommand(click.Command):
    """A command whose words are read as getopt_long() would."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `args` into the form that click reads the same way, then let it."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        return super().parse_args(ctx, _normalize(args, options, ctx.allow_interspersed_args))


def _normalize(args: Sequence[str], options: Sequence[click.Option], permute: bool) -> list[str]:
    """Options as --name, --name=value, -x or -xvalue, then "--" and the other words."""
    by_name = {name: option for option in options for name in (*option.opts, *option.secondary_opts)}
    out: list[str] = []
    words: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if word.startswith("--"):
            out += _normalize_long(word, by_name, rest)
        elif word.startswith("-") and word != "-":
            out += _normalize_short(word, by_name, rest)
        elif permute:
            words.append(word)
        else:
            words += [word, *rest]
            break
    return [*out, "--", *words]


def _normalize_long(word: str, by_name: dict[str, click.Option], rest: list[str]) -> list[str]:
    name, equals, value = word.partition("=")
    found = [name] if name in by_name else sorted(each for each in by_name if each.startswith(name))
    if not found:
        raise click.UsageError(f"unrecognized option '{word}'")
    if len({by_name[each] for each in found}) > 1:
        possible = " ".join(f"'{each}'" for each in found)
        raise click.UsageError(f"option '{word}' is ambiguous; possibilities: {possible}")
    name, option = found[0], by_name[found[0]]
    if option.is_flag or option.count:
        if equals:
            raise click.UsageError(f"option '{name}' doesn't allow an argument")
        return [name]
    if not equals and not isinstance(option, OptionalValue):
        if not rest:
            raise click.UsageError(f"option '{name}' requires an argument")
        value = rest.pop(0)
    return [f"{name}={value}"]


def _normalize_short(word: str, by_name: dict[str, click.Option], rest: list[str]) -> list[str]:
    out: list[str] = []
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        option = by_name.get(f"-{letter}")
        if option is None:
            raise click.UsageError(f"invalid option -- '{letter}'")
        if option.is_flag or option.count:
            out.append(f"-{letter}")
            continue
        if not letters and not isinstance(option, OptionalValue):
            if not rest:
                raise click.UsageError(f"option requires an argument -- '{letter}'")
            letters = rest.pop(0)
        out.append(f"{_long_name(option, letter)}={letters}")
        break
    return out


def _long_name(option: click.Option, letter: str) -> str:
    """Of two dashes, since click cannot take an empty value after a letter."""
    return next((name for name in option.opts if name.startswith("--")), f"-{letter}")


def version_option(program: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """-V, --version."""

    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            click.echo(f"{format_version(program)}\nvswitch {VERSION}")
            ctx.exit()

    return click.option(
        "-V",
        "--version",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help="Show the version.",
    )


def set_alarm(text: str, option: str) -> None:
    """Say so and die of SIGALRM after so many seconds, as the C programs do; CliError names the `option`."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise CliError(f"value {text} on {option} or --timeout is invalid")

    def expire(number: int, _: FrameType | None) -> None:
        vlog.module("fatal_signal").warn("terminating with signal %d (%s)", number, signal.strsignal(number))
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(int(text))


# Of a file without a name, these are those of standard output: stores and sockets have errors of their own.
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
HELP = {"help_option_names": ["-h", "--help"]}  # context_settings


def run(command: click.Command, program: str, args: Sequence[str] | None = None) -> NoReturn:
    """Run `command` to its end, and end the process: what a console script calls.

    The command returns its exit status, or None for 0; it may raise CliError.
    """
    status = _run(command, program, args)
    if args is None:
        gc.freeze()  # the process is over: looking for cycles once more takes a tenth of a tool's time
    sys.exit(status)


def _run(command: click.Command, program: str, args: Sequence[str] | None) -> int:
    try:
        status = command.main(
            args=None if args is None else list(args), prog_name=program, standalone_mode=False
        )
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _complain(program, error.format_message())
    except CliError as error:
        status = _complain(program, error.text, error.status)
        for line in error.hint.splitlines():
            print(f"    {line}", file=sys.stderr)
        return status
    except (click.Abort, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered has nowhere to go
        return 1
    except Exception as error:  # a mistake of ours, which the user can only report
        if isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT_ERRORS:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered is lost
            return _complain(program, f"standard output: {error.strerror}")
        vlog.module("util").exception("internal error")
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _complain(program, f"internal error: {why} (with --log-file=FILE, FILE tells where)")
    return status if isinstance(status, int) else 0


def _complain(program: str, text: str, status: int = 1) -> int:
    print(f"{program}: {text}", file=sys.stderr)
    return status
