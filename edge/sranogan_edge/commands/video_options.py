"""The options that say which frames of cameras, streams and videos are scored."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Every", "Fps", "Probe", "Roi", "Videos"]

Fps = Annotated[
    float | None, typer.Option(help="Most frames a second to take of each camera, stream or video.")
]
Every = Annotated[
    int | None, typer.Option(min=1, help="Of each video or camera, take the first frame and every so many.")
]
Videos = Annotated[bool, typer.Option("--videos", help="Score the videos in folders of files, too.")]
Roi = Annotated[
    str | None, typer.Option(help="x,y,width,height in pixels: the part of each camera's picture.")
]
Probe = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="Tell what a camera, stream or video gives (size, rate, codec, brightness), or why it gives "
        "nothing; with --config FILE, the feed of this URI in it.",
    ),
]
