"""Settings files as a test writes them: read, or refused with what was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.settings.read import read_settings
from sranogan_edge.settings.tree import Settings

SMALL = 'bundle = "b.sranogan"\n[[feeds]]\nuri = "watch:in"\n'
CAMERA = SMALL + '[[feeds]]\nuri = "camera:0"\n'


def read(folder: Path, text: str, **environ: str) -> Settings:
    """Read ``text`` as a settings file, with nothing but ``environ`` in the environment."""
    (folder / "s.toml").write_text(text)
    return read_settings(folder / "s.toml", environ)


def refusals(folder: Path, text: str, **environ: str) -> list[str]:
    """Give the lines of the error that ``text`` is refused with."""
    with pytest.raises(SettingsError) as refused:
        read(folder, text, **environ)
    return str(refused.value).splitlines()
