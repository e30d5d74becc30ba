"""``sranogan-score --forget PATIENT_ID`` and ``--older-than DAYS``: what went, and what is not here."""

from __future__ import annotations

import time

from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.settings.tree import Settings
from sranogan_edge.terminal import shown, terminal

__all__ = ["forget_what"]

DAY_S = 86_400.0


def forget_what(settings: Settings, patient: str | None, older_than: float | None) -> ExitCode:
    """Take out what is asked for, and print a report.

    Raises:
        SettingsError: the patient's number is empty.
        SpoolInUseError: the runner is at work.
        ResultsError: a place cannot be read or written.
    """
    from sranogan_edge.service.forget import Wanted, forget, report

    if patient is not None and not patient.strip():
        raise SettingsError("--forget takes the number of a patient; received an empty text")
    before = None if older_than is None else time.time() - older_than * DAY_S
    done = forget(settings, Wanted((patient or "").strip(), before))
    for line in report(done):
        terminal().print(shown(line), soft_wrap=True)
    return ExitCode.OK
