"""Secrets: from a file that the settings name or from the environment, never from the settings themselves."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from sranogan_edge.errors import SettingsError
from sranogan_edge.settings.text import decode_text

__all__ = ["holds_password", "others_can_read", "read_secret", "without_password"]

MAX_BYTES = 64 * 1024
_PASSWORD = re.compile(
    r"(?P<user>//[^/\s@:]*:)[^/\s@]+(?=@)|(?P<name>\b(?:user-pw|password|proxy-pw)=)\S+", re.IGNORECASE
)
_QUERY = re.compile(r"(://[^\s?'\"]*\?)[^\s'\"]+")


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


def holds_password(uri: str) -> bool:
    """Whether a password stands in ``uri`` (``//USER:PASSWORD@``, or GStreamer's ``user-pw=``)."""
    return bool(_PASSWORD.search(uri))


def without_password(text: str) -> str:
    """Return ``text`` with dots where a URI has its password, and its query, which often holds one."""
    text = _PASSWORD.sub(lambda found: f"{found['user'] or found['name']}...", text)
    return _QUERY.sub(r"\1...", text)
