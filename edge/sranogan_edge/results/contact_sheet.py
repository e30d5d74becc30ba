"""The most anomalous images of a run, side by side: one picture to look at first."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sranogan_edge.results.line import ResultLine

__all__ = ["MOST_SHOWN", "most_anomalous", "sheet_png"]

MOST_SHOWN = 20
COLUMNS = 5
SIDE_PX = 192
CAPTION_PX = 44
MARGIN_PX = 8
FONT_PX = 13
BACKGROUND, INK, ALARM = (24, 24, 27), (228, 228, 231), (251, 146, 60)


def most_anomalous(lines: Sequence[ResultLine], most: int = MOST_SHOWN) -> list[ResultLine]:
    """Return the judged ones of ``lines`` with the highest scores, highest first, ``most`` at most."""
    judged = [line for line in lines if line.score is not None]
    return sorted(judged, key=lambda line: -(line.score or 0.0))[:most]


def sheet_png(lines: Sequence[ResultLine], folder: Path) -> bytes | None:
    """Draw the heat maps of the :func:`most_anomalous` of ``lines`` as PNG, each with its score and name.

    Args:
        lines: of the run.
        folder: where their heat maps lie.

    Returns:
        The picture; None where no image was judged.

    Raises:
        OSError: a heat map is not there, or cannot be read.
    """
    chosen = [line for line in most_anomalous(lines) if line.heat_map]
    if not chosen:
        return None
    columns = min(COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    wide, high = SIDE_PX + MARGIN_PX, SIDE_PX + CAPTION_PX + MARGIN_PX
    sheet = Image.new("RGB", (columns * wide + MARGIN_PX, rows * high + MARGIN_PX), BACKGROUND)
    for number, line in enumerate(chosen):
        left, top = number % columns * wide + MARGIN_PX, number // columns * high + MARGIN_PX
        with Image.open(folder / str(line.heat_map)) as picture:
            sheet.paste(picture.convert("RGB").resize((SIDE_PX, SIDE_PX)), (left, top))
        _write_caption(ImageDraw.Draw(sheet), line, number + 1, (left, top + SIDE_PX + 4))
    png = io.BytesIO()
    sheet.save(png, "PNG")
    return png.getvalue()


def _write_caption(draw: ImageDraw.ImageDraw, line: ResultLine, rank: int, place: tuple[int, int]) -> None:
    font = ImageFont.load_default(FONT_PX)
    left, top = place
    colour = INK if line.verdict == "normal" else ALARM
    draw.text((left, top), f"{rank}.  {line.score:.2f}  {line.verdict}", colour, font)
    draw.text((left, top + FONT_PX + 5), _fitting(draw, Path(line.file).name, font), INK, font)


def _fitting(draw: ImageDraw.ImageDraw, name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return ``name``, without its middle where it is too long; what the font lacks is an escape."""
    text = "".join(one if one.isprintable() and ord(one) < 0x250 else "?" for one in name)
    whole, keep = text, len(text)
    while draw.textlength(text, font) > SIDE_PX and keep > 4:
        keep -= 1
        text = f"{whole[: keep // 2]}...{whole[len(whole) - keep // 2 :]}"
    return text
