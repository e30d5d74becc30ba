"""Secrets: from a file that the settings name or from the environment, never from the settings themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sranogan_edge.errors import SettingsError
from sranogan_edge.text import decode_text

__all__ = ["others_can_read", "read_secret"]


MAX_BYTES = 64 * 1024


def read_secret(file: Path | None, variable: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the first line of ``file``, or where none is named, the variable; empty where it is not set.

    A line break at its end is no part of it, nor is a byte-order mark at the file's begin.

    Raises:
        SettingsError: the file cannot be read, is empty, or not in UTF-8.
    """
    if file is None:
        return (os.environ if environ is None else environ).get(variable, "").rstrip("\r\n")
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES)
    except OSError as error:
        raise SettingsError(
            f"{file}: the secret cannot be read ({error.strerror or error}). Let it hold one line of "
            "text, and let this user read it."
        ) from error
    secret = decode_text(data, file).partition("\n")[0].strip()
    if not secret:
        raise SettingsError(f"{file}: the secret's first line is empty. Write the secret into it.")
    return secret


def others_can_read(file: Path) -> bool:
    """Whether any user of this machine may read ``file``."""
    return bool(file.stat().st_mode & 0o004)
