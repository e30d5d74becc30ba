"""``--status``: what works, since when, the last result, what waits, what is set apart, and the disk."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sranogan_edge import __version__
from sranogan_edge.commands.check_parts import Finding, existing_parent
from sranogan_edge.device import PACKAGES
from sranogan_edge.errors import SpoolError
from sranogan_edge.extras import installed
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.sink import SinkContext, SinkSettings
from sranogan_edge.spool.lock import holder_of
from sranogan_edge.spool.look import Look, look_at_outbox, look_at_spool

__all__ = ["status_findings"]

_RESULTS = "results.jsonl"


def status_findings(settings: Settings) -> list[Finding]:
    """Look at the runner of ``settings`` from outside; a warning or an error wants looking at."""
    folder = settings.spool_folder
    found = [_runner(folder), _versions()]
    try:
        look = look_at_spool(folder)
        found += [*_queue(look), *_sinks(settings, look)] if look else [_no_spool(folder)]
    except SpoolError as error:
        found.append(Finding("spool", str(folder), "error", str(error)))
    return [*found, *_disks(settings)]


def _runner(folder: Path) -> Finding:
    holder = holder_of(folder)
    if not holder:
        return Finding("runner", "", "warning", f"none works on {folder}. Start it, or look at its log.")
    try:
        began = (folder / "lock").stat().st_mtime  # written when the lock was taken
    except OSError:  # it ended meanwhile
        return Finding("runner", f"process {holder}", "warning", "it ended just now.")
    return Finding("runner", f"process {holder}", "ok", f"works since {_moment(began)} ({_ago(began)})")


def _versions() -> Finding:
    others = ", ".join(
        f"{name} {one}" for name, one in installed(PACKAGES).items() if name != "sranogan-edge"
    )
    return Finding(
        "versions", f"sranogan-edge {__version__}", "ok", f"Python {platform.python_version()}, {others}"
    )


def _no_spool(folder: Path) -> Finding:
    return Finding("spool", str(folder), "note", "not there yet: no runner ever worked on it")


def _queue(look: Look) -> Iterator[Finding]:
    waiting = look.counts.get("received", 0)
    since = look.oldest_waiting_at
    oldest = f"the oldest came {_ago(since)}" if since is not None else ""
    dead, done = look.counts.get("dead", 0), look.counts.get("done", 0)
    yield Finding("objects", f"{waiting} wait, {look.counts.get('scoring', 0)} in hand", "ok", oldest)
    yield Finding("objects kept", f"{done} done, {dead} dead-lettered", "note" if dead else "ok")
    if look.last is None:
        yield Finding("last result", "none", "note", "nothing was scored yet")
        return
    yield _last(look.last)


def _last(line: Any) -> Finding:
    backend = f"bundle {str(line.get('bundle'))[:12]}, {line.get('steps')} steps on {line.get('backend')}"
    fallback = line.get("backend_fallback")
    value = f"{line.get('scored_at')}: {line.get('verdict')}"
    if fallback:
        return Finding("last result", value, "warning", f"{backend}; the GPU was not used: {fallback}")
    return Finding("last result", value, "ok", backend)


def _sinks(settings: Settings, look: Look) -> Iterator[Finding]:
    yield _reached("sink", _RESULTS, _RESULTS, look)
    context = SinkContext(settings.spool_folder / "sinks")
    for sink in settings.sinks:
        yield _reached("sink", str(sink), sink.key, look)
        yield from _outbox(sink, context)


def _reached(what: str, name: str, key: str, look: Look) -> Finding:
    if key not in look.reached:
        return Finding(what, name, "note", "not seen by the runner yet")
    behind = look.newest - look.reached[key]
    return Finding(what, name, "note" if behind else "ok", f"{behind} results wait in the spool")


def _outbox(sink: SinkSettings, context: SinkContext) -> Iterator[Finding]:
    found = look_at_outbox(sink.outbox(context))
    if found and found.waiting:
        yield Finding("outbox", str(sink), "note", f"{found.waiting} results wait to be sent")
    if found and found.apart:
        cure = f"See: python -m sranogan_edge.sinks.send_again {context.outboxes.parent} --list"
        yield Finding("outbox", str(sink), "warning", f"{found.apart} results are set apart. {cure}")


def _disks(settings: Settings) -> Iterator[Finding]:
    for what, folder in (("disk of out", settings.out), ("disk of the spool", settings.spool_folder)):
        free = shutil.disk_usage(existing_parent(folder)).free
        text = f"{free / 2**30:.1f} GiB free"
        if free < settings.spool.min_free_bytes:
            yield Finding(what, str(folder), "error", f"{text}: nothing is accepted. Free some space.")
        else:
            yield Finding(what, str(folder), "ok", text)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _ago(moment: float) -> str:
    seconds = max(0.0, time.time() - moment)
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
