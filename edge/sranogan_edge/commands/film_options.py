"""The options that say which films are asked for: the same on every command that reads images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from sranogan_edge.image.film import listed

__all__ = [
    "BodyParts",
    "Modalities",
    "PresentationOnly",
    "SopClasses",
    "TakeEmpty",
    "TurnUpright",
    "Views",
    "film_settings",
]

Modalities = Annotated[
    str | None, typer.Option(help="Take films of these alone, such as DX,CR; see docs/guide/feeds.md.")
]
BodyParts = Annotated[str | None, typer.Option(help="BodyPartExamined, such as CHEST.")]
Views = Annotated[str | None, typer.Option(help="ViewPosition, such as PA,AP.")]
SopClasses = Annotated[str | None, typer.Option(help="UIDs of kinds of DICOM object.")]
PresentationOnly = Annotated[
    bool, typer.Option("--presentation-only", help="Leave out what is for processing.")
]
TakeEmpty = Annotated[
    str | None,
    typer.Option(
        help="Which of these options take a film whose field is empty, such as views,presentation_only "
        "[default: presentation_only]."
    ),
]
TurnUpright = Annotated[
    bool, typer.Option("--turn-upright", help="Turn back films that say they are turned or mirrored.")
]


def film_settings(lists: Mapping[str, str | None], switches: Mapping[str, bool]) -> dict[str, Any]:
    """Return what was named of a command line's options for films: ``A,B`` as a list."""
    found: dict[str, Any] = {name: True for name, given in switches.items() if given}
    found |= {name: listed(text) for name, text in lists.items() if text is not None}
    return found
