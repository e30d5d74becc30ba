"""What ``--check-config``, ``--status`` and ``--doctor`` print, and the exit code that it comes to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.table import Table
from rich.text import Text

from sranogan_edge.commands.check import check_settings
from sranogan_edge.commands.check_parts import Finding
from sranogan_edge.commands.doctor import peer_findings
from sranogan_edge.commands.status import status_findings
from sranogan_edge.errors import ExitCode
from sranogan_edge.settings.tree import Settings
from sranogan_edge.terminal import counted, shown, terminal

__all__ = ["print_check", "print_status"]

_STYLES = {"ok": "green", "note": "", "warning": "yellow", "error": "red"}


def print_check(
    settings: Settings,
    problems: Sequence[str] = (),
    left_out: Collection[str] = (),
    *,
    doctor: bool = False,
) -> ExitCode:
    """Print what would run as a table; USAGE where it would not run.

    Args:
        settings: of what would run.
        problems: that reading the settings had.
        left_out: parts not to show.
        doctor: also how the runner fares, and whether all peers answer; SOME_FAILED where one has an error.
    """
    findings = [one for one in check_settings(settings) if one.what not in left_out]
    _print_table("what would run", findings)
    told = [*findings]
    more: list[Finding] = []
    if doctor:
        more = status_findings(settings)
        _print_table("how it fares", more)
        peers = list(peer_findings(settings))
        _print_table("who answers", peers)
        more += peers
        told += more
    _print_lines(told)
    console = terminal()
    for problem in problems:
        console.print(shown(f"error: {problem}"), style=_STYLES["error"], soft_wrap=True)
    errors = _count(findings, "error") + len(problems)
    others = _count(more, "error")
    warnings = counted(_count(told, "warning"), "warning")
    console.print(f"{counted(errors + others, 'error')}, {warnings}; nothing was started")
    if errors:
        return ExitCode.USAGE
    return ExitCode.SOME_FAILED if others else ExitCode.OK


def print_status(settings: Settings) -> ExitCode:
    """Print how the runner of ``settings`` fares; SOME_FAILED where something wants looking at."""
    findings = status_findings(settings)
    _print_table("how it fares", findings)
    _print_lines(findings)
    wrong = _count(findings, "error") + _count(findings, "warning")
    return ExitCode.SOME_FAILED if wrong else ExitCode.OK


def _count(findings: Iterable[Finding], state: str) -> int:
    return sum(one.state == state for one in findings)


def _print_table(title: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    table = Table(title=title)
    for column in ("part", "setting", "state", "what was found"):
        table.add_column(column, overflow="fold")
    for one in findings:
        message = "see below" if one.state in ("warning", "error") else one.message
        what, value, found = (Text(shown(text)) for text in (one.what, one.value, message))
        table.add_row(what, value, Text(one.state, style=_STYLES[one.state]), found)
    terminal().print(table)


def _print_lines(findings: Sequence[Finding]) -> None:
    """What wants looking at, in whole lines: a cure can be copied from them."""
    for one in findings:
        if one.state in ("warning", "error"):
            part = f"{one.what} {one.value}".rstrip()
            text = shown(f"{one.state}: {part}: {one.message.removeprefix(f'{one.what}: ')}")
            terminal().print(text, style=_STYLES[one.state], soft_wrap=True)
