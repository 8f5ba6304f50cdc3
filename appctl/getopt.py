"""Command lines as getopt_long() reads them, from a table of options.

Rule: pure, and the only place that knows this grammar. Long options may be shortened to what is unique; an
option's optional value comes with `=` or not at all; mistakes are told in the words of the C library. Cheap
to import: a call of a tool that asks for no help loads no library for command lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FLAG, VALUE, OPTIONAL = "flag", "value", "optional"  # what an option takes


class BadUsage(Exception):
    """A command line that cannot be read; `text` says why, `option` is the word that is not known."""

    def __init__(self, text: str, option: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.option = option


class Option:
    """One row of a table of options."""

    __slots__ = (  # in the order of the parameters
        *("names", "takes", "name", "negative", "metavar", "text", "default", "repeated", "hidden"),
        *("convert", "act"),
    )

    def __init__(
        self,
        *names: str,  # "-t", "--timeout"
        takes: str = FLAG,
        name: str = "",  # of the value, for values_of(); by default what the first long form suggests
        negative: str = "",  # the long form that says no to a flag
        metavar: str = "",
        text: str = "",  # for the help
        default: object = None,
        repeated: bool = False,  # its value is the list of all that were given
        hidden: bool = False,  # from the help
        convert: Callable[[str], Any] | None = None,  # what its value becomes; ValueError says why not
        act: Callable[[Any, str], None] | None = None,  # what to do when it is read, with its value
    ) -> None:
        self.names = names
        self.takes = takes
        self.name = name or _suggested(names)
        self.negative = negative
        self.metavar = metavar
        self.text = text
        self.default = default
        self.repeated = repeated
        self.hidden = hidden
        self.convert = convert
        self.act = act

    @property
    def forms(self) -> tuple[str, ...]:
        """Every way to write it."""
        return (*self.names, self.negative) if self.negative else self.names


Given = tuple[Option, str, str]  # option, form it was written in, value ("" for a flag)


def _suggested(names: Sequence[str]) -> str:
    long = [name for name in names if name.startswith("--")]
    return (long or list(names))[0].lstrip("-").replace("-", "_")


def read(
    args: Sequence[str], options: Sequence[Option], *, permute: bool = True
) -> tuple[list[Given], list[str]]:
    """What is given, in the order of the command line, and the other words. BadUsage.

    Without `permute` the first word that is no option ends the options.
    """
    by_form = {form: option for option in options for form in option.forms}
    given: list[Given] = []
    words: list[str] = []
    rest = list(args)
    rest.reverse()
    while rest:
        word = rest.pop()
        if word == "--":
            break
        if word.startswith("--"):
            given.append(_read_long(word, by_form, rest))
        elif word.startswith("-") and word != "-":
            _read_short(word, by_form, rest, given)
        else:
            words.append(word)
            if not permute:
                break
    return given, words + rest[::-1]


def _read_long(word: str, by_form: Mapping[str, Option], rest: list[str]) -> Given:
    form, equals, value = word.partition("=")
    found = [form] if form in by_form else sorted(each for each in by_form if each.startswith(form))
    if not found:
        raise BadUsage(f"unrecognized option '{word}'", form)
    if len({by_form[each] for each in found}) > 1:
        possible = " ".join(f"'{each}'" for each in found)
        raise BadUsage(f"option '{word}' is ambiguous; possibilities: {possible}")
    form, option = found[0], by_form[found[0]]
    if option.takes == FLAG and equals:
        raise BadUsage(f"option '{form}' doesn't allow an argument")
    if option.takes == VALUE and not equals:
        if not rest:
            raise BadUsage(f"option '{form}' requires an argument")
        value = rest.pop()
    return option, form, value


def _read_short(word: str, by_form: Mapping[str, Option], rest: list[str], given: list[Given]) -> None:
    for n, letter in enumerate(word[1:], 2):
        form = f"-{letter}"
        option = by_form.get(form)
        if option is None:
            raise BadUsage(f"invalid option -- '{letter}'")
        if option.takes == FLAG:
            given.append((option, form, ""))
            continue
        value = word[n:]
        if not value and option.takes == VALUE:
            if not rest:
                raise BadUsage(f"option requires an argument -- '{letter}'")
            value = rest.pop()
        given.append((option, form, value))
        return


def values_of(given: Sequence[Given], options: Sequence[Option]) -> dict[str, Any]:
    """The value of every option by name; the last one that was given holds. BadUsage.

    A flag is a bool, a repeated option a list, others a str, what it is converted to, or their default.
    """
    values: dict[str, Any] = {}
    for option in options:
        if option.repeated:
            values[option.name] = []
        else:
            values[option.name] = False if option.takes == FLAG and option.default is None else option.default
    for option, form, value in given:
        found = form != option.negative if option.takes == FLAG else _converted(option, form, value)
        if option.repeated:
            values[option.name].append(found)
        else:
            values[option.name] = found
    return values


def _converted(option: Option, form: str, value: str) -> Any:
    if option.convert is None:
        return value
    try:
        return option.convert(value)
    except ValueError as error:
        raise BadUsage(f"value {value} on {form} is invalid: {error}") from None


def integer(least: int) -> Callable[[str], int]:
    """What reads integers that are not smaller than `least`."""

    def read_integer(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise ValueError(f"an integer of at least {least} is expected")
        return int(text)

    return read_integer


def leading_integer(text: str) -> int:
    """The integer that a text begins with, 0 if with none, as the C programs read some: "12x" is 12."""
    import re

    found = re.match(r"\s*[-+]?[0-9]+", text)
    return int(found[0]) if found else 0


def one_of(*choices: str) -> Callable[[str], str]:
    """What accepts these words."""

    def read_choice(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)} is expected")
        return text

    return read_choice
