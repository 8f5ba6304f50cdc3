import pytest

from vsctl.errors import UsageError
from vsctl.grammar import find_command, parse_commands


def test_signature_is_the_grammar() -> None:
    add_port = find_command("add-port")
    assert add_port is not None
    assert (add_port.min_args, add_port.max_args, add_port.writes) == (2, None, True)
    assert add_port.options == {"--may-exist": False}


def test_parameters_with_a_default_may_be_left_out() -> None:
    add_br = find_command("add-br")
    assert add_br is not None
    assert (add_br.min_args, add_br.max_args) == (1, 3)


def test_commands_are_separated_by_two_dashes() -> None:
    calls = parse_commands(["--", "list-br", "--", "--", "--id=@a", "get", "Bridge", "br0"], [])
    assert [(call.command.name, call.args) for call in calls] == [("list-br", ()), ("get", ("Bridge", "br0"))]
    assert calls[1].options == {"id": "@a"}


def test_options_before_the_first_command_belong_to_it() -> None:
    (call,) = parse_commands(["del-br", "br0"], [("--if-exists", None)])
    assert call.options == {"if_exists": True}
    assert call.text == "--if-exists del-br br0"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "missing command name (use --help for help)"),
        ("--may-exist", "missing command name (use --help for help)"),
        ("nope", "unknown command 'nope'; use --help for help"),
        ("add-br", "'add-br' command requires at least 1 arguments"),
        ("list-br x", "'list-br' command takes at most 0 arguments"),
        (
            "list-br -x",
            "'list-br' command takes at most 0 arguments "
            '(note that options must precede command names and follow a "--" argument)',
        ),
        ("--all list-br", "'list-br' command has no '--all' option"),
        ("--id get Bridge br0", "missing argument to '--id' option on 'get' command"),
        ("--real=1 list-br", "'--real' option on 'list-br' does not accept an argument"),
        ("--real --real list-br", "'--real' option specified multiple times"),
    ],
)
def test_mistakes_are_named(words: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_commands(words.split(), [])
    assert str(raised.value) == complaint
