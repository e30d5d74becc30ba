"""How many damaged inputs a test tries: its own number, or more where ``make fuzz`` asks for more."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

__all__ = ["DATABASE", "FUZZING", "examples", "keep_what_fails"]

ASKED = "SRANOGAN_FUZZ_EXAMPLES"
FUZZING = bool(os.environ.get(ASKED))
DATABASE = DirectoryBasedExampleDatabase(Path("build") / "fuzz") if FUZZING else None  # of what fails


def examples(number: int) -> int:
    """Return ``number``, or what was asked for where that is more."""
    return max(number, int(os.environ.get(ASKED) or 0))


def keep_what_fails() -> None:
    """Have Hypothesis try so many examples, keep those that fail in ``build/fuzz``, and begin with them."""
    settings.register_profile("fuzz", max_examples=examples(0), deadline=None, database=DATABASE)
    settings.load_profile("fuzz")
