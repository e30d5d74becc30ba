"""A head that sees the image as it is judged, from training to the verdict of an int8 bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.data.open import open_source
from keras_sranogan.progress import Silent
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.train import train
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_export.recipe import ExportOptions
from sranogan_export.write_bundle import export_run
from tests.support.tiny import TINY_DATA


@pytest.mark.slow
def test_it_trains_exports_and_scores(settings: TrainSettings, tmp_path: Path) -> None:
    """Twice the side of the search's, with anomalies of all sorts: the bundle proves itself, and scores."""
    head = replace(settings.head, sees="image", anomalies="mixture")
    run = train(open_source(TINY_DATA), tmp_path / "run", replace(settings, head=head), Silent())
    side = settings.preprocess.size
    assert run.networks().head.input_shape[1:3] == (side, side) == (2 * settings.search_size,) * 2
    options = ExportOptions("int8", engine="none")
    bundle = read_bundle(export_run(run, options, tmp_path / "b.sranogan", Silent()).path)
    detector = open_detector(bundle)
    scores = [detector.score_x(x).score for x in run.held_out_normals().x[:4]]
    assert np.isfinite(scores).all()
