"""Progress of one image that takes long."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from sranogan_edge.commands.score_files import TilesShown


def test_many_tiles_of_one_image_are_counted_in_sight() -> None:
    """From the fiftieth tile on their number stands beside the name, whatever that is; then it goes."""
    columns = (TextColumn("{task.description}"), MofNCompleteColumn())
    console = Console(file=io.StringIO(), width=100)
    progress = Progress(*columns, console=console)

    def seen() -> str:
        with console.capture() as captured:
            console.print(progress)
        return captured.get()

    tiles = TilesShown(progress)
    tiles.begin(Path("in") / "board [1].png")
    for _ in range(49):
        tiles.done()
    assert not seen().strip()
    for _ in range(11):
        tiles.done()
    assert "tiles of board [1].png" in seen()
    assert "60/?" in seen()
    tiles.begin(Path("small.png"))
    tiles.done()
    assert not seen().strip()
