"""Options of ``sranogan-train`` that say how an image comes to the square that is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sranogan_edge.errors import SettingsError

if TYPE_CHECKING:
    from keras_sranogan.settings import TrainSettings

__all__ = [
    "AUTO",
    "Align",
    "Fit",
    "RegionOption",
    "TileOverlap",
    "TilePx",
    "TileWhole",
    "check_tiles",
    "preprocess_of",
]

Fit = Annotated[
    str | None,
    typer.Option(
        help="How an image comes to that square: stretch, letterbox (keeps the aspect, on black), crop (the "
        "square in the middle) or tile (covered with squares, each judged: small defects in large images); "
        "auto chooses by the normals' size, shape and detail, and says why. [default: tile for surfaces of "
        "fine detail, which do not look alike as a whole, else stretch]"
    ),
]
TilePx = Annotated[
    int | None, typer.Option(help="Side of a tile in pixels of the image. [default: the size judged at]")
]
TileOverlap = Annotated[
    float | None, typer.Option(help="Share of a tile that its neighbour covers too. [default: 0.25]")
]
TileWhole = Annotated[
    str | None,
    typer.Option(
        help="on: the whole image is judged beside its tiles, for what is larger than a tile: parts that are "
        "missing or moved; off: tiles alone; auto: on where normals look alike as a whole. [default: off]"
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        help="With tiles: the polygon to judge, corners as shares of width and height: "
        "'0.1,0.2 0.9,0.2 0.5,0.9'. [default: all of the image]"
    ),
]
Align = Annotated[
    bool,
    typer.Option(
        "--align/--no-align",
        help="Turn, scale and shift each image to how the mean normal lies, before it is judged: for one "
        "kind of part that lies a little differently in each photograph. Not with --fit tile.",
    ),
]
AUTO = "auto"


def preprocess_of(said: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of preprocessing that the options ``said`` name; ``auto`` is none yet."""
    names = ("size", "fit", "tile_px", "tile_overlap")
    values = {name: said[name] for name in names if said.get(name) not in (None, AUTO)}
    if said.get("tile_whole") is not None:
        from keras_sranogan.settings import check_choice

        check_choice("--tile-whole", said["tile_whole"], (AUTO, "on", "off"))
        if said["tile_whole"] != AUTO:
            values["tile_whole"] = said["tile_whole"] == "on"
    if said.get("align") is not None:
        values["align"] = said["align"]
    if said.get("region"):
        values["region"] = [corner.split(",") for corner in said["region"].split()]
    return values


def check_tiles(said: dict[str, Any], chosen: TrainSettings) -> None:
    """Raise SettingsError where options of tiles were named, and there are none."""
    named = [
        name for name in ("tile_px", "tile_overlap", "tile_whole", "region") if said.get(name) is not None
    ]
    if named and (said.get("fit") == AUTO or not chosen.preprocess.tiled):
        option = f"--{named[0].replace('_', '-')}"
        received = f"--fit {said['fit']}" if said.get("fit") else "no --fit"
        raise SettingsError(f"{option} goes with --fit tile; received {received}.")
