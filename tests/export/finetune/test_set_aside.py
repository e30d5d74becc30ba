"""The exam of fine-tuning: training normals, none of its lessons, and no held-out normal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.detector.normals import HeldOutNormals, representative_step
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_export.finetune.set_aside import EXAMINED, set_aside
from sranogan_export.recipe import ExportOptions, QatSettings
from sranogan_export.write_bundle import export_run


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 48, 127, 128, 129, 255, 256, 913, 5000])
def test_no_image_is_both_lesson_and_exam(count: int, copies: int) -> None:
    """Whatever the number: each image keeps to its side in every copy, and both sides have some."""
    numbers = np.arange(count, dtype=np.float32)
    kept = numbers[:: representative_step(count)].reshape(-1, 1, 1, 1)
    seen = np.tile(numbers, copies).reshape(-1, 1, 1, 1)
    taught = set_aside(kept, seen, count)
    plain, small, exam = (set(part.ravel().tolist()) for part in (taught.plain, taught.small, taught.exam))
    assert plain
    assert exam
    assert plain <= set(numbers.tolist())
    assert len(exam) <= EXAMINED
    if count > 1:
        assert not exam & (plain | small)
        assert plain | exam == set(kept.ravel().tolist())
        assert small | exam == set(numbers.tolist())
        assert len(plain) >= len(exam)


def test_a_runs_images_stand_where_they_are_looked_for(tiny_run: Run) -> None:
    """Rows of what a run has seen are those that it kept, in the step that set_aside takes."""
    kept, seen = tiny_run.representative(), tiny_run.seen()
    count = tiny_run.provenance["normals_to_train"]
    assert len(seen) % count == 0
    assert len(kept) == len(range(0, count, representative_step(count)))
    means = seen[:count][:: representative_step(count)].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(kept.mean(axis=(1, 2, 3)), means, atol=0.01)


@pytest.mark.slow
def test_held_out_normals_change_no_graph(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fine-tuned graphs are the same to the bit whichever normals were held out."""
    normals = tiny_run.held_out_normals()
    turned = replace(normals, x=np.ascontiguousarray(1 - normals.x[:, ::-1]))
    graphs = []
    for name, held_out in (("a", normals), ("b", turned)):
        monkeypatch.setattr(Run, "held_out_normals", lambda _, found=held_out: found)
        options = ExportOptions(steps=0, qat=QatSettings(steps=8, batch=4))
        graphs.append(
            read_bundle(export_run(tiny_run, options, tmp_path / f"{name}.sranogan", Silent()).path).graphs
        )
    assert isinstance(turned, HeldOutNormals)
    assert graphs[0] == graphs[1]
