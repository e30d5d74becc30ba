"""Names of files, as people have them and as a terminal shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from rich.table import Table

from keras_sranogan.data.phantom import render_normal
from sranogan_edge.commands.score_files import find_images
from sranogan_edge.errors import DataError, ExitCode
from sranogan_edge.terminal import shown, terminal
from tests.support.cli_runs import lines_in, score


@pytest.fixture(scope="session")
def normal() -> Image.Image:
    """Give a phantom's normal film."""
    return Image.fromarray(render_normal(5, 0, 96).pixels)


@pytest.mark.parametrize(
    "name",
    [
        "[/b].png",
        "[red]x.png",
        "a\nb.png",
        "\x1b[31mred.png",
        "é" * 120 + ".png",
        "π 心.png",
        "a" * 250 + ".png",
    ],
)
def test_any_file_name(tiny_bundle: Path, normal: Image.Image, tmp_path: Path, name: str) -> None:
    """Brackets, line breaks, terminal codes and the longest names are scored like any other."""
    folder = tmp_path / "[bold" / "in"
    folder.mkdir(parents=True)
    normal.save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(folder / name.replace("/", "|"))
    done = score(tiny_bundle, folder, "--out", tmp_path / "[/out]")
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    assert "\x1b[31m" not in done.output
    (line,) = lines_in(tmp_path / "[/out]")
    assert Path(line["file"]).is_file()
    assert (tmp_path / "[/out]" / line["heat_map"]).is_file()


def test_file_name_that_is_no_text(tiny_bundle: Path, normal: Image.Image, tmp_path: Path) -> None:
    """A name of bytes that are not UTF-8 is scored, printed as escapes, and found again from its line."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"))
    try:
        normal.save(tmp_path / "x.png")
        (tmp_path / "x.png").rename(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    done = score(tiny_bundle, path, "--out", tmp_path / "out")
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    assert Path(lines_in(tmp_path / "out")[0]["file"]).is_file()


def test_shown_escapes_what_a_terminal_obeys() -> None:
    """Escape codes and broken characters are spelt out, text and line breaks stay."""
    assert shown("π \x1b[31m\udcff\nb\t") == "π \\x1b[31m\\udcff\nb\\t"


def test_a_terminal_prints_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither markup nor the names of emoji in a path or a message are replaced, in tables too."""
    table = Table(title="camera:abc:")
    table.add_column("[b]of :x:[/b]")
    table.add_row("at :key: [red]")
    terminal().print(table, "ftp:x: no [such] sink")
    told = capsys.readouterr().out
    assert all(one in told for one in ("camera:abc:", "[b]of :x:[/b]", "at :key: [red]", "ftp:x: no [such]"))


def test_find_images_leaves_heat_maps_out(tmp_path: Path) -> None:
    """Scoring a folder twice with the results inside it does not score the first call's heat maps."""
    for name in (
        "a.png",
        "b.JPG",
        "sub/c.tif",
        "scores/heat_maps/a-1.png",
        "scores/own.png",
        ".d.png",
        "e.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path], without=[tmp_path / "scores" / "heat_maps"])
    assert [str(path.relative_to(tmp_path)) for path in found.taken] == [
        "a.png",
        "b.JPG",
        "scores/own.png",
        "sub/c.tif",
    ]
    with pytest.raises(DataError, match="no images in"):
        find_images([tmp_path / "scores" / "heat_maps"], without=[tmp_path / "scores" / "heat_maps"])
