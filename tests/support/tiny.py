"""Data of the models that tests train."""

from __future__ import annotations

TINY_DATA = "phantom?train=60&val=12&test=12&size=96"
UNSEEN_DATA = "phantom?train=120&val=12&test=12&size=96"  # from its 61st training image on
