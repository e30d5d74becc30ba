"""Files on this machine or in an object store (s3://, gs://, az://), by PyArrow's own file systems."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import pyarrow.fs as pafs

from sranogan_edge.archive.item import Content, file_of
from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import FeedError, OversizedImageError, SettingsError
from sranogan_edge.image.decode import cannot_be_read

__all__ = ["SCHEMES", "Store"]

SCHEMES = ("s3", "gs", "az")
MOST_BYTES = 512 * 2**20  # of one object, which is read whole
ATTEMPTS = 4
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_FINAL = re.compile(r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|FORBIDDEN|PERMISSION|UNAUTH|\b40[13]\b", re.I)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Store:
    """A place in a file system.

    Attributes:
        files: the file system.
        top: the place, as it calls it.
        prefix: what stands before names that it gives, to make them what a user calls them.
        where: the place as a user calls it, without what is only for opening it.
    """

    files: Any
    top: str
    prefix: str
    where: str

    @classmethod
    def of(cls, uri: str) -> Store:
        """Open a path or a URI.

        Raises:
            SettingsError: it holds a password, or is of no kind that is known.
            FeedError: nothing is there, or it is out of reach.
        """
        scheme = uri.partition("://")[0] if "://" in uri else ""
        if not scheme:
            path = os.path.realpath(uri)
            return cls(pafs.LocalFileSystem(), path, "", path)
        if scheme not in SCHEMES:
            raise SettingsError(
                f"{uri}: archives are in a folder or at {', '.join(SCHEMES)}://; not {scheme}://"
            )
        split = urlsplit(uri)
        if "@" in split.netloc:
            raise SettingsError(
                f"{scheme}://...: a key in the address would stand in results. Put it where the tools of "
                "that store find it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or their like."
            )
        where = f"{scheme}://{split.netloc}{split.path}".rstrip("/")
        try:
            files, top = _azure(split) if scheme == "az" else pafs.FileSystem.from_uri(uri)
        except (OSError, ValueError) as error:
            raise FeedError(f"{where}: cannot be opened ({error}). Check the address.") from error
        return cls(files, top.rstrip("/"), f"{scheme}://", where)

    def name(self, path: str) -> str:
        """What a user calls a file of it."""
        return self.prefix + path

    def listed(self, folder: str) -> list[tuple[str, bool]]:
        """Return the paths in a folder, each with whether it is a folder, sorted by the bytes of their names.

        Raises:
            FeedError: it is not there, or out of reach.
        """
        selector = pafs.FileSelector(folder, recursive=False)
        found = self._tried(lambda: self.files.get_file_info(selector), folder)
        entries = [(one.path.rstrip("/"), one.type == pafs.FileType.Directory) for one in found]
        return sorted(set(entries), key=lambda one: os.fsencode(one[0].rpartition("/")[2]))

    def is_file(self, path: str) -> bool:
        """Whether a file is there; raises FeedError where nothing is."""
        kind = self._tried(lambda: self.files.get_file_info(path), path).type
        if kind == pafs.FileType.NotFound:
            raise FeedError(f"{self.name(path)}: nothing is there. Check the name.")
        return bool(kind == pafs.FileType.File)

    def files_below(self, suffix: str) -> list[str]:
        """The place itself where it is a file, else all files below it with this suffix, sorted."""
        if self.is_file(self.top):
            return [self.top]
        return list(self._below(self.top, suffix))

    def reading(self, path: str) -> Any:
        """Return an open file for reading at places; raises FileNotFoundError, or FeedError."""
        return self._tried(lambda: self.files.open_input_file(path), path)

    def head(self, path: str, size: int) -> bytes:
        """Return how a file begins; nothing where it went meanwhile. Raises FeedError."""
        try:
            with self.reading(path) as file:
                return bytes(self._tried(lambda: file.read(size), path))
        except _GONE:
            return b""

    def content(self, path: str, name: str) -> Content:
        """Read an object whole, or say why it is no image that can be had; raises FeedError."""
        try:
            with self.reading(path) as file:
                size = file.size()
                if size > MOST_BYTES:
                    return OversizedImageError(
                        f"{name}: {size:,} bytes are more than the {MOST_BYTES:,} that are read of one. "
                        "Export it smaller, or its frames apart."
                    )
                return file_of(self._tried(file.read, path))
        except _GONE as error:
            return cannot_be_read(name, FileNotFoundError(str(error)))

    def _below(self, folder: str, suffix: str) -> Iterator[str]:
        for path, is_folder in self.listed(folder):
            if is_folder:
                yield from self._below(path, suffix)
            elif path.lower().endswith(suffix):
                yield path

    def _tried(self, call: Callable[[], _T], path: str) -> _T:
        """Call, again after a while where the store fails; raises FeedError where it goes on to."""
        backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        while True:
            try:
                return call()
            except _GONE:
                raise
            except OSError as error:
                if backoff.failures == ATTEMPTS or _FINAL.search(str(error)) or not self.prefix:
                    raise self._out_of_reach(path, error) from error
                time.sleep(backoff.next_s())

    def _out_of_reach(self, path: str, error: OSError) -> FeedError:
        why = re.sub(r"\s+", " ", str(error))[:300]
        cure = "Check the credentials in the environment" if _FINAL.search(why) else "Is it reachable?"
        return FeedError(f"{self.name(path)}: cannot be read ({why}). {cure}; the same command goes on.")


def _azure(place: SplitResult) -> tuple[Any, str]:
    """Open ``az://CONTAINER/PREFIX`` of the account that the environment names, as Azure's own tools do."""
    account, key = (os.environ.get(f"AZURE_STORAGE_{name}") for name in ("ACCOUNT", "KEY"))
    if not account:
        raise SettingsError(
            f"az://{place.netloc}{place.path}: which account? Name it in AZURE_STORAGE_ACCOUNT, and its key, "
            "where no other rights are set up, in AZURE_STORAGE_KEY."
        )
    return pafs.AzureFileSystem(account, account_key=key), place.netloc + place.path
