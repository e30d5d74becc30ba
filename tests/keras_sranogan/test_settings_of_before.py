"""A run that was begun when the defaults were others: what is said, and that the cure is one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from keras_sranogan.presets import preset
from keras_sranogan.run import Run
from keras_sranogan.settings_file import changed_by, read_settings_file
from sranogan_edge.errors import RunError


def test_a_run_goes_on_with_the_settings_that_it_saved(tmp_path: Path) -> None:
    """The same options are others by now; the refusal names the file that has those of then."""
    now = preset("standard", seed=3)
    then = replace(now, anogan=replace(now.anogan, latent_dim=128, restores=False))
    Run.create(tmp_path, then, resume=False).begin(then, {"data": "x"})
    with pytest.raises(RunError, match=r"latent_dim: 128 then, 64 now") as refused:
        Run.create(tmp_path, now, resume=True)
    named = re.search(r"--settings (\S+) has them all", str(refused.value))
    assert named is not None
    said = changed_by(now, read_settings_file(Path(named[1])))
    assert Run.create(tmp_path, said, resume=True).settings == then
