"""Several evaluations below each other, and the means that papers report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keras_sranogan.evaluation.means import app, joined_figures
from sranogan_edge.errors import DataError, SettingsError


def figures(auroc: float | None, aupro: float | None = 0.5, **more: float) -> dict[str, Any]:
    """One line of a table."""
    return {"n": 3, "auroc": auroc, "pixel_auroc": 0.9, "pixel_aupro": aupro, "pixel_auspro": None, **more}


def evaluation(path: Path, data: str, of_all: dict[str, Any], **types: dict[str, Any]) -> Path:
    """Write what sranogan-evaluate --json writes, so far as it is read."""
    defects = {"all": of_all, "by_type": types, "by_size": {"small": of_all}}
    found = {"data": data, "model": f"runs/{path.stem}", "n_normal": 4, "defects": defects}
    path.write_text(json.dumps(found))
    return path


def test_the_mean_is_over_products(tmp_path: Path) -> None:
    """Two seeds of one product count as one: (mean(0.6, 0.8) + 1) / 2, not the mean of three."""
    paths = [
        evaluation(tmp_path / "a.json", "bottle", figures(0.6), scratch=figures(0.5)),
        evaluation(tmp_path / "b.json", "bottle", figures(0.8), scratch=figures(0.7)),
        evaluation(tmp_path / "c.json", "cable", figures(1.0, 0.7), scratch=figures(0.9), cut=figures(0.1)),
    ]
    found = joined_figures(paths)
    assert [(one["data"], one["auroc"]) for one in found["evaluations"]] == [
        ("bottle", 0.6),
        ("bottle", 0.8),
        ("cable", 1.0),
    ]
    assert found["mean"] == pytest.approx(
        {"auroc": 0.85, "pixel_auroc": 0.9, "pixel_aupro": 0.6, "pixel_auspro": None}
    )
    assert list(found["by_type"]) == ["scratch"]  # one product alone has cuts
    assert found["by_type"]["scratch"]["auroc"] == pytest.approx((0.6 + 0.9) / 2)
    assert found["by_type"]["scratch"]["products"] == 2
    assert found["by_size"]["small"]["auroc"] == pytest.approx(0.85)


def test_seeds_of_one_product_are_no_two_products(tmp_path: Path) -> None:
    """A type that both of its evaluations have, and no other product, has no mean over products."""
    paths = [
        evaluation(tmp_path / "a.json", "bottle", figures(0.6), scratch=figures(0.5)),
        evaluation(tmp_path / "b.json", "bottle", figures(0.8), scratch=figures(0.7)),
        evaluation(tmp_path / "c.json", "cable", figures(1.0), cut=figures(0.1)),
    ]
    found = joined_figures(paths)
    assert found["by_type"] == {}
    assert found["by_size"]["small"]["products"] == 2


def test_a_figure_that_one_product_lacks_has_no_mean(tmp_path: Path) -> None:
    """The mean over those that have it would be of another set."""
    paths = [
        evaluation(tmp_path / "a.json", "01", figures(0.6, None)),
        evaluation(tmp_path / "b.json", "02", figures(0.8)),
    ]
    assert joined_figures(paths)["mean"]["pixel_aupro"] is None
    assert joined_figures(paths)["mean"]["auroc"] == pytest.approx(0.7)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    """A line for each evaluation and one of means; the same figures as JSON."""
    paths = [
        evaluation(tmp_path / "a.json", "bottle", figures(0.6)),
        evaluation(tmp_path / "b.json", "cable", figures(0.9, pixel_auspro=0.25)),
    ]
    out = tmp_path / "new" / "means.json"
    done = CliRunner().invoke(app, [*map(str, paths), "--json", str(out)], env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    for words in ("bottle", "cable", "mean", "0.750", "image AUROC", "AU-sPRO 0.05", "mean of small"):
        assert words in done.output
    assert json.loads(out.read_text()) == json.loads(json.dumps(joined_figures(paths)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "cannot be read as an evaluation"),
        ("[1]", "has no figures of defects"),
        ('{"data": "x", "model": "m", "n_normal": 1}', "has no figures of defects"),
        (
            '{"data": "x", "model": "m", "n_normal": 1, "defects": {"all": {}, "by_type": []}}',
            "has no figures",
        ),
        ('{"defects": {"all": {}, "by_type": {}, "by_size": {}}}', "has no figures of defects"),
    ],
)
def test_what_is_no_evaluation_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Files of another kind or an earlier version are named with the cure; so is one that is not there."""
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=f"{said}.*sranogan-evaluate --json") as raised:
        joined_figures([path])
    assert str(path) in str(raised.value)
    assert CliRunner().invoke(app, [str(path)]).exit_code == 3
    assert CliRunner().invoke(app, [str(tmp_path / "none.json")]).exit_code == 3


def test_an_evaluation_counts_once(tmp_path: Path) -> None:
    """The same file twice is a slip."""
    path = evaluation(tmp_path / "a.json", "bottle", figures(0.6))
    with pytest.raises(SettingsError, match="each evaluation once"):
        joined_figures([path, tmp_path / "." / "a.json"])
