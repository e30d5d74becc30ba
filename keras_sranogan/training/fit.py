"""How images come to the square that is judged: as asked for, as a run was begun, or as the normals are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_sranogan.data.choose_fit import chosen_fit, usual_fit
from keras_sranogan.data.choose_whole import whole_tells
from keras_sranogan.data.item import DataSource
from keras_sranogan.fit_options import AUTO
from keras_sranogan.run_record import SETTINGS, RunRecord
from keras_sranogan.settings import TrainSettings
from keras_sranogan.train_options import suited_to_tiles

__all__ = ["fit_to"]

OF_A_FIT = ("fit", "tile_px", "tile_overlap", "tile_whole", "region")  # settings that go together


def fit_to(
    source: DataSource,
    chosen: TrainSettings,
    said: dict[str, Any],
    in_file: dict[str, Any],
    resumed: Path | None,
) -> tuple[TrainSettings, list[str]]:
    """Return ``chosen`` with the fit, the anomalies and the parts that suit the images, and why, in lines.

    Args:
        source: whose normals are looked at, where they decide.
        chosen: what options and file say.
        said: the options that were named.
        in_file: the settings file.
        resumed: folder of a run to go on with: where nothing is said it stays as it was begun.

    Raises:
        DataError: the images are to decide, and none can be read.
        SettingsError: a value that cannot work.
    """
    lines: list[str] = []
    spec, named = chosen.preprocess, in_file.get("preprocess", {})
    begun = RunRecord(resumed).settings if resumed and (resumed / SETTINGS).exists() else None
    if said.get("fit") == AUTO:
        spec, why = chosen_fit(source, spec)
        lines.append(why)
    elif "fit" not in said and "fit" not in named:
        if begun:
            as_begun = {name: getattr(begun.preprocess, name) for name in OF_A_FIT if name not in named}
            spec = replace(spec, **as_begun)
        elif chosen.preset != "paper":
            spec, why = usual_fit(source, spec)
            lines += filter(None, [why])
    chosen = suited_to_tiles(replace(chosen, preprocess=spec), said, in_file, begun)
    if said.get("tile_whole") == AUTO:
        takes, why = whole_tells(source, chosen.preprocess)
        lines.append(why)
        chosen = replace(chosen, preprocess=replace(chosen.preprocess, tile_whole=takes))
    return chosen, lines
