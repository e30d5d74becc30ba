"""The designs that are compared, by name; what lost stays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from keras_sranogan.presets import preset
from keras_sranogan.settings import HeadSettings, TrainSettings, check_choice

# Of the fast lane: a quarter of the images that a whole run sees.
SHORT = HeadSettings(steps=700, pairs=16, start="random")


@dataclass(frozen=True)
class Design:
    """A head, briefly trained, in the fast lane.

    Attributes:
        says: what it is, in a table's words.
        changes: to the settings of the short head.
        colour: whether it sees colours.
        tile_px: the side of the tiles that images are covered with; 0 for whole images.
    """

    says: str
    changes: dict[str, Any] = field(default_factory=dict)
    colour: bool = False
    tile_px: int = 0

    def settings(self, seed: int) -> TrainSettings:
        """Return those of a run of this design."""
        chosen = preset("standard", seed=seed)
        spec = replace(chosen.preprocess, colour=self.colour)
        if self.tile_px:
            spec = replace(spec, fit="tile", tile_px=self.tile_px)
        return replace(chosen, preprocess=spec, head=replace(SHORT, **self.changes))


DESIGNS = {
    "opacities-64": Design("opacities, 64 px", {"anomalies": "opacities", "sees": "search"}),
    "defects-64": Design("defects, 64 px", {"anomalies": "defects", "sees": "search"}),
    "defects-128": Design("defects, 128 px", {"anomalies": "defects", "sees": "image"}),
    "spots-128": Design("bright and dark spots, 128 px", {"anomalies": "spots", "sees": "image"}),
    "mixture-128": Design("mixture, 128 px", {"anomalies": "mixture", "sees": "image"}),
    "spots-drawn": Design(
        "spots, 128 px, from drawn images", {"anomalies": "spots", "sees": "image", "start": "drawn"}
    ),
    "mixture-drawn": Design(
        "mixture, 128 px, from drawn images", {"anomalies": "mixture", "sees": "image", "start": "drawn"}
    ),
    "flaws-drawn": Design(
        "flaws, 128 px, from drawn images", {"anomalies": "flaws", "sees": "image", "start": "drawn"}
    ),
    "spots-drawn-colour": Design(
        "the same, in colour", {"anomalies": "spots", "sees": "image", "start": "drawn"}, colour=True
    ),
    "spots-drawn-tiles": Design(
        "spots, in tiles of 128 px, from drawn images",
        {"anomalies": "spots", "sees": "image", "start": "drawn"},
        tile_px=128,
    ),
    "flaws-drawn-tiles": Design(
        "flaws, in tiles of 128 px, from drawn images",
        {"anomalies": "flaws", "sees": "image", "start": "drawn"},
        tile_px=128,
    ),
    "spots-drawn-tiles-64": Design(
        "spots, in tiles of 64 px, from drawn images",
        {"anomalies": "spots", "sees": "image", "start": "drawn"},
        tile_px=64,
    ),
}


PRODUCT = "spots-drawn"  # what the presets train


def design(name: str) -> Design:
    """Return a design; raises SettingsError where there is none of that name."""
    check_choice("--design", name, tuple(DESIGNS))
    return DESIGNS[name]
