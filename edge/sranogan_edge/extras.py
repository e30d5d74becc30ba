"""What to run where an optional package is missing.

The distributions are on no package index, and nobody has registered their names there: ``pip install NAME``
would run a stranger's code. So a message names a clone or a wheel, never the bare name.
"""

from __future__ import annotations

from typing import Literal

from sranogan_edge import __version__
from sranogan_edge.errors import MissingExtraError

__all__ = ["how_to_install", "missing_extra"]

_DISTRIBUTIONS = {"edge": "sranogan_edge", "export": "sranogan_export"}


def how_to_install(*extras: str, folder: Literal["edge", "export"] = "edge") -> str:
    """Return what installs ``extras`` of the distribution in ``folder``, to stand behind "Run: "."""
    listed = ",".join(extras)
    wheel = f"{_DISTRIBUTIONS[folder]}-{__version__}-py3-none-any.whl"
    return (
        f'pip install "./{folder}[{listed}]" (in a clone of keras-sranogan; from its wheel: '
        f'pip install "{wheel}[{listed}]")'
    )


def missing_extra(what: str, package: str | None, extra: str) -> MissingExtraError:
    """Return the error that ``what`` needs a ``package``, with the command that installs it."""
    return MissingExtraError(f"{what} needs the package {package}. Run: {how_to_install(extra)}")
