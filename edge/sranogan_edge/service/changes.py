"""What judges, and from when: lines of the audit trail that nobody on the page asked for."""

from __future__ import annotations

from sranogan_edge import __version__
from sranogan_edge.detector.judge import Judge
from sranogan_edge.page.audit import THE_RUNNER, AuditTrail
from sranogan_edge.results.line import Scorer

__all__ = ["note_change"]


def note_change(
    audit: AuditTrail | None, judge: Judge, threshold: float | None, before: Scorer | None
) -> None:
    """Keep that ``judge`` took over, with ``threshold`` in place of its own; ``before`` None at a start."""
    if audit is None:
        return
    if before is None:
        in_force = judge.rule.threshold if threshold is None else threshold
        audit.noted("start", THE_RUNNER, new=f"threshold {in_force:g}", reason=f"version {__version__}")
    for action, describe in (("bundle", _bundle), ("calibration", _calibration)):
        old, new = describe(before) if before else "", describe(judge.scorer)
        if old != new:
            audit.noted(action, THE_RUNNER, old=old, new=new)


def _bundle(scorer: Scorer) -> str:
    return f"{scorer.bundle}, {scorer.steps} steps"


def _calibration(scorer: Scorer) -> str:
    return scorer.calibration or "the bundle's own"
