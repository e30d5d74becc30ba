"""A runner's folder in which bundles and calibrations are replaced."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sranogan_edge.alarms import Alarms
from sranogan_edge.bundle.bundle import Bundle, write_bundle
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import CalibrationSettings, Loader, ScoringSettings
from sranogan_edge.service.bundles import KeptBundles
from sranogan_edge.service.swap import Swap
from sranogan_edge.site.calibrate import fit, write_calibration
from tests.support.service_bench import wait_for

XNNPACK = ScoringSettings(backend="xnnpack")


def film(path: Path, number: int) -> Path:
    """A picture with something in it, different from number to number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    Image.fromarray(rng.integers(20, 230, (48, 48), dtype=np.uint8)).save(path)
    return path


def other_bundles(bundle: Bundle, folder: Path) -> Path:
    """Write a second good bundle, one that scores otherwise than it states, and garbage; give the folder."""
    write_bundle(replace(bundle, model_card="the second"), folder / "second")
    steps = bundle.steps
    budget = replace(bundle.budgets[steps], golden_scores=bundle.budgets[steps].golden_scores + 9)
    write_bundle(replace(bundle, budgets={**bundle.budgets, steps: budget}), folder / "wrong")
    (folder / "garbage").write_bytes(b"no bundle at all")
    return folder


def calibration_of(bundle: Path, folder: Path) -> Path:
    """Write a calibration of the bundle at this path; give its file."""
    files = [film(folder / "normals" / f"{number}.png", number) for number in range(20)]
    site = fit(Loader(XNNPACK).detector(bundle), files, false_alarm_rate=0.05, source="normals")
    write_calibration(site, folder / "site.json")
    return folder / "site.json"


class Place:
    """A runner's folder: the bundle's file, the calibration's, and a spool."""

    def __init__(self, root: Path, bundle: Path) -> None:
        self.root, self.file, self.site = root, root / "chest.sranogan", root / "site.json"
        self.alarms = Alarms()
        self.scoring = XNNPACK
        shutil.copy(bundle, self.file)

    def swap(self, *, every_s: float | None = 0.02) -> Swap:
        """Watch the file, more often than the runner does."""
        site = CalibrationSettings(self.site) if self.site.exists() else CalibrationSettings()
        self.kept = KeptBundles(self.root / "spool", self.file)
        self.loader = Loader(self.scoring, site)
        return Swap(self.file, self.loader, self.kept, self.alarms, every_s=every_s, settle_s=0.05)

    def put(self, bundle: Path) -> None:
        """Replace the file as people should: under another name first."""
        shutil.copy(bundle, self.root / "new")
        (self.root / "new").replace(self.file)


def successor(swap: Swap) -> Judge:
    """Wait for the one that takes over."""
    found: list[Judge] = []

    def came() -> bool:
        judge = swap.successor()
        found.extend([judge] if judge else [])
        return len(found) > 0

    wait_for(came)
    return found[0]
