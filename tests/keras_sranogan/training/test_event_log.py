"""The log that TensorBoard reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_sranogan.training.event_log import EventLog, read_curves


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    """Figures, steps and order are those that were given; a training that goes on adds a file."""
    log = EventLog(tmp_path / "gan")
    log.write(25, {"l1": 0.5, "fool": 0.7})
    log.write(50, {"l1": 0.25, "fool": 0.6})
    EventLog(tmp_path / "gan").write(75, {"l1": 0.125})
    assert len(list((tmp_path / "gan").iterdir())) == 2
    read = EventAccumulator(str(tmp_path / "gan")).Reload()
    found = [(one.step, float(make_ndarray(one.tensor_proto))) for one in read.Tensors("l1")]
    assert found == [(25, 0.5), (50, 0.25), (75, 0.125)]
    assert [one.step for one in read.Tensors("fool")] == [25, 50]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where a file lies, no log can be: an OSError, for who writes the run folder to tell."""
    (tmp_path / "logs").write_text("")
    with pytest.raises(OSError, match="logs"):
        EventLog(tmp_path / "logs" / "gan")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Curves by metric; a step that was taken twice counts once, and a record that was cut off not at all."""
    log = EventLog(tmp_path / "gan")
    log.write(25, {"l1": 0.5, "fool": 0.75})
    log.write(50, {"l1": 0.25})
    again = EventLog(tmp_path / "gan")
    again.write(50, {"l1": 0.125})
    again.write(75, {"l1": 0.0625})
    last = sorted((tmp_path / "gan").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-9])
    assert read_curves(tmp_path / "gan") == {"l1": [(25, 0.5), (50, 0.125)], "fool": [(25, 0.75)]}


def test_no_log_is_no_curve(tmp_path: Path) -> None:
    """A folder that is not there has none."""
    assert read_curves(tmp_path / "none") == {}
