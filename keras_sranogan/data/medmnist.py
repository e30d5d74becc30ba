"""MedMNIST+ sets (Yang et al. 2023, Scientific Data 10:41): arrays in one ``.npz``, fetched once.

``medmnist_registry.json`` holds class names, checksums and licences as published with medmnist 3.0.2.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.settings import Anomalies
from sranogan_edge.errors import DataError, SettingsError
from sranogan_edge.image.frame import Frame, Photometric

__all__ = ["MedmnistOptions", "MedmnistSource", "parse_spec"]

SPLITS = ("train", "val", "test")
SIZES_PX = (28, 64, 128, 224)
_ROOT_VARIABLE = "MEDMNIST_ROOT"
_NO_FINDING = "no finding"
_BAD_ARCHIVE = (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class MedmnistOptions:
    """Which set, at which side in pixels, from which folder, and which class is normal."""

    flag: str
    size: int = 128
    root: Path | None = None  # None: MEDMNIST_ROOT, else ~/.medmnist
    normal: int | None = None  # None: the class that is normal by the set's description

    @property
    def file(self) -> str:
        """The file name of the published archive."""
        return f"{self.flag}.npz" if self.size == 28 else f"{self.flag}_{self.size}.npz"


def registry() -> dict[str, Any]:
    """The published table: ``url`` with a ``{file}`` field, and ``sets`` by flag."""
    text = resources.files("keras_sranogan.data").joinpath("medmnist_registry.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def parse_spec(spec: str) -> MedmnistOptions:
    """Read ``medmnist:FLAG[?size=28|64|128|224&root=FOLDER&normal=INDEX]``.

    Raises:
        SettingsError: the set or an option is unknown, or a value cannot work.
    """
    path, _, query = spec.partition("?")
    flag = path.removeprefix("medmnist:")
    sets = registry()["sets"]
    if flag not in sets:
        raise SettingsError(f"No MedMNIST set {flag!r}; there are {', '.join(sets)}.")
    allowed = {"size": SIZES_PX, "normal": tuple(range(len(sets[flag]["labels"])))}
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name == "root" and text:
            options[name] = Path(text).expanduser()
        elif text in map(str, allowed.get(name, ())):
            options[name] = int(text)
        else:
            choices = " or ".join(f"{key}={'|'.join(map(str, values))}" for key, values in allowed.items())
            raise SettingsError(f"{spec}: no option {name}={text}. Allowed: root=FOLDER or {choices}.")
    chosen = MedmnistOptions(flag, **options)
    _check_normal(chosen, sets[flag])
    return chosen


def _check_normal(options: MedmnistOptions, entry: dict[str, Any]) -> None:
    if entry["multi_label"]:
        if options.normal is not None:
            raise SettingsError(
                f"{options.flag} has many labels an image; normal is none of them. Drop normal=."
            )
    elif options.normal is None and entry["normal"] is None:
        classes = ", ".join(f"{number} {label}" for number, label in enumerate(entry["labels"]))
        raise SettingsError(
            f"{options.flag} has no class that is normal by its description. Say which one to learn, "
            f"such as medmnist:{options.flag}?normal=0. Classes: {classes}."
        )


class MedmnistSource:
    """One MedMNIST set; patients are not published, so every image is its own group."""

    anomalies: Anomalies = "spots"

    def __init__(self, options: MedmnistOptions) -> None:
        """Find the archive in the folder, or fetch it there.

        Raises:
            DataError: it is not there and cannot be fetched, or is not the archive it is named for.
        """
        table = registry()
        entry = table["sets"][options.flag]
        self.name = Path(options.file).stem
        self._labels: list[str] = entry["labels"]
        self._multi_label: bool = entry["multi_label"]
        self._normal: int | None = entry["normal"] if options.normal is None else options.normal
        self._path = _folder(options) / options.file
        if not self._path.is_file():
            _fetch(self._path, table["url"].format(file=options.file), entry["md5"][str(options.size)])
        self._archive = _open_archive(self._path)
        self._images: dict[str, NDArray[np.uint8]] = {}

    @classmethod
    def from_spec(cls, spec: str) -> MedmnistSource:
        """Open what :func:`parse_spec` reads.

        Raises:
            SettingsError: the spec cannot work.
            DataError: the archive is missing or damaged.
        """
        return cls(parse_spec(spec))

    def splits(self) -> tuple[str, ...]:
        """Train, val, test."""
        return SPLITS

    def items(self, split: str) -> list[Item]:
        """The images of one split in the published order; ``train`` lists normals only.

        Raises:
            DataError: there is no such split, or its labels cannot be read.
        """
        if split not in SPLITS:
            raise DataError(f"{self.name}: no split {split!r}; there is {', '.join(SPLITS)}.")
        labels = self._read(f"{split}_labels")
        largest = 1 if self._multi_label else len(self._labels) - 1
        if labels.ndim != 2 or labels.size == 0 or labels.min() < 0 or labels.max() > largest:
            raise _damaged(self._path, f"{split}_labels of shape {labels.shape} do not fit the set")
        items = [self._item(f"{split}/{number:06d}", row) for number, row in enumerate(labels)]
        return [item for item in items if item.is_normal] if split == "train" else items

    def frame(self, item: Item) -> Frame:
        """``(S, S)`` ``MONOCHROME2`` or ``(S, S, 3)`` ``RGB`` uint8; the whole split is held from then on.

        Raises:
            DataError: the archive is damaged.
        """
        split, _, number = item.key.partition("/")
        if split not in self._images:
            images = self._read(f"{split}_images")
            if images.dtype != np.uint8 or images.shape[3:] not in ((), (3,)) or images.ndim < 3:
                raise _damaged(self._path, f"{split}_images are {images.dtype} of shape {images.shape}")
            self._images[split] = images
        pixels = self._images[split][int(number)]
        photometric = Photometric.RGB if pixels.ndim == 3 else Photometric.MONOCHROME2
        return Frame(pixels, 8, photometric, source=f"{self.name}/{item.key}")

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """None: MedMNIST marks nothing."""
        return None

    def _item(self, key: str, row: NDArray[Any]) -> Item:
        if self._multi_label:
            present = [self._labels[number] for number in np.flatnonzero(row)]
            return Item(key, " + ".join(present) or _NO_FINDING, not present, group=key)
        number = int(row[0])
        return Item(key, self._labels[number], number == self._normal, group=key)

    def _read(self, member: str) -> NDArray[Any]:
        try:
            return np.asarray(self._archive[member])
        except _BAD_ARCHIVE as error:
            raise _damaged(self._path, error) from error


def _folder(options: MedmnistOptions) -> Path:
    named = os.environ.get(_ROOT_VARIABLE)
    return options.root or (Path(named).expanduser() if named else Path.home() / ".medmnist")


def _fetch(path: Path, url: str, md5: str) -> None:
    import pooch  # only where something is fetched: it takes a while to import

    try:
        pooch.retrieve(url, known_hash=f"md5:{md5}", fname=path.name, path=path.parent)
    except Exception as error:  # whatever the network, the disk or the checksum say, the cure is the same
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: not there, and fetching it failed ({reason}). Download {url} by hand, check that "
            f"its MD5 is {md5}, and save it as {path}; or name its folder with ?root= or {_ROOT_VARIABLE}."
        ) from error


def _open_archive(path: Path) -> Any:
    try:
        archive = np.load(path, allow_pickle=False)
    except _BAD_ARCHIVE as error:
        raise _damaged(path, error) from error
    if isinstance(archive, np.ndarray):
        raise _damaged(path, "one array, not an archive of several")
    return archive


def _damaged(path: Path, error: Exception | str) -> DataError:
    return DataError(f"{path}: not a whole MedMNIST archive ({error}). Remove it and fetch it again.")
