"""False alarms among an archive's normals, by month, scanner and site: do groups differ?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.stats import binomtest, fisher_exact

from keras_sranogan.audit.findings import Finding
from keras_sranogan.data.archive_run import ArchiveImages

__all__ = ["LIMITS", "Group", "Grouping", "by_group", "findings_of", "holm", "interval_of"]

MOST_GROUPS = 200  # of one kind, those with the most normals
UNLIKELY = 0.05  # over all groups together
LIMITS = (
    "A group is held against all others of its kind by Fisher's exact test, and the p-values are corrected "
    f"for the number of groups (Holm): below {UNLIKELY} a difference is not put down to chance. Intervals "
    "are Wilson's, 95 % each. Both take images for independent: several of one patient make them too narrow. "
    "A difference tells that normals score otherwise there, not why: another machine, another population, or "
    "labels that were given otherwise."
)
_GROUPS = {  # what a normal's group is; what --labels says goes before what the film does
    "month": """coalesce(
        strftime(try_strptime(date, ['%Y-%m-%d', '%Y%m%d', '%Y-%m']), '%Y-%m'),
        strftime(acquisition_date, '%Y-%m'))""",
    "scanner": "coalesce(scanner, nullif(concat_ws(' ', manufacturer, station), ''))",
    "site": "coalesce(site, institution)",
}
_BEFORE_SITES = {"site": "site"}  # of rows that have no institution


@dataclass(frozen=True)
class Group:
    """Normals that have something in common.

    Attributes:
        name: what it is.
        normals: how many have a score.
        flagged: how many score above the threshold in force.
        foreign: how many are not like the training data.
        share: of the normals that are flagged.
        interval: its 95 % interval (Wilson).
        others: the same share of all others of this kind; None where there are none.
        p_value: of a difference from these, corrected for the number of groups; None where there are none.
    """

    name: str
    normals: int
    flagged: int
    foreign: int
    share: float
    interval: tuple[float, float]
    others: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Grouping:
    """One kind of group.

    Attributes:
        groups: in the order of their names.
        unsaid: normals of which it is not known.
        more: normals of groups beyond the 200 with the most.
    """

    groups: tuple[Group, ...]
    unsaid: int
    more: int


def by_group(images: ArchiveImages) -> dict[str, Grouping]:
    """Count false alarms by ``month``, ``scanner`` and ``site``, and test each group against the others."""
    keys = _GROUPS if images.rows.has_statistics else {**_GROUPS, **_BEFORE_SITES}
    found = {kind: _grouping(images, key) for kind, key in keys.items()}
    tested = [
        (kind, number, _p_value(group, one.groups))
        for kind, one in found.items()
        for number, group in enumerate(one.groups)
        if len(one.groups) > 1
    ]
    corrected = holm([p_value for _, _, p_value in tested])
    groups = {kind: list(one.groups) for kind, one in found.items()}
    for (kind, number, _), p_value in zip(tested, corrected, strict=True):
        groups[kind][number] = replace(groups[kind][number], p_value=p_value)
    return {kind: replace(one, groups=tuple(groups[kind])) for kind, one in found.items()}


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, in their order (Holm 1979)."""
    corrected, highest = [1.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    for rank, number in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[number]))
        corrected[number] = highest
    return corrected


def interval_of(flagged: int, normals: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson)."""
    found = binomtest(flagged, normals).proportion_ci(0.95, "wilson")
    return float(found.low), float(found.high)


def findings_of(found: dict[str, Grouping]) -> list[Finding]:
    """Say which groups differ, the most unlikely ones first, and of what kinds nothing is known."""
    warned: list[tuple[float, Finding]] = []
    others: list[Finding] = []
    tests = sum(len(one.groups) for one in found.values() if len(one.groups) > 1)
    for kind, one in found.items():
        odd = [group for group in one.groups if group.p_value is not None and group.p_value < UNLIKELY]
        warned += [(group.p_value or 0.0, _warning(kind, group, tests)) for group in odd]
        if not one.groups:
            others.append(Finding("open", kind, f"No normal says its {kind}, so it cannot be judged."))
        elif len(one.groups) == 1:
            only = f"All normals that say their {kind} are of {one.groups[0].name}: nothing to compare."
            others.append(Finding("open", kind, only))
        elif not odd:
            fine = f"By {kind}, {len(one.groups)} groups: none differs beyond chance."
            others.append(Finding("fine", kind, fine))
    return [*(finding for _, finding in sorted(warned, key=lambda one: one[0])), *others]


def _warning(kind: str, group: Group, tests: int) -> Finding:
    low, high = group.interval
    text = (
        f"{kind} {group.name}: {group.share:.1%} of its {group.normals:,} normals are flagged (95%: "
        f"{low:.1%} to {high:.1%}), of the others {group.others or 0:.1%} (p = {group.p_value:.2g}, "
        f"corrected for {tests} groups)."
    )
    return Finding("warns", kind, text)


def _grouping(images: ArchiveImages, key: str) -> Grouping:
    rows = images.rows.ask(
        f"""SELECT {key} AS name, count(*) AS normals, count(*) FILTER (WHERE score > threshold),
            count("foreign")
        FROM images WHERE {images.is_normal} AND score IS NOT NULL GROUP BY 1 ORDER BY normals DESC, name"""
    )
    said = [Group(name, n, k, foreign, k / n, interval_of(k, n)) for name, n, k, foreign in rows if name]
    unsaid = sum(n for name, n, _, _ in rows if not name)
    kept, more = said[:MOST_GROUPS], said[MOST_GROUPS:]
    normals, flagged = sum(one.normals for one in kept), sum(one.flagged for one in kept)
    with_others = [
        replace(one, others=(flagged - one.flagged) / (normals - one.normals))
        if normals > one.normals
        else one
        for one in kept
    ]
    ordered = tuple(sorted(with_others, key=lambda one: one.name))
    return Grouping(ordered, unsaid, sum(one.normals for one in more))


def _p_value(group: Group, groups: Sequence[Group]) -> float:
    """Of a difference between a group and all others: Fisher's exact test."""
    normals, flagged = sum(one.normals for one in groups), sum(one.flagged for one in groups)
    others = [flagged - group.flagged, normals - group.normals - (flagged - group.flagged)]
    return float(fisher_exact([[group.flagged, group.normals - group.flagged], others]).pvalue)
