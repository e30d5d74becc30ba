"""The page and the picture of :mod:`benchmarks.detection.bad_input`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cv2

from benchmarks.detection.bad_input_cases import CASES, changed
from keras_sranogan.data.item import DataSource
from keras_sranogan.html.figure import new_figure, png_bytes

FAR = 0.1  # a change of the share flagged that the page points out
PAGE = """# What a bundle answers to images that it was not made for

A score says how far a film is from the normals of the training *as they were taken*. It does not say
whether the image is a film, nor whether it was exported rightly: check both before. Made by

```
{command}
```

{normals[n]} normal and {abnormals[n]} abnormal films of the split, each spoilt in one way. Unchanged, 95 % of
the normals score below {quantile}, half of the abnormals above {median}; the threshold is {threshold}.
{picture}
| films | normals flagged | abnormals flagged | median score, normals | median score, abnormals | what to do |
|---|---|---|---|---|---|
{films}

- **Abnormal films pass unseen** (flagged at least 10 points less often): {missed}.
- **Normal films raise alarms** (at least 10 points more often): {alarmed}.
- **Spoilt normals pass for ill** (their median is above 95 % of the unchanged normals and below 95 % of the
  unchanged abnormals): {alike}.
- **Spoilt normals lie beyond the ill** (their median is above 95 % of the unchanged abnormals): {beyond}.
- What stands in no list is hardly noticed. That is tolerance, and it is no warning either.

A spoilt film that is flagged looks like a finding, and the score does not tell one from the other. So look
at the export first when a feed suddenly has many flags, and take a score beyond that of usual abnormal films
for a wrong image rather than for a severe illness. The most foreign
of these images have no verdict: they are answered "not like the training data"
([how often](../guide/calibration.md#without-a-calibration)).

| not films | flagged | median score | what to do |
|---|---|---|---|
{others}

| what cannot be judged | answer | what to do |
|---|---|---|
{refused}

A refusal ends one image, not the feed: `sranogan-score` gives it a line with the error, and exit code 4 at
the end.
"""


def page(result: dict[str, Any], picture: str | None) -> str:
    """Return the Markdown of a result."""
    rows: dict[str, dict[str, Any]] = {}
    for row in result["films"]:
        rows.setdefault(row["name"], {})[row["images"]] = row
    films = {name: pair for name, pair in rows.items() if "normals" in pair}
    usual = films["unchanged"]
    return PAGE.format(
        command=result["commands"][0],
        normals=usual["normals"],
        abnormals=usual["abnormals"],
        threshold=_number(result["threshold"]),
        quantile=_number(usual["normals"]["q95_score"]),
        median=_number(usual["abnormals"]["median_score"]),
        picture=f"\n![A phantom in each of these states]({picture})\n" if picture else "",
        films="\n".join(_film(name, **pair) for name, pair in films.items()),
        others="\n".join(_other(pair["not films"]) for name, pair in rows.items() if name not in films),
        missed=_listed(name for name, pair in films.items() if _apart(pair, usual, "abnormals") < -FAR),
        alarmed=_listed(name for name, pair in films.items() if _apart(pair, usual, "normals") > FAR),
        alike=_listed(_between(films, usual["normals"]["q95_score"], usual["abnormals"]["q95_score"])),
        beyond=_listed(_between(films, usual["abnormals"]["q95_score"], math.inf)),
        refused="\n".join("| {name} | `{answer}` | {advice} |".format(**row) for row in result["refused"]),
    )


def _film(name: str, normals: dict[str, Any], abnormals: dict[str, Any]) -> str:
    shares = f"{_share(normals)} | {_share(abnormals)}"
    medians = f"{_number(normals['median_score'])} | {_number(abnormals['median_score'])}"
    return f"| {name} | {shares} | {medians} | {normals['advice']} |"


def _other(row: dict[str, Any]) -> str:
    return (
        f"| {row['name']} ({row['n']}) | {_share(row)} | {_number(row['median_score'])} | {row['advice']} |"
    )


def _share(row: dict[str, Any]) -> str:
    flagged = "none scored" if row["share_flagged"] is None else f"{row['share_flagged']:.0%}"
    return f"{flagged}, {row['refused']} refused" if row["refused"] else flagged


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _apart(pair: dict[str, Any], usual: dict[str, Any], images: str) -> float:
    return (pair[images]["share_flagged"] or 0.0) - (usual[images]["share_flagged"] or 0.0)


def _between(films: dict[str, dict[str, Any]], low: float, high: float) -> Iterator[str]:
    """Names of the cases whose spoilt normals have their median score there."""
    for name, pair in films.items():
        median = pair["normals"]["median_score"]
        if median is not None and low < median <= high:
            yield name


def _listed(names: Iterator[str]) -> str:
    return "; ".join(names) or "none"


def draw(source: DataSource) -> bytes:
    """A phantom in every state, as PNG."""
    frame = source.frame(source.items("val")[0])
    columns = 4
    figure, axes = new_figure(6.4, 5.3, columns=columns, rows=-(-len(CASES) // columns))
    for place in axes:
        place.axis("off")
    for place, case in zip(axes, CASES, strict=False):
        pixels = changed(frame, case).pixels
        place.imshow(cv2.resize(pixels, (224, 224)), cmap="gray", vmin=0, vmax=255)
        place.set_title(case.name, fontsize=7)
    return png_bytes(figure)
