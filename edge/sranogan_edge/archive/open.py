"""From what an archive is called on a command line to what lists and opens its images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sranogan_edge.archive.folder import FolderSource
from sranogan_edge.archive.item import Source
from sranogan_edge.archive.objects import ObjectSource
from sranogan_edge.archive.parquet import ParquetSource
from sranogan_edge.archive.tars import TarSource
from sranogan_edge.errors import FeedError
from sranogan_edge.extras import needs_extra

__all__ = ["open_source"]

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")


def open_source(uri: str, *, named: str = "", without: Sequence[Path] = ()) -> Source:
    """Open an archive.

    Args:
        uri: a folder here or at s3://, gs://, az://; FILE.parquet or parquet:FOLDER; FILE.tar or tar:FOLDER;
            dicomweb:URL.
        named: how the names of a folder's images begin, where that is not as ``uri`` does.
        without: folders that are passed over.

    Raises:
        FeedError: it is not there, or cannot be looked into.
        SettingsError: there is no such kind.
    """
    kind, _, place = uri.partition(":")
    if kind == "dicomweb":
        with needs_extra("dicomweb", uri):
            from sranogan_edge.archive.dicomweb import DicomWebSource
        return DicomWebSource(place)
    name = uri.partition("?")[0].lower().rstrip("/")
    if name.endswith(_COMPRESSED):
        raise FeedError(
            f"{uri}: no image in it can be reached without reading all before it. Unpack it first."
        )
    if kind == "parquet" or name.endswith(".parquet"):
        return ParquetSource(place if kind == "parquet" else uri)
    if kind == "tar" or name.endswith(".tar"):
        return TarSource(place if kind == "tar" else uri)
    return ObjectSource(uri) if "://" in uri else FolderSource(Path(uri), without, named)
