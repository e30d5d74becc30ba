"""Which files are images: what is taken below files and folders, and what is passed over, and why.

The one list for scoring, calibration, training and the watched folder. A file is an image by its suffix, or,
as scanners name theirs, by how it begins.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from sranogan_edge.errors import FeedError
from sranogan_edge.image.file_names import by_name
from sranogan_edge.image.formats import IMAGE_SUFFIXES
from sranogan_edge.image.image_list import ImageList, PassedOver, Reason
from sranogan_edge.image.own_outputs import OwnOutputs, is_default_out, is_own_folder, own_names
from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom

__all__ = [
    "begins_as_dicom",
    "check_place",
    "check_there",
    "entries_in",
    "holds_dicom",
    "list_images",
    "look_at_file",
    "unreadable_message",
]

_INDEX = "DICOMDIR"  # of a DICOM disc; begins as an image does and holds none


def check_there(path: Path) -> None:
    """Raise FeedError where nothing is at ``path``, or what may be waited for without an end (a pipe).

    A link that leads nowhere is something.
    """
    try:
        os.lstat(path)
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        if os.path.lexists(path):
            return
        raise FeedError(f"{path}: no such file or folder. Check the path.") from error
    except (NotADirectoryError, ValueError) as error:  # ValueError: a zero byte
        raise FeedError(f"{path}: no such file or folder. Check the path.") from error
    except OSError:  # it may be there, and is unreadable
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FeedError(
            f"{path}: a pipe, a socket or a device is no feed: reading it might wait for ever. Name a file "
            "or a folder; write to a file first what a program gives."
        )


def check_place(path: Path) -> None:
    """Raise FeedError where nothing is at ``path``, or what this user may not look at or into.

    A link that leads nowhere is no reason: it is listed as unreadable.
    """
    check_there(path)
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FeedError(unreadable_message(path, error)) from error
    if is_folder and not os.access(path, os.R_OK | os.X_OK):
        raise FeedError(f"{path}: user {os.geteuid()} may not look into this folder. Give it the right.")


def begins_as_dicom(path: Path) -> bool:
    """Whether ``path`` is a file that begins as DICOM files do; False where it cannot be read."""
    try:
        return path.is_file() and holds_dicom(path)
    except OSError:  # it went, or may not be read
        return False


def holds_dicom(path: Path) -> bool:
    """Whether the file at ``path`` begins as DICOM files do; raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return is_dicom(file.read(HEAD_BYTES))


def list_images(
    places: Sequence[Path],
    without: Sequence[Path] = (),
    *,
    holds_dicom: Callable[[Path], bool] = holds_dicom,
) -> ImageList:
    """List the images among ``places`` (files are taken as named), and in sub-folders of those at any depth.

    Passed over are hidden files and folders, those of the operating system, names of unfinished transfers,
    what is no image, and what this package wrote itself: heat maps beside their results, spools, run
    folders, and all below ``without``. Links are followed, after all that is reached without them; a folder
    (by device and inode) or a file that was reached before is passed over. No OSError ends the list: what
    cannot be looked at is passed over as unreadable.

    Args:
        places: files and folders.
        without: folders that are passed over wherever they are reached.
        holds_dicom: whether a regular file begins as DICOM files do; may raise OSError.
    """
    walk = _Walk(without, holds_dicom)
    for number, place in enumerate(places):
        walk.begin(number, place)
    walk.follow_links()
    return ImageList(
        tuple(path for _, path in sorted(walk.taken)),
        tuple(one for _, _, one in sorted(walk.passed, key=lambda found: found[:2])),
        walk.linked,
    )


def entries_in(folder: Path) -> list[Path]:
    """What in ``folder`` is not passed over for its name alone, sorted; raises OSError."""
    names = frozenset(os.listdir(folder))
    own = own_names(names)
    passed_over = (None, Reason.UNFINISHED)  # of a folder it is no reason
    return sorted(folder / name for name in names if name not in own and by_name(name) in passed_over)


