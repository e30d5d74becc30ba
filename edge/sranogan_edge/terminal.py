"""What the commands share: how one is called, how its errors end, what a terminal may be shown."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperCommand

from sranogan_edge import __version__
from sranogan_edge.errors import ExitCode, SettingsError, SranoganError
from sranogan_edge.extras import installed
from sranogan_edge.text import meant

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Command",
    "Verbose",
    "Version",
    "counted",
    "given",
    "leave_with",
    "main",
    "options_told",
    "run",
    "say",
    "shown",
    "terminal",
]

DISTRIBUTIONS = ("sranogan-edge", "keras-sranogan", "sranogan-export")


def _print_version(context: typer.Context, asked: bool) -> None:
    if asked:
        typer.echo(f"{context.info_name} {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and no more."),
]
"""The option that every command has."""
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Name each file and folder that is passed over, and why.")
]
"""The option of every command that looks through folders."""


class Command(TyperCommand):
    """A command that names the nearest option where there is none of a name; for ``app.command(cls=...)``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; an unknown option is a usage error of one sentence."""
        line = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # Click's NoSuchOption, or that of the Click inside of Typer
            name = getattr(error, "option_name", None)
            if name and type(error).__name__ == "NoSuchOption":
                self._tell_nearest(error, name, line)
            raise

    def _tell_nearest(self, error: Any, name: str, line: Sequence[str]) -> None:
        """``-preset`` is read as ``-p`` and more: the word on the line is what was meant."""
        word = next((one for one in line if one.startswith(name)), name).partition("=")[0]
        known = [one for parameter in self.params for one in parameter.opts if one.startswith("--")]
        error.possibilities = None
        near = meant(f"--{word.lstrip('-')}", [*known, "--help"])
        error.message = f"no such option: {word}{near}; see --help"


def main(app: typer.Typer, name: str) -> NoReturn:
    """Run ``app`` as the process's own command: see :func:`leave_with`."""
    leave_with(lambda: app(prog_name=name))


def leave_with(command: Callable[[], int | None]) -> NoReturn:
    """Call the process's own command, and leave with its exit code, or SystemExit's: one of the table.

    That holds, too, where standard output takes no text (a full disk, a reader that went).
    """
    streams = [_Output.of(sys.stdout), _Output.of(sys.stderr)]
    sys.stdout, sys.stderr = streams
    code: str | int | None = ExitCode.OK
    try:
        code = command()
    except SystemExit as ended:
        code = ended.code
    except OSError:
        if not _lost_output(streams):
            raise
    lost = _lost_output(streams) and code in (None, ExitCode.OK, ExitCode.UNEXPECTED)
    sys.exit(int(ExitCode.CANNOT_WRITE) if lost else code)


def run(command: Callable[..., ExitCode | None], **arguments: object) -> None:
    """Call ``command``; print an expected error as one message and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end the feed
            stream.reconfigure(errors="backslashreplace")
    try:
        _check_versions()
        raise typer.Exit(int(command(**arguments) or ExitCode.OK))
    except SranoganError as error:
        _fail(str(error), error.exit_code, error)
    except KeyboardInterrupt as interrupt:
        terminal(stderr=True).print("interrupted", style="red")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from interrupt
    except OSError as error:
        if _lost_output():
            raise typer.Exit(int(ExitCode.CANNOT_WRITE)) from error
        if not _lost_folder():
            raise
        _fail(
            "the current folder is not there any more. Change to one that is (cd), or name whole paths, "
            "--out too.",
            ExitCode.USAGE,
            error,
        )


def _fail(message: str, code: ExitCode, cause: Exception) -> NoReturn:
    with contextlib.suppress(OSError):  # standard error may be lost
        terminal(stderr=True).print(f"error: {shown(message)}", style="red", soft_wrap=True)
    raise typer.Exit(int(code)) from cause


class _Output(io.TextIOWrapper):
    """Standard output or error that remembers why it took no text."""

    failure: OSError | None = None
    told = False

    @classmethod
    def of(cls, stream: TextIO) -> TextIO:
        """Return ``stream`` with a memory; as it is, where it is none of the process's own."""
        if not isinstance(stream, io.TextIOWrapper):
            return stream
        return cls(stream.buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering)

    def write(self, text: str) -> int:
        """Write; raises OSError."""
        with self._remembered():
            return super().write(text)

    def flush(self) -> None:
        """Flush; raises OSError."""
        with self._remembered():
            super().flush()

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.failure is None:
                self.failure = error
            raise


def _lost_output(streams: Sequence[TextIO | None] | None = None) -> bool:
    """Whether standard output or error took not all text; what waits for it is dropped, and it is told."""
    lost = [one for one in streams or (sys.stdout, sys.stderr) if isinstance(one, _Output)]
    for stream in lost:
        with contextlib.suppress(OSError):
            stream.flush()
    lost = [one for one in lost if one.failure]
    for stream in lost:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        _tell_lost(stream)
    return bool(lost)


def _tell_lost(stream: _Output) -> None:
    assert stream.failure is not None
    if stream.told or isinstance(stream.failure, BrokenPipeError):  # who closed a pipe knows
        return
    stream.told = True
    name = "standard error" if stream.fileno() == 2 else "standard output"
    cure = "Free some space, or send it elsewhere."
    with contextlib.suppress(OSError):
        say(f"error: {name} cannot be written to ({stream.failure.strerror}). {cure}")


def _lost_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _check_versions() -> None:
    """Refuse to work with distributions of several versions: a bundle's contract is one version's."""
    found = installed(DISTRIBUTIONS)  # a device has the edge alone
    others = {name: one for name, one in found.items() if one != __version__}
    if others:
        listed = ", ".join(f"{name} {one}" for name, one in others.items())
        raise SettingsError(
            f"this is sranogan-edge {__version__}, installed beside {listed}. All must be of one version: "
            "install them together, from one clone or from wheels that were built together."
        )


@cache
def _terminal_class() -> type[Console]:
    from rich.console import Console  # a typing error is answered without it

    class Terminal(Console):
        """Leaves a reader that went to :func:`run`, which knows the exit code."""

        def on_broken_pipe(self) -> None:
            """Raise it again: Rich calls this while it handles the error."""
            raise

    return Terminal


def terminal(*, stderr: bool = False) -> Console:
    """Return a console that prints names and messages as they are: no markup, and ``:abc:`` is no emoji."""
    return _terminal_class()(stderr=stderr, markup=False, emoji=False)


def say(*messages: str) -> None:
    """Print ``messages`` for people, beside the results."""
    for message in messages:
        terminal(stderr=True).print(shown(message), soft_wrap=True)


def given(context: typer.Context) -> set[str]:
    """Return the names of the parameters that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def options_told(names: Iterable[str]) -> str:
    """``--max-pixels, --steps``."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))


def counted(number: int, noun: str) -> str:
    """``1 thread``, ``2 threads``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def shown(text: str) -> str:
    """Return ``text`` with everything but printable characters and line breaks written as escapes.

    File names may hold bytes that are no text, and codes that a terminal would obey.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
