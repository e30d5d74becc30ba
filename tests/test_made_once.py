"""What tests have made once is kept between runs, and made anew when anything that it is made by changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.made_once import KEPT_S, kept_of, made_by

FILES = {
    "keras_sranogan/train.py": "a = 1",
    "keras_sranogan/head/drawn.npz": "numbers",
    "export/sranogan_export/write.py": "b = 2",
    "edge/sranogan_edge/scoring/head.py": "c = 3",
    "tests/support/tiny.py": "SEED = 0",
    "tests/export/test_it.py": "def test_it(bundle_of): bundle_of('x', steps=1)",
    "tests/edge/test_other.py": "def test_other(tiny_bundle): pass",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a small repository."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_change_makes_anew(tree: Path, name: str) -> None:
    """Code, weights, helpers and tests that say what is made count; a test that only uses it does not."""
    before = made_by(tree)
    (tree / name).write_text(f"{FILES[name]} ")
    assert (made_by(tree) != before) == (name != "tests/edge/test_other.py")
    (tree / name).write_text(FILES[name])
    (tree / "keras_sranogan/__pycache__").mkdir()
    (tree / "keras_sranogan/__pycache__/train.pyc").write_text("x")
    assert made_by(tree) == before


def test_the_backend_counts(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What JAX trained is not taken for TensorFlow's, and a renamed file is a change."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    before = made_by(tree)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert made_by(tree) != before
    monkeypatch.delenv("KERAS_BACKEND")
    (tree / "keras_sranogan/train.py").rename(tree / "keras_sranogan/trained.py")
    assert made_by(tree) != before


def test_what_nothing_uses_goes(tmp_path: Path) -> None:
    """A day after its last use; what is used stays, however old it is."""
    for name in ("used", "unused", "young"):
        kept_of(name, tmp_path)
        (tmp_path / name / "tiny.run").mkdir()
    long_ago = time.time() - KEPT_S - 60
    for name in ("used", "unused"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    assert kept_of("used", tmp_path) == tmp_path / "used"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["used", "young"]
    assert (tmp_path / "used" / "tiny.run").is_dir()
