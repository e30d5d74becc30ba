"""Which packages are installed, and what to run where an optional one is missing.

The distributions are on no package index, and nobody has registered their names there: ``pip install NAME``
would run a stranger's code. So a message names a clone or a wheel, never the bare name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from sranogan_edge import __version__
from sranogan_edge.errors import MissingExtraError, SranoganError

__all__ = ["how_to_install", "installed", "missing_extra", "needs_extra"]

Folder = Literal[".", "edge", "export"]
_DISTRIBUTIONS = {".": "keras_sranogan", "edge": "sranogan_edge", "export": "sranogan_export"}


def installed(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those that are installed."""
    found = {}
    for name in distributions:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def how_to_install(*extras: str, folder: Folder = "edge") -> str:
    """Return what installs ``extras`` of the distribution in ``folder``, to stand behind "Run: "."""
    listed, place = ",".join(extras), folder if folder == "." else f"./{folder}"
    wheel = f"{_DISTRIBUTIONS[folder]}-{__version__}-py3-none-any.whl"
    return (
        f'pip install "{place}[{listed}]" (in a clone of keras-sranogan; from its wheel: '
        f'pip install "{wheel}[{listed}]")'
    )


def missing_extra(
    what: str,
    needed: str,
    *extras: str,
    kind: type[SranoganError] = MissingExtraError,
    folder: Folder = "edge",
    instead: str = "",
) -> SranoganError:
    """Return the error that ``what`` needs something that one of the extras brings.

    Args:
        what: that which cannot be done.
        needed: a package, and why it cannot be had.
        extras: that bring it.
        kind: of the error.
        folder: of their distribution.
        instead: what else may be done.
    """
    cure = how_to_install(*extras, folder=folder)
    return kind(f"{what} needs {needed}. Run: {cure}" + (f", or {instead}." if instead else ""))


@contextmanager
def needs_extra(
    extra: str,
    what: str,
    *,
    kind: type[SranoganError] = MissingExtraError,
    folder: Folder = "edge",
    instead: str = "",
) -> Iterator[None]:
    """What is imported inside comes with ``extra``; raises :func:`missing_extra` where it does not."""
    try:
        yield
    except ImportError as error:
        package = error.name or ""
        if package.partition(".")[0] == __name__.partition(".")[0]:  # an error of ours
            raise
        why = "is not installed" if isinstance(error, ModuleNotFoundError) else f"fails ({error})"
        needed = f"the package {package}, which {why}"
        raise missing_extra(what, needed, extra, kind=kind, folder=folder, instead=instead) from error
