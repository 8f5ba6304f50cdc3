"""The control socket of a daemon: commands by name, over JSON-RPC, as ovs-appctl(8) sends them.

Rule: a command is answered with text or with an error, and nothing that it raises reaches another client or
the daemon. Who registers a command says how many arguments it takes; handlers need not count.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from appctl import vlog
from appctl.command_line import CliError
from appctl.directories import rundir
from appctl.version import format_version
from rpc.address import UnixAddress
from rpc.errors import ConnectionLost, ListenError
from rpc.jsonvalue import Json
from rpc.message import Request, encode_error, encode_result
from rpc.trio_io import Listening, MessageStream, listen

Handler = Callable[[list[str]], str | Awaitable[str]]
MAX_REQUEST = 16 << 20  # bytes; commands are short
RETRY_SECONDS = 1.0  # until it is tried again to accept where no descriptor was left
SET_OPTIONS = "set-options"
FORMATS = ("text", "json")
LAST_WORDS = 2.0  # seconds that an answer may take to be sent when the daemon ends
log = vlog.module("unixctl")


class CommandError(Exception):
    """A command that could not be carried out; the text tells the user why."""


@dataclass(frozen=True)
class ControlCommand:
    """What list-commands shows, and what runs."""

    name: str
    usage: str  # of the arguments, e.g. "DB:TABLE on|off"
    least: int
    most: int | None  # None: any number
    handler: Handler


class Commands:
    """The commands of one daemon; version, list-commands and vlog/* are there from the start."""

    def __init__(self, program: str) -> None:
        self.program = program
        self._commands: dict[str, ControlCommand] = {}
        self.register("list-commands", "", 0, 0, lambda _: self.format_list())
        # Of the connection, not of the daemon: ControlServer acts on it.
        self.register(SET_OPTIONS, "[--format text|json]", 1, 2, lambda _: "")
        self.register("version", "", 0, 0, lambda _: format_version(program))
        _register_vlog(self)

    def register(self, name: str, usage: str, least: int, most: int | None, handler: Handler) -> None:
        """Adds a command. `handler` gets the arguments, and returns text, or something to await for it."""
        assert name not in self._commands, name
        self._commands[name] = ControlCommand(name, usage, least, most, handler)

    def format_list(self) -> str:
        """The answer to list-commands."""
        rows = [f"  {each.name:<23} {each.usage}\n" for _, each in sorted(self._commands.items())]
        return "The available commands are:\n" + "".join(rows)

    async def run(self, name: str, args: Sequence[Json]) -> str:
        """The text that `name` answers; CommandError."""
        command = self._commands.get(name)
        if command is None:
            hint = 'use "list-commands" to see a list of valid commands'
            raise CommandError(f'"{name}" is not a valid command ({hint})')
        if len(args) < command.least:
            raise CommandError(f'"{name}" command requires at least {command.least} arguments')
        if command.most is not None and len(args) > command.most:
            raise CommandError(f'"{name}" command takes at most {command.most} arguments')
        words = [arg for arg in args if isinstance(arg, str)]
        if len(words) != len(args):
            raise CommandError(f'"{name}" command has non-string argument')
        answer = command.handler(words)
        return await answer if inspect.isawaitable(answer) else answer


@dataclass
class Options:
    """What a client has asked for its connection with "set-options"."""

    json: bool = False  # answers are JSON

    def set(self, params: Sequence[Json]) -> None:
        """Take the parameters of "set-options"; CommandError."""
        match params:
            case ["--format", str(name)] if name.lower() in FORMATS:
                self.json = name.lower() == "json"
            case [str(option)] if option.lower() in (f"--format={name}" for name in FORMATS):
                self.json = option.lower() == "--format=json"
            case []:
                raise CommandError(f'"{SET_OPTIONS}" command requires at least 1 arguments')
            case _:
                raise CommandError(f"invalid options: {' '.join(map(str, params))}")

    def wrap(self, text: str) -> Json:
        """An answer, which is text, as the client wants it."""
        return {"reply-format": "plain", "reply": text} if self.json else text


def _register_vlog(commands: Commands) -> None:
    def set_levels(specs: list[str]) -> str:
        try:
            for spec in specs or [""]:  # nothing said: everything at its most talkative
                vlog.set_from_text(spec)
        except vlog.VlogError as error:
            raise CommandError(str(error)) from None
        return ""

    def reopen(_: list[str]) -> str:
        if reason := vlog.reopen_file():
            raise CommandError(reason)
        return ""

    def close(_: list[str]) -> str:
        vlog.close_file()
        return ""

    def limit(kept: bool) -> Handler:
        def act(names: list[str]) -> str:
            try:
                vlog.set_rate_limits(names, kept=kept)
            except vlog.VlogError as error:
                raise CommandError(str(error)) from None
            return ""

        return act

    commands.register("vlog/set", "{spec | PATTERN:destination:pattern}", 0, None, set_levels)
    commands.register("vlog/list", "", 0, 0, lambda _: vlog.format_levels())
    commands.register("vlog/list-pattern", "", 0, 0, lambda _: vlog.format_patterns())
    commands.register("vlog/enable-rate-limit", "[module]...", 0, None, limit(True))
    commands.register("vlog/disable-rate-limit", "[module]...", 0, None, limit(False))
    commands.register("vlog/reopen", "", 0, 0, reopen)
    commands.register("vlog/close", "", 0, 0, close)


def control_path(program: str, path: str | None) -> str | None:
    """Where `program` listens, given --unixctl=PATH (None: not given); None for nowhere."""
    if path == "none":
        return None
    return path or os.path.join(rundir(), f"{program}.{os.getpid()}.ctl")


class ControlServer:
    """The socket of a daemon. Listens from the moment it is made; CliError where that fails.

    with ControlServer(commands, daemon.unixctl) as control:
        nursery.start_soon(control.serve)
    """

    def __init__(self, commands: Commands, path: str | None) -> None:
        self._commands = commands
        self._listening: Listening | None = None
        where = control_path(commands.program, path)
        if where is None:
            return
        try:
            self._listening = listen(UnixAddress(where, passive=True))
        except ListenError as error:
            raise CliError(f"{where}: could not initialize control socket ({error.reason})") from None

    def __enter__(self) -> ControlServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._listening:
            self._listening.close()

    async def serve(self) -> None:
        """Answers clients until cancelled."""
        if self._listening is None:
            return
        complaint = ""
        # Closed here, under trio: afterwards it could not be.
        async with self._listening.listener as listener, trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await listener.accept()
                except trio.ClosedResourceError:
                    return
                except OSError as error:  # no descriptor left, for instance
                    if str(error) != complaint:  # not once more with each attempt
                        log.err("control socket: accept failed: %s", error.strerror)
                    complaint = str(error)
                    await trio.sleep(RETRY_SECONDS)
                else:
                    complaint = ""
                    nursery.start_soon(self._serve_client, stream)

    async def _serve_client(self, stream: trio.SocketStream) -> None:
        async with stream:
            messages = MessageStream(stream, MAX_REQUEST)
            options = Options()
            try:
                while True:
                    message = await messages.receive()
                    if not isinstance(message, Request):
                        log.warn("received unexpected message that is no request")
                        return
                    answer = await self._answer(message, options)
                    # It may have been the command that ends the daemon: the answer goes out all the same.
                    with trio.move_on_after(LAST_WORDS, shield=True):
                        await messages.send(answer)
            except ConnectionLost as error:
                log.dbg("control connection ended: %s", error.reason)

    async def _answer(self, request: Request, options: Options) -> bytes:
        log.dbg("received request %s%s, id=%s", request.method, request.params, request.id)
        try:
            if request.method == SET_OPTIONS:
                options.set(request.params)
                return encode_result("", request.id)
            text = await self._commands.run(request.method, request.params)
        except CommandError as error:
            return encode_error(_end_line(str(error)), request.id)
        except Exception as error:
            log.exception('"%s" command failed', request.method)
            return encode_error(f"internal error: {error!r}\n", request.id)
        return encode_result(options.wrap(_end_line(text)), request.id)


def _end_line(text: str) -> str:
    return f"{text}\n" if text and not text.endswith("\n") else text
