"""An export without fine-tuning, and progress that remembers."""

from __future__ import annotations

from keras_sranogan.progress import Silent
from sranogan_export.recipe import ExportOptions


class Told(Silent):
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int, int]] = []

    def start(self, task: str, total: int, done: int = 0) -> None:
        self.tasks.append((task, total, done))

    def advance(self, done: int, note: str = "") -> None:
        task, total, _ = self.tasks[-1]
        self.tasks[-1] = (task, total, done)


PTQ = ExportOptions(engine="none")
