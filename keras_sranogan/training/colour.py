"""Whether to train in colour: as asked for, as a run that goes on was begun, or as the normals are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_sranogan.data.item import DataSource
from keras_sranogan.run import Run
from keras_sranogan.run_record import SETTINGS
from keras_sranogan.settings import check_choice
from sranogan_edge.errors import ImageError
from sranogan_edge.image.colour import is_colourful

__all__ = ["colour_of_normals", "takes_colour"]

LOOKED_AT = 48  # normals, from all along


def takes_colour(asked: str, source: DataSource, resumed: Path | None) -> tuple[bool, str]:
    """Return whether the head sees colours, and why in words, where nobody asked for it.

    Args:
        asked: ``on``, ``off``, or ``auto``.
        source: whose normals are looked at for ``auto``.
        resumed: folder of a run to go on with: it stays as it was begun.

    Raises:
        SettingsError: ``asked`` is something else.
    """
    check_choice("--colour", asked, ("auto", "on", "off"))
    if asked != "auto":
        return asked == "on", ""
    if resumed and (resumed / SETTINGS).exists():
        return Run(resumed).settings.preprocess.colour, ""
    return colour_of_normals(source)


def colour_of_normals(source: DataSource) -> tuple[bool, str]:
    """Return whether half of the train split's normals or more are in colour, and that in words.

    Images that cannot be read say nothing; where none can, there is no colour.
    """
    normals = [item for item in source.items("train") if item.is_normal]
    chosen = np.linspace(0, len(normals) - 1, min(len(normals), LOOKED_AT)).astype(int)
    found = []
    for number in chosen.tolist():
        try:
            found.append(is_colourful(source.frame(normals[number])))
        except ImageError:
            continue
    if not found:
        return False, ""
    coloured = sum(found)
    seen = f"{coloured} of {len(found)} normals looked at are in colour"
    if 2 * coloured >= len(found):
        return True, f"{seen}: the head sees colours (--colour off: brightness alone)"
    cure = " (--colour on: colours, too)" if coloured else ""
    return False, f"{seen}: trained on brightness alone{cure}"
