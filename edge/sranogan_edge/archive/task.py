"""What a worker is told before its first shard, in plain values: it may run on another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sranogan_edge import __version__
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
from sranogan_edge.image.film import EVERY_FILM, FilmOptions

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What is scored, and by what.

    Attributes:
        source: as it was named.
        named: how the names of its images begin, where that is not as ``source`` does.
        bundle: its file.
        sha256: of the bundle, as the run proved it.
        loader: backend, threads, steps, the site's calibration.
        films: which are asked for.
        heat: whether anomalous images have a picture with a heat map.
        measurements: whether what adapting densities needs is kept of each image.
        decoding: what one image may take.
        version: of the package; a worker of another one is refused.
    """

    source: str
    named: str
    bundle: Path
    sha256: str
    loader: Loader = field(default_factory=Loader)
    films: FilmOptions = EVERY_FILM
    heat: bool = False
    measurements: bool = False
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        """As values that JSON has."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Task:
        """The inverse of :meth:`to_json`."""
        loader = values["loader"]
        scoring = loader["scoring"] | {"bundle_key_file": _path(loader["scoring"]["bundle_key_file"])}
        calibration = {name: _path(value) for name, value in loader["calibration"].items()}
        stated: dict[str, Any] = values["films"]
        films: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in stated.items()}
        domain = loader["domain"]
        return cls(
            **{name: values[name] for name in _PLAIN},
            bundle=Path(values["bundle"]),
            loader=Loader(
                ScoringSettings(**scoring),
                CalibrationSettings(**calibration),
                None if domain is None else DomainSettings(**domain),
            ),
            films=FilmOptions(**films),
            decoding=DecodingSettings(**values["decoding"]),
        )


_PLAIN = ("source", "named", "sha256", "heat", "measurements", "version")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return str(value) if isinstance(value, Path) else value


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)
