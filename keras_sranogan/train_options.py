"""From the options of ``sranogan-train``, above a file's settings, to the settings of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import typer

from keras_sranogan.fit_options import preprocess_of
from keras_sranogan.settings import Anomalies, Precision, TrainSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.density import HIGHEST_IN_TILES, TILE_PARTS
from sranogan_edge.text import meant

__all__ = ["on_the_line", "suited_to_tiles", "train_settings"]

PRECISIONS = ("auto", *get_args(Precision))


def on_the_line(context: typer.Context) -> dict[str, Any]:
    """The options that were named, not those left at what they usually are."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, one in sources.items() if one and one.name == "COMMANDLINE"}


def train_settings(
    said: dict[str, Any], in_file: dict[str, Any], usual_anomalies: Any
) -> tuple[TrainSettings, str]:
    """The settings of a preset, changed by a file's, changed by the options that were ``said``.

    The precision, which the second value names, may be auto: the backend tells what that is.
    """
    from keras_sranogan.presets import preset
    from keras_sranogan.settings_file import changed_by, merged

    line: dict[str, Any] = {name: said[name] for name in ("preset", "seed", "precision") if name in said}
    if of_images := preprocess_of(said):
        line["preprocess"] = of_images
    if "anomalies" in said:
        line["head"] = {"anomalies": usual_anomalies if said["anomalies"] == "auto" else said["anomalies"]}
    if "contamination" in said:
        line["detector"] = {"contamination": said["contamination"]}
    values = merged(in_file, line)
    usual = preset(values.pop("preset", TrainSettings.preset), anomalies=usual_anomalies)
    precision = values.pop("precision", "auto")
    if precision not in PRECISIONS:
        near = meant(str(precision), PRECISIONS)
        raise SettingsError(
            f"--precision must be auto, {' or '.join(PRECISIONS[1:])}; received {precision!r}{near}"
        )
    return changed_by(usual, values), precision


def suited_to_tiles(
    chosen: TrainSettings, said: dict[str, Any], in_file: dict[str, Any], begun: TrainSettings | None = None
) -> TrainSettings:
    """Return ``chosen`` with what finds small faults in tiles, where neither options nor a file name it.

    A run that was ``begun`` so has what it was begun with.
    """
    if not chosen.preprocess.tiled:
        return chosen
    usual: dict[str, Any] = {"parts": TILE_PARTS, "with_image": True, "highest": HIGHEST_IN_TILES}
    anomalies: Anomalies = "flaws"
    if begun is not None:
        usual = {name: getattr(begun.detector, name) for name in usual}
        anomalies = begun.head.anomalies
    head, detector = in_file.get("head", {}), in_file.get("detector", {})
    if said.get("anomalies", "auto") == "auto" and ("anomalies" in said or "anomalies" not in head):
        chosen = replace(chosen, head=replace(chosen.head, anomalies=anomalies))
    if "parts" in detector:  # of others, how many are to speak is not known
        usual.pop("highest")
    unnamed = {name: value for name, value in usual.items() if name not in detector}
    return replace(chosen, detector=replace(chosen.detector, **unnamed))
