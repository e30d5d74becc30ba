"""Names of files and folders that are never looked at: hidden, of the system, or not complete."""

from __future__ import annotations

from sranogan_edge.image.image_list import Reason

__all__ = ["by_name"]

_UNFINISHED = (".crdownload", ".filepart", ".part", ".partial", ".swp", ".tmp")  # to be renamed when complete
_SYSTEM = frozenset(
    {  # of Windows, macOS, Synology, QNAP, Linux; in lower case
        *(
            "thumbs.db",
            "thumbs.db:encryptable",
            "ehthumbs.db",
            "ehthumbs_vista.db",
            "desktop.ini",
            "$recycle.bin",
            "system volume information",
            "recycler",
        ),
        *("__macosx", "icon\r", "network trash folder", "temporary items"),
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@recycle", "@recently-snapshot"),
        *("lost+found",),
    }
)


def by_name(name: str) -> Reason | None:
    """Why a file or folder of this name is never looked at; None where it may be."""
    lower = name.lower()
    if name.startswith("."):
        return Reason.HIDDEN
    if lower in _SYSTEM:
        return Reason.SYSTEM
    if name.startswith("~") or lower.endswith(_UNFINISHED):
        return Reason.UNFINISHED
    return None