class _Walk:
    """One listing; numbers are positions of the places, by which all that is found is sorted."""

    def __init__(self, without: Sequence[Path], holds_dicom: Callable[[Path], bool]) -> None:
        self.taken: list[tuple[int, Path]] = []
        self.passed: list[tuple[int, Path, PassedOver]] = []
        self._holds_dicom = holds_dicom
        self._own = OwnOutputs(without)
        self._folders: set[tuple[int, int]] = set()
        self._files: set[tuple[int, int, str]] = set()  # the folder of each taken file, and its name there
        self._links: list[tuple[int, Path]] = []
        self.linked: frozenset[Path] = frozenset()

    def begin(self, number: int, place: Path) -> None:
        """List what a person named: a folder, or a file whatever its name says."""
        try:
            is_folder = stat.S_ISDIR(os.stat(place).st_mode)
            own = self._own.holds(Path(os.path.realpath(place)))
            if own:
                self._pass_over(number, place, Reason.OWN)
            elif is_folder:
                self._folder(number, place)
            else:
                self._take_resolved(number, place)
        except OSError as error:
            self._unreadable(number, place, error)

    def follow_links(self) -> None:
        """List what is reached by links alone."""
        before = len(self.taken)
        while self._links:
            found, self._links = sorted(self._links), []
            for number, path in found:
                try:
                    self._follow(number, path)
                except OSError as error:
                    self._failed(number, path, error)
        self.linked = frozenset(path for _, path in self.taken[before:])

    def _follow(self, number: int, link: Path) -> None:
        found, real = os.stat(link), Path(os.path.realpath(link))
        if self._own.holds(real):
            self._pass_over(number, link, Reason.OWN)
        elif not stat.S_ISDIR(found.st_mode):
            if self._is_image(number, link, stat.S_ISREG(found.st_mode)):
                self._take_resolved(number, link)
        elif Path(os.path.realpath(link.parent)).is_relative_to(real):
            self._pass_over(number, link, Reason.AGAIN, "a link to a folder that it lies in")
        else:
            self._folder(number, link)

    def _folder(self, number: int, top: Path) -> None:
        waiting = [top]
        while waiting:
            here = waiting.pop()
            try:
                found = os.stat(here)
            except OSError as error:
                self._failed(number, here, error)
                continue
            identity = found.st_dev, found.st_ino
            if identity in self._folders:
                self._pass_over(number, here, Reason.AGAIN)
            elif identity in self._own.identities:
                self._pass_over(number, here, Reason.OWN)
            else:
                self._folders.add(identity)
                waiting += self._entries(number, here, identity, is_top=here == top)

    def _entries(self, number: int, here: Path, identity: tuple[int, int], *, is_top: bool) -> list[Path]:
        """Take the files in ``here``; returns the folders in it."""
        entries = self._read(number, here)
        names = {entry.name for entry in entries}
        if is_own_folder(names) or (not is_top and is_default_out(here.name, names)):
            self._pass_over(number, here, Reason.OWN)
            return []
        own, folders = own_names(names), []
        for entry in entries:
            path = here / entry.name
            reason = Reason.OWN if entry.name in own else by_name(entry.name)
            try:
                if reason and not (reason is Reason.UNFINISHED and entry.is_dir()):
                    self._pass_over(number, path, reason)
                elif entry.is_symlink():
                    self._links.append((number, path))
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif self._is_image(number, path, entry.is_file(follow_symlinks=False)):
                    self._take(number, path, (*identity, entry.name))
            except OSError as error:
                self._failed(number, path, error)
        return folders

    def _read(self, number: int, folder: Path) -> list[os.DirEntry[str]]:
        entries: list[os.DirEntry[str]] = []
        try:
            with os.scandir(folder) as reading:
                for entry in reading:
                    entries.append(entry)  # noqa: PERF402 - what was read before an error counts
        except OSError as error:
            self._failed(number, folder, error)
        return entries

    def _is_image(self, number: int, path: Path, is_regular: bool) -> bool:
        passed = look_at_file(path, is_regular, self._holds_dicom)
        if passed:
            self.passed.append((number, path, passed))
        return passed is None

    def _take_resolved(self, number: int, path: Path) -> None:
        real = Path(os.path.realpath(path))
        folder = os.stat(real.parent)
        self._take(number, path, (folder.st_dev, folder.st_ino, real.name))

    def _take(self, number: int, path: Path, identity: tuple[int, int, str]) -> None:
        if identity in self._files:
            self._pass_over(number, path, Reason.AGAIN)
        else:
            self._files.add(identity)
            self.taken.append((number, path))

    def _pass_over(self, number: int, path: Path, reason: Reason, detail: str = "") -> None:
        self.passed.append((number, path, PassedOver(path, reason, detail)))

    def _failed(self, number: int, path: Path, error: OSError) -> None:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
            return  # it went while we looked
        self._unreadable(number, path, error)

    def _unreadable(self, number: int, path: Path, error: OSError) -> None:
        self._pass_over(number, path, Reason.UNREADABLE, unreadable_message(path, error))


def look_at_file(
    path: Path, is_regular: bool, holds_dicom: Callable[[Path], bool] = holds_dicom
) -> PassedOver | None:
    """Why the file at ``path`` is no image; None where it is one. Raises OSError where it cannot be read."""
    if not is_regular:
        return PassedOver(path, Reason.NOT_IMAGE, "no regular file")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return None
    if path.name.upper() == _INDEX:
        return PassedOver(path, Reason.NOT_IMAGE, "the index of a DICOM disc")
    return None if holds_dicom(path) else PassedOver(path, Reason.NOT_IMAGE)


def unreadable_message(path: Path, error: OSError) -> str:
    """Say why ``path`` cannot be looked at, and the cure."""
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return f"{path}: leads nowhere: its target {os.readlink(path)} is not there. Mend or remove the link."
    return f"{path}: cannot be read ({reason}). Check its permissions, the disk or the share."
