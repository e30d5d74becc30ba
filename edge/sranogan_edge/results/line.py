"""What a scored image leaves behind: one line of JSON."""

from __future__ import annotations

import calendar
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sranogan_edge.image.film import FilmFields
from sranogan_edge.scoring.measurement import Tiles
from sranogan_edge.scoring.rule import Verdict

RESULT_SCHEMA_VERSION = 1
OUT_OF_DOMAIN = "out of domain"  # the answer "not like the training data", instead of a verdict
NOT_ASKED_FOR = "not asked for"  # a film that its feed's options leave out; it is not scored
WHERE_THERE = ("tiles", "regions", "heat", "at_s", "alignment")  # fields that not every line has
VERDICTS = ("normal", "anomalous", OUT_OF_DOMAIN, NOT_ASKED_FOR, "error")


@dataclass(frozen=True)
class ResultLine:
    """One line of ``results.jsonl``. Numbers are null where the image could not be judged."""

    file: str
    score: float | None
    p_value: float | None
    verdict: str  # one of VERDICTS
    threshold: float | None  # null: too few normals were held out for the false-alarm rate
    anogan_score: float | None
    milliseconds: Mapping[str, float]
    heat_map: str | None
    error: str | None
    bundle: str  # SHA-256 of the bundle
    steps: int  # of the search
    backend: str  # what ran the graphs: runtime, version, device
    backend_fallback: str | None  # why that is not the GPU which is here; null where nothing fell back
    scored_at: str
    schema_version: int = field(default=RESULT_SCHEMA_VERSION)
    calibration: str | None = None  # SHA-256 of the site's calibration; null: the bundle's own is in force
    reason: str | None = None  # why it is out of domain or not asked for, or which frames were not judged
    feed: str | None = None  # name of the feed that it came from
    frames: int = 1  # of the object
    frame: int | None = None  # the one with the highest score, from 1; null where there is only one
    modality: str | None = None  # this and what follows: as the DICOM object says; null where it does not
    body_part_examined: str | None = None
    view_position: str | None = None
    presentation_intent_type: str | None = None
    patient_orientation: str | None = None
    turned: str | None = None  # how it was turned upright before it was scored; null where it was not
    colour: str | None = None  # that it has colour and the bundle takes none, or the other way round
    tiles: Mapping[str, Any] | None = None  # of an image that was judged in tiles; else not in the line
    regions: Sequence[Mapping[str, Any]] | None = (
        None  # of its heat map; not in the line of what was not judged
    )
    heat: Mapping[str, Any] | None = None  # by what these are told; as they
    at_s: float | None = None  # of a video file's frame: seconds from its begin; else not in the line
    alignment: Mapping[str, Any] | None = None  # of a bundle that aligns; else not in the line

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, ready for JSON; :data:`WHERE_THERE` only where there are any."""
        values = asdict(self)
        for name in WHERE_THERE:
            if values[name] is None:
                del values[name]
        return values


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def scored_at_s(line: ResultLine) -> float:
    """When ``line`` was scored, in Unix seconds; ValueError or TypeError where it does not say."""
    return float(calendar.timegm(time.strptime(line.scored_at, "%Y-%m-%dT%H:%M:%SZ")))


@dataclass(frozen=True)
class Scorer:
    """What judged the images, for their lines and the summary.

    Attributes:
        bundle: its SHA-256.
        steps: of the search, the same for every image.
        backend: runtime, version, device.
        backend_fallback: why ``auto`` did not take the GPU; None where nothing fell back.
        calibration: SHA-256 of the site's calibration; None where the bundle's own is in force.
    """

    bundle: str
    steps: int
    backend: str
    backend_fallback: str | None = None
    calibration: str | None = None


def result_line(
    file: str, verdict: Verdict, scorer: Scorer, heat_file: str | None, *, out_of_domain: str = ""
) -> ResultLine:
    """Return the line of a judged image; ``out_of_domain`` says why its score means nothing."""
    judged, found = "anomalous" if verdict.anomalous else "normal", verdict.regions
    return ResultLine(
        file=file,
        score=verdict.score,
        p_value=verdict.p_value,
        verdict=OUT_OF_DOMAIN if out_of_domain else judged,
        threshold=verdict.threshold if math.isfinite(verdict.threshold) else None,
        anogan_score=verdict.reconstruction.anogan_score,
        milliseconds={name: round(value, 3) for name, value in verdict.milliseconds.items()},
        heat_map=heat_file,
        error=None,
        reason=out_of_domain or None,
        colour=verdict.colour or None,
        scored_at=_now(),
        tiles=_told_tiles(verdict.tiles) if verdict.tiles else None,
        regions=[one.to_dict() for one in found.found] if found else None,
        heat=found.to_dict() if found else None,
        alignment=verdict.alignment.to_dict() if verdict.alignment else None,
        **asdict(scorer),
    )


def _told_tiles(tiles: Tiles) -> dict[str, Any]:
    """Return how many there are, the worst one's box in pixels, the heat map's size, the whole's score."""
    return {
        "count": tiles.count,
        "blank": tiles.blank,
        "worst": list(tiles.worst),
        "heat_map_scale": round(tiles.heat_scale, 4),
        **({} if tiles.whole is None else {"whole": round(tiles.whole, 4)}),
    }


def error_line(file: str, error: Exception, scorer: Scorer) -> ResultLine:
    """Return the line of an image that could not be judged."""
    return _line_without_score(file, "error", scorer, error=f"{type(error).__name__}: {error}")


def described(line: ResultLine, film: FilmFields, turned: str = "") -> ResultLine:
    """Return ``line`` with what its film says it is, and how it was turned upright."""
    return replace(
        line,
        modality=film.modality or None,
        body_part_examined=film.body_part_examined or None,
        view_position=film.view_position or None,
        presentation_intent_type=film.presentation_intent_type or None,
        patient_orientation=film.patient_orientation or None,
        turned=turned or None,
    )


def of_video(line: ResultLine, number: int | None, at_s: float | None) -> ResultLine:
    """Return ``line`` with the number of its frame in a video file, and its time; as it is without any."""
    return (
        line if number is None else replace(line, frame=number, at_s=None if at_s is None else round(at_s, 3))
    )


def not_asked_for_line(file: str, reason: str, scorer: Scorer) -> ResultLine:
    """Return the line of a film that was not to be judged, and ``reason``: the field, and its value."""
    return _line_without_score(file, NOT_ASKED_FOR, scorer, reason=reason)


def _line_without_score(
    file: str, verdict: str, scorer: Scorer, error: str | None = None, reason: str | None = None
) -> ResultLine:
    return ResultLine(
        file=file,
        score=None,
        p_value=None,
        verdict=verdict,
        threshold=None,
        anogan_score=None,
        milliseconds={},
        heat_map=None,
        error=error,
        reason=reason,
        scored_at=_now(),
        **asdict(scorer),
    )


def scored_before(line: Mapping[str, Any], moment_s: float) -> bool:
    """Whether ``line``, ready for JSON, was scored before ``moment_s`` (Unix); no where it does not say."""
    try:
        return calendar.timegm(time.strptime(str(line.get("scored_at")), "%Y-%m-%dT%H:%M:%SZ")) < moment_s
    except ValueError:
        return False
