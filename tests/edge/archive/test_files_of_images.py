"""Parquet and tar files as archives, and what is no archive at all."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

import pyarrow as pa
import pyarrow.parquet as pq

from sranogan_edge.archive import store, tars
from sranogan_edge.archive.item import Item, Source
from sranogan_edge.archive.open import open_source
from sranogan_edge.errors import ExitCode, FeedError, ImageError, SettingsError
from tests.support.archives import picture, rows_in
from tests.support.cli_runs import lines_in, score

IMAGES = 7


def png(number: int) -> bytes:
    """An image as the bytes of its file."""
    buffer = io.BytesIO()
    picture(number).save(buffer, "PNG")
    return buffer.getvalue()


def read(source: Source, after: Item | None = None) -> dict[str, bytes | str]:
    """What each image of a source is: its bytes, or its error."""
    listed = list(source.items(after, ()))
    found: dict[str, bytes | str] = {item.name: item.problem for item in listed}
    whole = [item for item in listed if not item.problem]
    for item, content in zip(whole, source.open(whole), strict=True):
        if isinstance(content, ImageError):
            found[item.name] = str(content)
        else:
            with content as file:
                found[item.name] = file.read()
    return found


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Give a folder with two Parquet files of several row groups, one row without bytes."""
    folder = tmp_path / "rows"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("b.parquet", "deep/a.parquet")):
        images: list[dict[str, Any]] = [{"bytes": png(number * IMAGES + one)} for one in range(IMAGES)]
        images[3] = {"bytes": None}
        table = pa.table({"label": list(range(IMAGES)), "image": images})
        pq.write_table(table, folder / name, row_group_size=3)
    return folder


def test_rows_of_parquet(parquet: Path) -> None:
    """Every row gives its bytes, in order, from whichever row the list goes on; one without is an error."""
    found = read(open_source(f"parquet:{parquet}"))
    assert len(found) == 2 * IMAGES
    names = list(found)
    assert (names[0], names[-1]) == (f"{parquet}/b.parquet#0", f"{parquet}/deep/a.parquet#{IMAGES - 1}")
    for number, (name, value) in enumerate(found.items()):
        if number % IMAGES == 3:
            assert value == f"{name}: the row holds no bytes. Write the image's bytes into it."
        else:
            assert value == png(number)
    listed = list(open_source(f"parquet:{parquet}").items(None, ()))
    for number, item in enumerate(listed):
        assert list(open_source(f"parquet:{parquet}").items(item, ())) == listed[number + 1 :]


