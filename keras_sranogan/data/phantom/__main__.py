"""``python -m keras_sranogan.data.phantom``: draw phantoms into PNG files, to try the commands on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import typer

from keras_sranogan.data.phantom.source import SIZES, PhantomOptions, PhantomSource
from sranogan_edge.errors import ExitCode, ResultsError
from sranogan_edge.terminal import main, run

EXIT_CODES = "Exit codes: 0 drawn; 2 wrong usage; 6 the folder cannot be written; 130 interrupted."

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def write_phantoms(folder: Path, count: int, seed: int, size: int) -> None:
    """Write ``count`` chest films of the test split as PNG: normals first, then as many lesions of all kinds.

    With an odd count there is one normal more. A file is named for what it shows: ``normal-00.png``.

    Raises:
        ResultsError: the folder cannot be written.
    """
    source = PhantomSource(PhantomOptions(test=(count + 1) // 2, seed=seed, size=size))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for item in source.items("test")[:count]:
            _, png = cv2.imencode(".png", source.frame(item).pixels)
            name = f"{item.label.lower()}-{int(item.key.rpartition('/')[2]):02d}.png"
            (folder / name).write_bytes(png.tobytes())
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}). Name another folder.") from error


@app.command(epilog=EXIT_CODES)
def draw(
    out: Annotated[Path, typer.Argument(help="Folder for the PNG files; made when it is not there.")],
    count: Annotated[int, typer.Option(min=1, help="How many: half normals, half with a lesion.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Draws other patients.")] = 0,
    size: Annotated[int, typer.Option(min=SIZES[0], max=SIZES[1], help="Side in pixels.")] = 256,
) -> None:
    """Draw synthetic chest films, normal and abnormal, that no preset trains on."""

    def work() -> ExitCode:
        write_phantoms(out, count, seed, size)
        typer.echo(f"drew {count} images into {out}")
        return ExitCode.OK

    run(work)


if __name__ == "__main__":
    main(app, "python -m keras_sranogan.data.phantom")
