import pytest
import trio
import trio.lowlevel

from appctl.unixctl import CommandError, Commands, Options
from rpc.jsonvalue import Json


def run(name: str, *args: Json) -> str:
    commands = Commands("prog")

    async def late(words: list[str]) -> str:
        await trio.lowlevel.checkpoint()
        return f"late {words}"

    commands.register("two", "A [B]", 1, 2, lambda words: "+".join(words))
    commands.register("late", "", 0, None, late)
    return trio.run(commands.run, name, args)


def test_a_command_gets_its_arguments() -> None:
    assert run("two", "a", "b") == "a+b"
    assert run("late", "a", "b", "c") == "late ['a', 'b', 'c']"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["two"], '"two" command requires at least 1 arguments'),
        (["two", "a", "b", "c"], '"two" command takes at most 2 arguments'),
        (["two", 1], '"two" command has non-string argument'),
        (["nosuch"], '"nosuch" is not a valid command (use "list-commands" to see a list of valid commands)'),
        (["vlog/set", "foo"], 'no destination, level, or module "foo"'),
        (["vlog/disable-rate-limit", "foo"], "unknown module"),
        (["vlog/reopen"], "Logging to file not configured"),
    ],
)
def test_what_cannot_be_done_is_refused_in_the_c_programs_words(args: list[Json], text: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(str(args[0]), *args[1:])
    assert str(caught.value) == text


def test_commands_are_listed_with_their_usage() -> None:
    listing = run("list-commands")
    assert listing.startswith(
        "The available commands are:\n  late                    \n  list-commands           \n"
    )
    assert "\n  two                     A [B]\n" in listing
    assert "\n  vlog/disable-rate-limit [module]...\n" in listing


def test_the_version_is_one_line() -> None:
    assert run("version") == "prog (Open vSwitch) 3.1.0"


def test_a_client_can_ask_for_json() -> None:
    options = Options()
    assert options.wrap("text\n") == "text\n"
    options.set(["--format", "json"])
    assert options.wrap("text\n") == {"reply-format": "plain", "reply": "text\n"}
    options.set(["--format=TEXT"])
    assert options.wrap("") == ""


@pytest.mark.parametrize(
    "params", [[], ["--format"], ["--format", "xml"], ["--form=json"], ["a", "b", "c"], [1]]
)
def test_other_options_are_refused(params: list[Json]) -> None:
    with pytest.raises(CommandError):
        Options().set(params)