def test_parquet_that_is_damaged_is_an_error_of_its_images(parquet: Path) -> None:
    """A file without its end is one item, damaged pages are errors of their rows, and all else is read."""
    (parquet / "a.parquet").write_bytes((parquet / "b.parquet").read_bytes()[:-20])
    data = bytearray((parquet / "b.parquet").read_bytes())
    begin = pq.ParquetFile(parquet / "b.parquet").metadata.row_group(1).column(1).data_page_offset
    data[begin : begin + 40] = bytes(40)
    (parquet / "b.parquet").write_bytes(data)
    found = read(open_source(f"parquet:{parquet}"))
    assert "file is damaged" in str(found[f"{parquet}/a.parquet"])
    assert sum("file is damaged" in str(value) for value in found.values()) == 1 + 3
    assert sum(isinstance(value, bytes) for value in found.values()) == 2 * IMAGES - 2 - 3 + 1


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ({"data": [b"x"]}, True),
        ({"anything": [b"x"], "name": ["n"]}, True),
        ({"mask": [b"m"], "image": [b"x"]}, True),
        ({"mask": [b"m"], "picture": [b"x"]}, False),
        ({"name": ["n"]}, False),
    ],
)
def test_which_column_holds_the_images(tmp_path: Path, columns: dict[str, list[Any]], taken: bool) -> None:
    """The only one with bytes, or one of a usual name; else the columns are named, and nothing is guessed."""
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    source = open_source(str(tmp_path / "x.parquet"))
    if taken:
        assert list(read(source).values()) == [b"x"]
    else:
        with pytest.raises(FeedError, match="which column holds the images"):
            read(source)


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    """Write a tar file, with a folder and a link in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        tar.addfile(_kind(tarfile.TarInfo("folder.png"), tarfile.DIRTYPE))
        tar.addfile(_kind(tarfile.TarInfo("link.png"), tarfile.SYMTYPE))
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def _kind(info: tarfile.TarInfo, kind: bytes) -> tarfile.TarInfo:
    info.type = kind
    return info


def test_members_of_tars(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """Images by name or content are read at their places, wherever the list goes on; all else is not."""
    film = make_dicom(np.zeros((4, 4), np.uint8))
    members = {f"{number}.png": png(number) for number in range(3)}
    others = {"0.json": b"{}", "0.cls": b"1", ".hidden.png": b"x", "empty.txt": b""}
    tar_of(tmp_path / "t/a.tar", {**members, **others, "IM1": film})
    tar_of(tmp_path / "t/deep/b.tar", {"empty.png": b"", "long/" + "n" * 150 + ".png": b"y"})
    found = read(open_source(f"tar:{tmp_path / 't'}"))
    first, second = f"{tmp_path}/t/a.tar#", f"{tmp_path}/t/deep/b.tar#"
    assert found == {
        **{first + name: data for name, data in members.items()},
        first + "IM1": film,
        second + "empty.png": b"",
        second + "long/" + "n" * 150 + ".png": b"y",
    }
    listed = list(open_source(f"tar:{tmp_path / 't'}").items(None, ()))
    for number, item in enumerate(listed):
        assert list(open_source(f"tar:{tmp_path / 't'}").items(item, ())) == listed[number + 1 :]


def test_a_tar_that_is_cut_off_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is whole before the cut is read, and the cut is an item; a member beyond the bound is not read."""
    path = tar_of(tmp_path / "a.tar", {"0.png": png(0), "1.png": bytes(5000)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size - 12_000])
    found = read(open_source(str(path)))
    assert found[f"{path}#0.png"] == png(0)
    assert any("file is damaged" in str(value) for value in found.values())
    monkeypatch.setattr(tars, "MOST_BYTES", 100)
    assert "are more than the 100 that are read" in str(read(open_source(str(path)))[f"{path}#0.png"])


def test_scores_are_those_of_files(tiny_bundle: Path, tmp_path: Path) -> None:
    """An image in a tar has the score of its file, to the last bit."""
    members = {f"{number}.png": png(number) for number in range(3)}
    (tmp_path / "files").mkdir()
    for name, data in members.items():
        (tmp_path / "files" / name).write_bytes(data)
    tar = tar_of(tmp_path / "a.tar", members)
    done = score(tiny_bundle, tar, "--engine", "local", "--workers", 1, "--out", tmp_path / "out")
    assert done.exit_code == ExitCode.OK, done.output
    score(tiny_bundle, tmp_path / "files", "--out", tmp_path / "lines")
    lines = [(line["score"], line["p_value"], line["verdict"]) for line in lines_in(tmp_path / "lines")]
    assert [(row["score"], row["p_value"], row["verdict"]) for row in rows_in(tmp_path / "out")] == lines


@pytest.mark.parametrize(
    ("uri", "kind", "told"),
    [
        ("x.tar.gz", FeedError, "Unpack it first"),
        ("parquet:none", FeedError, "nothing is there"),
        ("tar:.", FeedError, r"no \.tar files"),
        ("ftp://host/x", SettingsError, "archives are in a folder or at s3"),
        ("s3://key:secret@bucket/x", SettingsError, "AWS_ACCESS_KEY_ID"),
        ("az://container/x", SettingsError, "which account"),
        ("none", FeedError, "no such file or folder"),
    ],
)
def test_what_is_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, kind: type[Exception], told: str
) -> None:
    """Each is refused with what to name instead, and no secret is repeated."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=told) as refused:
        open_source(uri)
    assert "secret" not in str(refused.value)
    assert os.listdir(tmp_path) == []
    assert store.MOST_BYTES > 2**28  # the largest DICOM object that is taken
