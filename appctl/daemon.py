"""The life of a daemon: detaching, the pidfile, the monitor process, and a clean end.

Rule: all forking happens in started(), before there are threads or trio. The parent of --detach returns
only when the daemon has called ready(), with the daemon's own exit status where it ended before. Whatever
the end, the pidfile goes.

    @daemon_options("ovsdb-server")
    def cli(daemon: Options, ...):
        with started(daemon) as process:      # from here on this is the daemon
            trio.run(main, process)           # process.ready() once it serves; process.wait_fatal_signal()
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from appctl import pidfile, process, systemd, vlog
from appctl.command_line import CliError
from appctl.daemon_options import Options
from appctl.user import UserError, become

FATAL_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
RESTART_SIGNALS = frozenset(
    {
        signal.SIGABRT,
        signal.SIGALRM,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGPIPE,
        signal.SIGSEGV,
        signal.SIGXCPU,
        signal.SIGXFSZ,
    }
)  # what indicates an error of the program
RESTART_INTERVAL = 10.0  # seconds; a program that crashes at once must not keep the machine busy
log = vlog.module("daemon_unix")
log_signal = vlog.module("fatal_signal")


class Process:
    """The daemon's own process."""

    def __init__(self, options: Options, startup: int | None) -> None:
        self.options = options
        self.is_ready = False
        self._startup = startup  # write end of the pipe on which somebody waits for ready()
        self._signal = 0  # that asked for the end

    def ready(self) -> None:
        """The daemon serves: the parent may return. Detaches from terminal and directory."""
        self.is_ready = True
        main = os.getppid() if self.options.monitor else os.getpid()  # whose end is the end
        systemd.notify(f"READY=1\nMAINPID={main}")
        _notify(self._startup)
        self._startup = None
        if self.options.detach:
            if self.options.chdir:
                os.chdir("/")
            _close_standard_files(keep_output=self.options.keep_output)

    async def wait_fatal_signal(self) -> signal.Signals:
        """The signal that asks for the end; when started() is left, the process dies by it."""
        import trio

        wanted = [number for number in FATAL_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        with trio.open_signal_receiver(*wanted) as received:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FATAL_SIGNALS)
            async for number in received:
                name = signal.strsignal(number)
                log_signal.warn("terminating with signal %d (%s)", number, name)
                self._signal = number
                systemd.notify("STOPPING=1")
                signal.pthread_sigmask(
                    signal.SIG_BLOCK, FATAL_SIGNALS
                )  # a second one must not cut the end short
                return signal.Signals(number)
        raise AssertionError("the receiver never ends")

    @property
    def fatal_signal(self) -> int:
        """The number of the signal that wait_fatal_signal() returned, or 0."""
        return self._signal


@contextlib.contextmanager
def started(options: Options) -> Iterator[Process]:
    """Becomes the daemon: takes the user's identity, forks, makes the pidfile. In the parents it does not
    return.

    CliError (exit status 1) where the pidfile or the user cannot be had. An error that nobody foresaw ends
    the daemon by SIGABRT once it serves, so that a monitor starts it again, and with exit status 1 before.
    """
    process.set_name(options.program)
    vlog.set_program(options.program)
    if options.user is not None:
        try:
            become(options.user, datapath=options.datapath)
        except UserError as refused:
            raise CliError(str(refused)) from None
    startup = _fork_daemon(options)
    daemon = Process(options, startup)
    number = 0
    try:
        # They wait for wait_fatal_signal(): raised within trio's own code they would be lost, or break it.
        signal.pthread_sigmask(signal.SIG_BLOCK, FATAL_SIGNALS)
        with _pidfile(options):
            yield daemon
        systemd.notify("STOPPING=1")
    except BaseException as raised:
        error = _unwrap(raised)
        if isinstance(error, (CliError, SystemExit)):
            raise error from None
        log.exception("%s: internal error", options.program)
        if not daemon.is_ready:
            raise CliError(f"internal error: {error!r}") from None
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = signal.SIGABRT
    if number or daemon.fatal_signal:
        _die(number or daemon.fatal_signal)


def _unwrap(error: BaseException) -> BaseException:
    """What a nursery wrapped into groups, where it is a single exception."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextlib.contextmanager
def _pidfile(options: Options) -> Iterator[None]:
    try:
        made = (
            pidfile.create(options.pidfile, overwrite=options.overwrite_pidfile) if options.pidfile else None
        )
    except pidfile.PidfileError as error:
        raise CliError(str(error)) from None
    try:
        yield
    finally:
        if made:
            made.remove()


def _die(number: int) -> NoReturn:
    """By the signal itself, as whoever waits for this process expects."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    os._exit(1)


def _fork_daemon(options: Options) -> int | None:
    """The pipe to be written to when the daemon is ready; None where nobody waits."""
    startup: int | None = None
    if options.detach:
        pid, startup = _fork_and_wait()
        if pid:
            os._exit(0)
        os.setsid()
    if options.monitor:
        outer = startup
        pid, startup = _fork_and_wait()
        if pid:
            vlog.set_program(options.program, "monitor")
            process.set_name("monitor")
            _set_monitor_title(options, pid, "healthy")
            _notify(outer)  # only now: whoever started it finds it under its name
            if options.detach:
                _close_standard_files(keep_output=options.keep_output)
            startup = _monitor(options, pid)
        elif outer is not None:
            os.close(outer)
    return startup


def _fork_and_wait() -> tuple[int, int | None]:
    """In the child: 0 and the pipe to report on. In the parent: the child's pid, once it has reported.

    Where the child ends before, the parent ends in the same way.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        return 0, writing
    os.close(writing)
    reported = os.read(reading, 1)
    os.close(reading)
    if not reported:
        _, status = os.waitpid(pid, 0)
        if not os.WIFEXITED(status):
            text = process.describe_status(status)
            print(f"{vlog.program()}: fork child died before signaling startup ({text})", file=sys.stderr)
        os._exit(os.WEXITSTATUS(status) or 1 if os.WIFEXITED(status) else 1)
    return pid, None


def _monitor(options: Options, pid: int) -> int | None:
    """Waits for the daemon to end, and starts it again after a crash. Returns only in a new daemon."""
    crashes = 0
    last_restart = -RESTART_INTERVAL
    while True:
        _, status = os.waitpid(pid, 0)
        text = f"pid {pid} died, {process.describe_status(status)}"
        vlog.reopen_file()  # it may have been rotated while there was nothing to say
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) in RESTART_SIGNALS):
            log.info("%s, exiting", text)
            os._exit(0)
        crashes += 1
        status_text = f"{crashes} crashes: {text}"
        if os.WCOREDUMP(status):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one is enough to look into
        wait = last_restart + RESTART_INTERVAL - time.monotonic()
        if wait > 0:
            log.warn("%s, waiting until %d seconds since last restart", status_text, RESTART_INTERVAL)
            time.sleep(wait)
        last_restart = time.monotonic()
        log.err("%s, restarting", status_text)
        pid, startup = _fork_and_wait()
        if not pid:
            process.set_name(options.program)
            vlog.set_program(options.program, options.program)
            return startup
        _set_monitor_title(options, pid, status_text)


def _set_monitor_title(options: Options, pid: int, status: str) -> None:
    process.set_title(f"{options.program}: monitoring pid {pid} ({status})")


def _notify(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(descriptor, b"\0")
        os.close(descriptor)


def _close_standard_files(*, keep_output: bool) -> None:
    """So that neither a terminal nor an ssh session is held open. The console hears nothing more."""
    vlog.set_levels(None, vlog.Destination.CONSOLE, vlog.Level.OFF)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 2) if keep_output else (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)
