"""The options that say which films are asked for: the same on every command that reads images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

import typer

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


def film_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was named of a command's options for films: ``A,B`` as a list."""
    from sranogan_edge.image.film import FilmOptions, listed  # a typing error is answered without it

    given = {one.name: params[one.name] for one in fields(FilmOptions)}
    named = {name: value for name, value in given.items() if value is not None and value is not False}
    return {name: listed(value) if isinstance(value, str) else value for name, value in named.items()}
