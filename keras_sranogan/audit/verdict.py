"""The verdict in words: rules over the findings, their limits stated in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from keras_sranogan.audit.controls import PLAIN, SHIFTED_NORMALS
from keras_sranogan.audit.figures import Figures
from keras_sranogan.audit.findings import (
    MAX_LEFT,
    MAX_LOST,
    MAX_MARGIN,
    MIN_EACH,
    TELLS,
    Finding,
    Kind,
    about_controls,
    about_removal,
    about_statistics,
    percent,
)
from keras_sranogan.audit.findings_normals import (
    MAX_ALARM_FACTOR,
    MAX_PATIENT_SHARE,
    MAX_SD,
    MIN_AGREEMENT,
    STRONG_RHO,
    about_copies,
    about_files,
    about_normals,
    about_seeds,
)
from keras_sranogan.audit.ranking import CHANCE, MIN_ADVANTAGE

Status = Literal["passes", "leans", "undecided", "not judged"]

RULES = (
    f"A score leans on what a control takes away when more than {percent(MAX_LOST)} of its AUROC over "
    "chance goes with it and the 95% interval of that loss excludes zero; with the centre hidden, "
    f"when more than {percent(MAX_LEFT)} is left and the interval excludes none. It is undecided when "
    f"such a loss may be chance, when an interval wider than {percent(MAX_MARGIN)} either way crosses "
    f"the limit, and with fewer than {MIN_EACH} images of a class. All else warns: a single number of "
    f"the image that does as well; a fact of the file with AUROC {TELLS:.1f}; {percent(MAX_LOST)} lost"
    f" by regression or by shifting the normals; Spearman {STRONG_RHO} inside the normals; "
    f"{percent(MAX_PATIENT_SHARE)} of the variance between patients; false alarms of shifted normals "
    f"above {MAX_ALARM_FACTOR:g} times the rate set; over seeds, a standard deviation of {MAX_SD} or "
    f"ranks that agree by less than {MIN_AGREEMENT}. These limits are conventions."
)
LIMITS = (
    "A control changes more than the one thing that it is named for: hiding borders also hides anatomy, and "
    "takes something from an honest score. What no control touches, such as age, sex, device or ward, is not "
    "ruled out."
)


@dataclass(frozen=True)
class Verdict:
    """The outcome.

    Attributes:
        status: ``"passes"``, ``"leans"`` (on a shortcut), ``"undecided"``, or ``"not judged"`` where there
            is no detection that could lean on anything.
        text: it in one sentence or two.
        findings: worst first.
        rules: the limits applied, in words.
        limits: what an audit cannot tell.
    """

    status: Status
    text: str
    findings: list[Finding]
    rules: str = RULES
    limits: str = LIMITS


def judge(figures: Figures) -> Verdict:
    """Return what the rules find in ``figures``, the worst first, and the verdict that follows."""
    findings = [
        *about_normals(figures),
        *about_copies(figures),
        *about_seeds(figures),
        *about_files(figures),
    ]
    reason = _nothing_to_judge(figures)
    if reason:
        return Verdict("not judged", f"Cannot be judged: {reason}", _worst_first(findings))
    findings = [*about_controls(figures), *about_statistics(figures), *about_removal(figures), *findings]
    return _overall(figures, _worst_first(findings))


def _nothing_to_judge(figures: Figures) -> str:
    auroc = figures.controls[PLAIN].ranking.auroc
    if auroc is None:
        kind = "normal" if figures.n_normal else "abnormal"
        return f"the split holds {kind} images only, so there is no AUROC that could lean on anything."
    if auroc - CHANCE < MIN_ADVANTAGE:
        what = "near chance" if auroc > CHANCE - MIN_ADVANTAGE else "below chance"
        return f"an AUROC of {auroc:.3f} is {what}, so there is no detection that could lean on anything."
    return ""


def _overall(figures: Figures, findings: list[Finding]) -> Verdict:
    leans, undecided = _subjects(findings, "leans"), _subjects(findings, "undecided")
    warned = sum(finding.kind == "warns" for finding in findings)
    more = f" {warned} warning{'s' * (warned > 1)}." if warned else ""
    if leans:
        also = f" Undecided: {undecided}." if undecided else ""
        return Verdict("leans", f"Leans on {leans}.{also}{more}", findings)
    if undecided:
        text = f"No shortcut was found, but too little data (or none) to rule out: {undecided}.{more}"
        return Verdict("undecided", text, findings)
    return Verdict("passes", f"Passes: {_most(figures)}.{more}", findings)


def _most(figures: Figures) -> str:
    """The largest loss among the controls that may convict, in words."""
    found = {
        one.title: one.left.left
        for name, one in figures.controls.items()
        if name not in (PLAIN, SHIFTED_NORMALS) and not one.removes_content and one.left.left is not None
    }
    worst = min(found, key=lambda title: found[title])
    lost = percent(max(0, 1 - found[worst]))
    return f"no control takes more than {percent(MAX_LOST)} of the AUROC over chance (most: {worst}, {lost})"


def _subjects(findings: Sequence[Finding], kind: Kind) -> str:
    names = list(dict.fromkeys(finding.subject for finding in findings if finding.kind == kind))
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    order: tuple[Kind, ...] = ("leans", "undecided", "warns", "open", "fine")
    return sorted(findings, key=lambda finding: order.index(finding.kind))
