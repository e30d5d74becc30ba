"""AE titles, the names by which DICOM programs know each other."""

from __future__ import annotations

from sranogan_edge.errors import SettingsError

_AE_TITLE_CHARACTERS = 16  # PS3.5, 6.2


def check_ae_title(title: str) -> None:
    """Raise SettingsError where ``title`` cannot be an AE title (PS3.5, 6.2)."""
    if not title.strip() or len(title) > _AE_TITLE_CHARACTERS or not title.isascii() or "\\" in title:
        raise SettingsError(
            f"dicom: an AE title has 1 to 16 ASCII characters, not all blank, no backslash. "
            f"Received: {title!r}."
        )
