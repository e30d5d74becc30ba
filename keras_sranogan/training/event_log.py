"""Figures of a training for TensorBoard, written and read without TensorFlow."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter

__all__ = ["Curves", "EventLog", "read_curves"]

Curves = dict[str, list[tuple[int, float]]]
_HEAD, _FOOT = struct.Struct("<QI"), struct.Struct("<I")  # of a record: its length, checksums


class EventLog:
    """An event file of its own in a folder; both are made. What cannot be written is an OSError."""

    def __init__(self, folder: Path) -> None:
        """Begin the file."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time_ns():019d}"
        self._append(Event(file_version="brain.Event:2"))

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Note the figures after ``step`` steps."""
        self._append(*(Event(step=step, summary=scalar_pb(name, value)) for name, value in figures.items()))

    def _append(self, *events: Event) -> None:
        with self._path.open("ab") as file:
            for event in events:
                event.wall_time = time.time()
                RecordWriter(file).write(event.SerializeToString())


def read_curves(folder: Path) -> Curves:
    """Return ``(step, value)`` by metric, in the order of steps, of what an :class:`EventLog` wrote there.

    Of a step that was taken again after a kill the later value stands. What is cut off is left out.
    """
    values: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in _events(path.read_bytes()):
            for one in event.summary.value:
                if one.tensor.float_val:
                    values.setdefault(one.tag, {})[event.step] = one.tensor.float_val[0]
    return {name: sorted(found.items()) for name, found in values.items()}


def _events(data: bytes) -> Iterator[Event]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, _ = _HEAD.unpack_from(data, at)
        begin, end = at + _HEAD.size, at + _HEAD.size + length
        if end + _FOOT.size > len(data) or masked_crc32c(data[begin:end]) != _FOOT.unpack_from(data, end)[0]:
            return
        yield Event.FromString(data[begin:end])
        at = end + _FOOT.size
