"""What a spec opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from keras_sranogan.data.open import open_source
from sranogan_edge.errors import DataError


def test_missing_folder_and_file_are_refused(tmp_path: Path) -> None:
    """A path that is no folder says so, and names the other kinds of source."""
    with pytest.raises(DataError, match=r"gone: no such folder.*phantom.*medmnist"):
        open_source(str(tmp_path / "gone"))
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match=r"a\.png: is a file, not a folder"):
        open_source(str(tmp_path / "a.png"))


def test_what_may_not_be_looked_at_is_said_so(tmp_path: Path) -> None:
    """A path that is too long or a loop of links is no folder that is missing."""
    (tmp_path / "round").symlink_to("round")
    for name, reason in (("x" * 300, "File name too long"), ("round", "Too many levels")):
        with pytest.raises(DataError, match=rf"cannot be read \({reason}.*Name a folder of images"):
            open_source(str(tmp_path / name))


def test_phantom_takes_the_seed_unless_it_states_one() -> None:
    """The seed given to open_source reaches the phantom; one in the spec wins."""

    def pixels(spec: str, seed: int) -> bytes:
        source = open_source(spec, seed=seed)
        return source.frame(source.items("train")[0]).pixels.tobytes()

    small = "phantom?train=1&size=64"
    assert pixels(small, 0) != pixels(small, 5)
    assert pixels(small, 5) == pixels(f"{small}&seed=5", 0)


def test_source_is_named_after_its_folder(tmp_path: Path) -> None:
    """Reports show the folder name, not a path on somebody's machine."""
    (tmp_path / "line_3").mkdir()
    Image.new("L", (20, 20)).save(tmp_path / "line_3" / "a.png")
    assert open_source(str(tmp_path / "line_3")).name == "line_3"
