"""Tables in, tables out: what is kept, what is added, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sranogan_edge.detector.data_frame import COLUMNS, scored_frame
from sranogan_edge.errors import MissingExtraError, SettingsError, UnreadableImageError
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.measurement import Reconstruction
from sranogan_edge.scoring.rule import Verdict

pd = pytest.importorskip("pandas", reason="pandas is an extra")

FLAT = np.zeros((8, 8), np.float32)
SCORER = Scorer("0" * 64, 3, "here")


def judged(file: str) -> Verdict:
    """Score a file by the length of its name; what is called bad cannot be read."""
    if "bad" in file:
        raise UnreadableImageError(f"{file}: no such file. Check the path.")
    made = Reconstruction(FLAT, FLAT, FLAT, FLAT, {}, FLAT, 7.0, {})
    foreign = "far off" if "odd" in file else ""
    return Verdict(float(len(file)), {}, 0.5, len(file) > 6, 6.0, FLAT, made, {"total": 2.0}, foreign)


def scored(frame: Any, column: str | None = None) -> Any:
    """Return the table of a detector that takes the length of a name for its score."""
    return scored_frame(frame, column, judged, SCORER)


def test_columns_index_and_order_are_kept() -> None:
    """What came stays, whatever the index is; a row each is added; the given table is not touched."""
    given = pd.DataFrame({"site": ["A", "B"], "file": ["long-name.png", "a.png"]}, index=[7, 7])
    before = given.copy()
    found = scored(given)
    assert list(found.columns) == ["site", "file", *COLUMNS]
    assert list(found.index) == [7, 7]
    assert list(found["site"]) == ["A", "B"]
    assert list(found["score"]) == [13.0, 5.0]
    assert list(found["verdict"]) == ["anomalous", "normal"]
    assert list(found["milliseconds"]) == [2.0, 2.0]
    assert found["error"].isna().all()
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize("nothing", [None, float("nan"), "", 3, b"a.png", pd.NA, pd.NaT])
def test_errors_are_rows(nothing: object) -> None:
    """An image that cannot be read, and a cell that names none, have an error and no score."""
    found = scored(pd.DataFrame({"path": ["bad.png", nothing, Path("a.png"), "odd.png"]}))
    assert list(found["verdict"]) == ["error", "error", "normal", "out of domain"]
    assert found["score"].isna().tolist() == [True, True, False, False]
    assert found["error"][0] == "UnreadableImageError: bad.png: no such file. Check the path."
    assert "row 1: names no file" in found["error"][1]
    assert found["reason"][3] == "far off"
    assert found["score"].dtype == "float64"


def test_a_table_without_rows_has_the_columns() -> None:
    """Nothing in, nothing out, of the same form."""
    found = scored(pd.DataFrame({"file": []}))
    assert list(found.columns) == ["file", *COLUMNS]
    assert len(found) == 0
    assert found["p_value"].dtype == "float64"


def test_another_column_can_be_named() -> None:
    """Of a table with its own names, too with both usual ones."""
    frame = pd.DataFrame({"file": ["bad.png"], "path": ["bad.png"], "image": ["a.png"]})
    assert list(scored(frame, "image")["score"]) == [5.0]


@pytest.mark.parametrize(
    ("frame", "column", "message"),
    [
        (pd.DataFrame({"fil": ["a"]}), None, r"no column 'file' or 'path'; it has 'fil'"),
        (pd.DataFrame({"image": ["a"]}), "imgae", r"no column 'imgae' \(did you mean 'image'\?\)"),
        (pd.DataFrame({0: ["a"]}), None, "it has '0'"),
        (pd.DataFrame(), None, "it has none"),
        (pd.DataFrame({"file": ["a"], "path": ["a"]}), None, "a column file and a column path"),
        (pd.DataFrame([["a", "b"]], columns=["file", "file"]), None, "several columns 'file'"),
        (
            pd.DataFrame({"file": ["a"], "score": [1]}),
            None,
            r"that a result has: score.*drop\(columns=\['score'\]",
        ),
        (["a.png"], None, "takes a pandas.DataFrame; received list"),
        ("a.png", None, "received str"),
        (pd.Series(["a.png"]), None, "received Series"),
    ],
)
def test_what_cannot_be_meant_is_refused(frame: Any, column: str | None, message: str) -> None:
    """Before an image is read, with what is there and the cure."""
    with pytest.raises(SettingsError, match=message):
        scored(frame, column)


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it stands in the error."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r'needs the package pandas.*pip install "\./edge\[pandas\]"'):
        scored(None)


def test_a_bundle_scores_a_table_as_it_scores_files(tiny_bundle: Path, tmp_path: Path) -> None:
    """By way of the front door: the same numbers as ``score``, and the bundle that gave them."""
    from sranogan_edge import open_detector

    detector = open_detector(tiny_bundle)
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for number, file in enumerate(files):
        cv2.imwrite(str(file), np.random.default_rng(number).integers(0, 256, (64, 64), np.uint8))
    found = detector.score_frame(pd.DataFrame({"file": [*map(str, files), str(tmp_path / "none.png")]}))
    assert list(found["score"][:2]) == [detector.score(file).score for file in files]
    assert found["verdict"][2] == "error"
    assert set(found["bundle"]) == {detector.bundle.sha256}
