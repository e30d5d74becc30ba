"""How long work will take: what is planned, at the pace of what is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from keras_sranogan.settings import TrainSettings

TRUST_S = 20.0  # of finished work, until which the pace that was expected counts as much as the measured one
OWN_PACE_SHARE = 0.15  # of a task, from where on its own pace tells more than what was expected of it

# Seconds on 2 cores (Intel Xeon with AMX, bfloat16), at 128 px and the batches of the preset "standard".
READ_S, SEARCH_STEP_S, RECONSTRUCT_S = 0.03, 0.0025, 0.01
STEP_S = {"gan": 0.3, "encoder": 0.13, "corrector": 0.3, "refiner": 0.035, "srgan": 0.14, "head": 0.2}
SMALL_HEAD = 0.65  # of those, where the head sees the image as small as the search has it


class Forecast:
    """The time left of several tasks, those planned with the seconds that they are expected to take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._planned: dict[str, float] = {}
        self._begun: set[str] = set()
        self._expected_s = self._spent_s = 0.0  # of planned tasks that have ended
        self._task, self._since, self._share, self._first_share = "", clock(), 0.0, 0.0
        self._started: float | None = None

    def plan(self, expected_s: Mapping[str, float]) -> None:
        """Add tasks, in their order, to those planned; one that is planned already stays as it is."""
        for task, seconds in expected_s.items():
            self._planned.setdefault(task, seconds)

    def begin(self, task: str, share: float = 0.0) -> None:
        """``task`` begins with ``share`` (0 to 1) of it done; the one before has ended."""
        self._end()
        if self._started is None:
            self._started = self._clock()
        self._task, self._since, self._share, self._first_share = task, self._clock(), share, share
        self._begun.add(task)

    def advance(self, share: float) -> None:
        """``share`` of the present task is done."""
        self._share = share

    def left_s(self) -> float | None:
        """Seconds left of all that is planned; None where nothing is."""
        if not self._planned:
            return None
        later_s = sum(seconds for task, seconds in self._planned.items() if task not in self._begun)
        return self._task_left_s(self._pace()) + self._pace(under_way=True) * later_s

    def share(self) -> float:
        """Return the share of all that is planned that is done, 0 to 1, by the time that it takes."""
        left_s = self.left_s()
        if left_s is None or self._started is None:
            return 0.0
        spent_s = self._clock() - self._started
        return spent_s / (spent_s + left_s) if spent_s + left_s > 0 else 1.0

    def _pace(self, *, under_way: bool = False) -> float:
        """How much longer than expected planned work takes; with the present task where it tells enough."""
        spent_s, expected_s, done = self._spent_s, self._expected_s, self._share - self._first_share
        if under_way and done >= OWN_PACE_SHARE and self._task in self._planned:
            spent_s += self._clock() - self._since
            expected_s += done * self._planned[self._task]
        return (spent_s + TRUST_S) / (expected_s + TRUST_S)

    def _task_left_s(self, pace: float) -> float:
        done, elapsed_s = self._share - self._first_share, self._clock() - self._since
        if done >= OWN_PACE_SHARE:
            return elapsed_s / done * (1.0 - self._share)
        expected_s = pace * self._planned.get(self._task, 0.0) * (1.0 - self._first_share)
        return max(expected_s - elapsed_s, 0.0)

    def _end(self) -> None:
        expected_s = self._planned.get(self._task)
        if expected_s is not None:
            self._expected_s += expected_s * (1.0 - self._first_share)
            self._spent_s += self._clock() - self._since


def training_forecast(settings: TrainSettings, normals: int) -> dict[str, float]:
    """Return the seconds that each task of a training on ``normals`` images takes, where it was measured."""
    area = (settings.preprocess.size / 128) ** 2
    held_out = settings.calibration_share * normals
    fit, copies = normals - held_out, settings.detector.jitter_copies
    whole = settings.head.sees == "image"
    search_s = SEARCH_STEP_S * area * (settings.search.steps + 1)
    stages = {
        "gan": (settings.anogan.steps, settings.anogan.batch / 32),
        "encoder": (settings.anogan.encoder_steps, settings.anogan.batch / 32),
        "corrector": (settings.corrector.steps, settings.corrector.batch / 16),
        "refiner": (settings.refiner.steps, settings.refiner.batch / 32),
        "srgan": (settings.srgan.steps, settings.srgan.batch / 8),
        "head": (settings.head.steps, settings.head.pairs / 32 * (1 if whole else SMALL_HEAD)),
    }
    trained = {name: STEP_S[name] * area * steps * batch for name, (steps, batch) in stages.items()}
    jittered = {f"jittered copies {copy + 1}": READ_S * held_out for copy in range(copies)}
    return {
        "reading normals": READ_S * normals,
        **{name: trained[name] for name in ("gan", "encoder", "corrector") if trained[name]},
        "searching normals": search_s * fit,
        **{name: trained[name] for name in ("refiner", "srgan", "head")},
        **{f"reading {name}": seconds for name, seconds in jittered.items()},
        f"reading jittered copies {copies + 1}": READ_S * fit,
        "reconstructing held-out normals": (search_s + RECONSTRUCT_S * area) * held_out * (copies + 1),
    }


def piece_of(task: str) -> str:
    """Return the piece of a run that a task of :func:`training_forecast` belongs to."""
    if task.startswith(("reading jittered", "reconstructing")):
        return "detector"
    return "refiner" if task == "searching normals" else task
