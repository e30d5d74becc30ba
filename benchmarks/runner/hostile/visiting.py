"""Hostile requests to a running runner's live page, and floods; nobody sees what is guarded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.runner.hostile.kinds import Kind, Rng, draws, of_target
from benchmarks.runner.hostile.requests import OPEN, VIEWER, request
from benchmarks.runner.hostile.world import World

__all__ = ["Answer", "Visiting", "Visits", "answers_of", "leaks"]

AT_ONCE, FLOOD, FLOOD_S, CALM_S = 40, 150, 1.5, 3.0
FIRST_S, NEXT_S, MOST_S = 1.5, 0.3, 20.0  # until the first byte, between two, in all
Answer = tuple[int, bytes, int]  # status, body, the length that was stated


@dataclass
class Visits:
    """What became of them.

    Attributes:
        inputs: requests, and connections of floods.
        by_kind: first status by kind, or that there was none, and how many.
        with_a_token: of them, those that knew a token.
        wrong: promises that were broken, in words.
    """

    inputs: int = 0
    by_kind: dict[str, dict[str, int]] = field(default_factory=dict)
    with_a_token: int = 0
    wrong: list[str] = field(default_factory=list)


class Visiting:
    """Visitors, many at once, in one thread."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed, self.report = world, seed, Visits()
        self.kinds, self.floods = of_target("page"), of_target("page flood")
        if not world.tls:
            self.floods += of_target("pdu flood")
        self.counts: dict[str, Counter[str]] = {kind.name: Counter() for kind in (*self.kinds, *self.floods)}
        self.open: set[bytes] = set()  # what anybody may see

    def visit(self, until: float, most: int | None = None) -> None:
        """Send until then, or until ``most`` were sent."""
        asyncio.run(
            self._all(lambda: time.monotonic() < until and (most is None or self.report.inputs < most))
        )

    async def _all(self, going_on: Callable[[], bool]) -> None:
        for path in OPEN:
            self.open.update(body for _, body, _ in answers_of(await self._asked(request(path))))
        guarded = answers_of(await self._asked(self._known(request("/api/state", VIEWER))))
        assert leaks(guarded, self.open), "what is guarded would not be told from what is open"
        work = (self._visitor(number, going_on) for number in range(AT_ONCE))
        await asyncio.gather(*work, self._flood(going_on))

    async def _visitor(self, number: int, going_on: Callable[[], bool]) -> None:
        rng = np.random.default_rng((self.seed, number))
        drawn = draws(self.kinds, rng)
        while going_on() and self.world.alive():
            kind = next(drawn)
            said = kind.make(rng)
            data = self._known(said)
            self._count(kind, data != said, await self._asked(data, _address(rng)))

    async def _asked(self, data: bytes, source: str = "127.0.0.1") -> bytes:
        """Send, and return all that is heard."""
        heard, deadline = b"", time.monotonic() + MOST_S
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.wait_for(self._connected(source), MOST_S)
            try:
                writer.write(data)
                while time.monotonic() < deadline:
                    part = await asyncio.wait_for(reader.read(2**16), NEXT_S if heard else FIRST_S)
                    if not part:
                        break
                    heard += part
            finally:
                writer.transport.abort()
        return heard

    async def _connected(self, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = self.world.page_port
        return await asyncio.open_connection("127.0.0.1", port, ssl=self.world.tls, local_addr=(source, 0))

    def _known(self, said: bytes) -> bytes:
        """With the tokens, where they are known."""
        said = said.replace(b"{VIEWER}", self.world.viewer.encode())
        return said.replace(b"{OPERATOR}", self.world.operator.encode())

    def _count(self, kind: Kind, knows: bool, heard: bytes) -> None:
        answers, report = answers_of(heard), self.report
        report.inputs += 1
        report.with_a_token += knows
        self.counts[kind.name][str(answers[0][0]) if answers else "no answer"] += 1
        for status, body, _ in answers:
            if status >= 500 and not body.startswith((b"not ready", b"no sign")):
                report.wrong.append(f"{kind.name}: answered {status}: {body[:80]!r}")
        if not knows and (seen := leaks(answers, self.open)):
            report.wrong.append(f"{kind.name}: without a token it was answered {seen[0][:120]!r}")

    async def _flood(self, going_on: Callable[[], bool]) -> None:
        """Many connections at once, one flood after the other."""
        rng = np.random.default_rng((self.seed, AT_ONCE))
        drawn = draws(self.floods, rng)
        while going_on() and self.world.alive():
            kind = next(drawn)
            found = await asyncio.gather(*(self._held(kind, kind.make(rng)) for _ in range(FLOOD)))
            self.counts[kind.name].update(found)
            self.report.inputs += len(found)
            await asyncio.sleep(CALM_S)

    async def _held(self, kind: Kind, said: bytes) -> str:
        """One connection of a flood, raw even where the page speaks TLS; whether it was closed meanwhile."""
        port = self.world.page_port if kind.target == "page flood" else self.world.dicom_port
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), MOST_S)
        except (OSError, asyncio.TimeoutError):  # noqa: UP041  # not the same one on Python 3.10
            return "not connected"
        try:
            writer.write(said)
            await asyncio.wait_for(reader.read(), FLOOD_S)
        except asyncio.TimeoutError:  # noqa: UP041
            return "kept"
        except OSError:
            return "closed"
        finally:
            writer.transport.abort()
        return "closed"

    def counted(self) -> Visits:
        """What became of them; and who changed the threshold, by the audit trail."""
        report = self.report
        report.by_kind = {name: dict(sorted(count.items())) for name, count in self.counts.items()}
        trail = self.world.root / "spool" / "audit.jsonl"
        for text in trail.read_text().splitlines() if trail.exists() else ():
            event = json.loads(text)
            if event.get("action") == "threshold" and event.get("role") != "operator":
                report.wrong.append(f"the threshold was changed: {text[:200]}")
        return report


def answers_of(heard: bytes) -> list[Answer]:
    """The answers in what was heard, one after the other."""
    found: list[Answer] = []
    while heard.startswith(b"HTTP/1.") and b"\r\n\r\n" in heard:
        head, _, rest = heard.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        stated = [line for line in lines[1:] if line.lower().startswith(b"content-length:")]
        length = (
            int(stated[0].partition(b":")[2]) if stated else (0 if lines[0][9:12] == b"100" else len(rest))
        )
        bodiless = rest.startswith(b"HTTP/1.")  # of a HEAD, before another answer
        body = b"" if bodiless else rest[:length]
        found.append((int(lines[0][9:12]), body, length))
        heard = rest[len(body) :]
    return found


def leaks(answers: list[Answer], seen_by_all: set[bytes]) -> list[bytes]:
    """What of the answers is good, and none of what anybody may see, nor the begin of it."""
    return [
        body or f"{length} bytes".encode()
        for status, body, length in answers
        if 200 <= status < 300
        and not any(known.startswith(body) and length == len(known) for known in seen_by_all)
    ]


def _address(rng: Rng) -> str:
    """Any of this machine's own."""
    return f"127.{int(rng.integers(2, 250))}.{int(rng.integers(0, 256))}.{int(rng.integers(1, 255))}"
