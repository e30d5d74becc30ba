"""What the commands share: how one is called, how its errors end, what a terminal may be shown."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from rich.console import Console

from sranogan_edge import __version__
from sranogan_edge.errors import ExitCode, SettingsError, SranoganError

__all__ = ["Version", "run", "say", "shown", "terminal"]

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


def run(command: Callable[..., ExitCode | None], **arguments: object) -> None:
    """Call ``command``; print an expected error as one message and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end the feed
            stream.reconfigure(errors="backslashreplace")
    try:
        _check_versions()
        raise typer.Exit(int(command(**arguments) or ExitCode.OK))
    except SranoganError as error:
        terminal(stderr=True).print(f"error: {shown(str(error))}", style="red", soft_wrap=True)
        raise typer.Exit(int(error.exit_code)) from error
    except KeyboardInterrupt as interrupt:
        terminal(stderr=True).print("interrupted", style="red")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from interrupt


def _check_versions() -> None:
    """Refuse to work with distributions of several versions: a bundle's contract is one version's."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # a device has the edge alone
    others = {name: one for name, one in found.items() if one != __version__}
    if others:
        listed = ", ".join(f"{name} {one}" for name, one in others.items())
        raise SettingsError(
            f"this is sranogan-edge {__version__}, installed beside {listed}. All must be of one version: "
            "install them together, from one clone or from wheels that were built together."
        )


def terminal(*, stderr: bool = False) -> Console:
    """Return a console that prints names and messages as they are: no markup, and ``:abc:`` is no emoji."""
    return Console(stderr=stderr, markup=False, emoji=False)


def say(message: str) -> None:
    """Print ``message`` for people, beside the results."""
    terminal(stderr=True).print(shown(message), soft_wrap=True)


def shown(text: str) -> str:
    """Return ``text`` with everything but printable characters and line breaks written as escapes.

    File names may hold bytes that are no text, and codes that a terminal would obey.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
