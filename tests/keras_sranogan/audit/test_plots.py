"""The pictures open, are wide enough to read, and leave out what there is nothing to show of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from keras_sranogan.audit.audit import AuditOptions, audit_scorers
from keras_sranogan.progress import Silent


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((True, False), {"audit_controls.png", "audit_examples.png", "audit_calibration.png"}),
        ((True,), {"audit_examples.png", "audit_calibration.png"}),
        ((False,), {"audit_examples.png"}),
    ],
)
def test_pictures_are_images_of_some_size(
    drawn: Callable[..., Any], reads: Callable[..., Any], kinds: tuple[bool, ...], names: set[str]
) -> None:
    """Three pictures for two classes; without abnormals no AUROC, without normals no calibration."""
    source = drawn(each=12, kinds=kinds)
    made = audit_scorers({"m": reads("content", source)}, source, AuditOptions(), Silent()).draw()
    assert set(made) == names
    for name, png in made.items():
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None, name
        assert picture.shape[1] > 500, name
