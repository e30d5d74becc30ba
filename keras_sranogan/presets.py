"""The presets: settings of a training run, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from keras_sranogan.settings import (
    AnoganSettings,
    Anomalies,
    CorrectorSettings,
    DetectorSettings,
    HeadSettings,
    PresetName,
    RefinerSettings,
    SearchSettings,
    SrganSettings,
    TrainSettings,
    check_choice,
)
from sranogan_edge.image.preprocess import PreprocessSpec

__all__ = ["preset"]


def preset(
    name: str,
    *,
    size: int | None = None,
    seed: int = 0,
    anomalies: Anomalies | None = None,
    contamination: float = 0.0,
) -> TrainSettings:
    """Return the settings called ``name``.

    - ``demo``: narrow and short, for 400 phantoms: about 4 minutes on 2 cores, without a learned search.
    - ``standard``: about 1,000 images at 128 px, at most 60 minutes on 2 cores.
    - ``paper``: as the abstract has it: no contrast normalisation, E only reconstructs, random start, 500
      search steps.

    ``anomalies`` are those that the head learns to find; ``contamination`` is the share of normals to leave
    out of the densities as suspect.

    Raises:
        SettingsError: no such preset, or a size that the networks cannot have.
    """
    check_choice("--preset", name, get_args(PresetName))
    if name == "demo":
        chosen = TrainSettings(
            preset="demo",
            checkpoint_every_steps=100,
            calibration_share=0.3,
            anogan=AnoganSettings(max_width=64, steps=120, batch=24, ema_decay=0.97, encoder_steps=80),
            search=SearchSettings(steps=2),
            refiner=RefinerSettings(filters=16, steps=100),
            srgan=SrganSettings(filters=16, blocks=2, discriminator_width=12, steps=120),
            head=HeadSettings(steps=150, pairs=16, learning_rate=1e-3),  # its start knows most already
            corrector=CorrectorSettings(steps=0),  # the learned search is not shown
            detector=DetectorSettings(jitter_copies=2),
        )
    elif name == "standard":
        chosen = TrainSettings(preset="standard")
    else:
        chosen = TrainSettings(
            preset="paper",
            preprocess=PreprocessSpec(contrast="none"),
            anogan=AnoganSettings(latent_dim=128, restores=False),
            search=SearchSettings(steps=500, start="random"),
        )
    spec = chosen.preprocess if size is None else replace(chosen.preprocess, size=size)
    head = chosen.head if anomalies is None else replace(chosen.head, anomalies=anomalies)
    detector = replace(chosen.detector, contamination=contamination)
    return replace(chosen, seed=seed, preprocess=spec, head=head, detector=detector)
