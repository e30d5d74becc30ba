"""All results that the spool keeps, to be searched: pages that need no script, JSON, CSV, and links."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sranogan_edge.errors import SettingsError, SpoolError
from sranogan_edge.page.asked import Asked, number_of, query_of
from sranogan_edge.page.board import Board
from sranogan_edge.results.line import VERDICTS
from sranogan_edge.results.table import COLUMNS, harmless, plain_text
from sranogan_edge.spool.entry import StoredResult
from sranogan_edge.spool.lookups import NUMBERS
from sranogan_edge.spool.search import MOST, Found, Search

__all__ = ["search_routes"]

_ASSETS = Path(__file__).with_name("assets")
_CLASS = {"normal": "normal", "anomalous": "anomalous", "out of domain": "outside", "error": "error"}
_REFRESH = '<noscript><meta http-equiv="refresh" content="5"></noscript>'
_WORDS = {
    "patient_id": "Patient",
    "accession_number": "Accession number",
    "study_uid": "Study UID",
    "instance_uid": "SOP instance UID",
}


def search_routes(search: Search, board: Board) -> list[Route]:
    """Return the routes of the results that ``search`` finds; ``board`` has their pictures."""
    pages = _Pages(search, board)
    return [
        Route("/results", pages.page),
        Route("/results.csv", pages.csv),
        Route("/results/{number}.png", pages.picture),
        Route("/results/{number}", pages.result),
        Route("/api/search", pages.json),
    ]


@dataclass(frozen=True)
class _Answer:
    """What was asked for, and what was found or why nothing can be; ``status`` is HTTP's."""

    asked: Asked
    found: Found | None = None
    why: str = ""
    status: int = 200


class _Pages:
    """The answers."""

    def __init__(self, search: Search, board: Board) -> None:
        self._search, self._board = search, board

    def page(self, request: Request) -> Response:
        answer = self._answer(request)
        asked = answer.asked
        told = _told_of(answer.found, asked) if answer.found and not answer.why else _note(answer.why)
        words = {"q": asked.q, "since": asked.since, "until": asked.until}
        parts = {name: html.escape(value[:1000]) for name, value in words.items()}
        parts |= {"verdicts": _verdicts(asked.verdict), "found": told}
        parts["refresh"] = _REFRESH if asked.is_any else ""
        return _filled("results.html", parts, answer.status)

    def json(self, request: Request) -> Response:
        answer = self._answer(request)
        found = answer.found
        if found is None or answer.why:
            return JSONResponse({"error": answer.why}, answer.status)
        counts = {"found": found.count, "more": found.more, "page": found.page, "pages": found.pages}
        counts["to_come"] = found.to_come
        return JSONResponse({"results": [_told(one) for one in found.results], **counts})

    def csv(self, request: Request) -> Response:
        answer = self._answer(request)
        if answer.found is None or answer.why:
            return PlainTextResponse(f"{answer.why}\n", answer.status)
        headers = {"Content-Disposition": 'attachment; filename="sranogan-results.csv"'}
        content = _csv(answer.found.results)
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    def result(self, request: Request) -> Response:
        try:
            stored = self._stored(request)
        except SpoolError as error:
            return _filled("result.html", {"number": "", "found": _note(str(error))}, 503)
        if stored is None:
            gone = "There is no such result, or retention has removed it."
            return _filled("result.html", {"number": "", "found": _note(gone)}, 404)
        return _filled("result.html", {"number": str(stored.number), "found": self._facts(stored)}, 200)

    def picture(self, request: Request) -> Response:
        try:
            stored = self._stored(request)
        except SpoolError as error:
            return PlainTextResponse(f"{error}\n", 503)
        png = stored and self._board.picture_of(stored.number, stored.line.get("heat_map"))
        return Response(png, media_type="image/png") if png else PlainTextResponse("no picture of it\n", 404)

    def _stored(self, request: Request) -> StoredResult | None:
        number = number_of(request.path_params["number"])
        return None if number is None else self._search.result(number)

    def _answer(self, request: Request) -> _Answer:
        asked = Asked.of(request.query_params)
        try:
            found = self._search.find(query_of(asked))
        except SettingsError as error:
            return _Answer(asked, None, str(error), 400)
        except SpoolError as error:
            return _Answer(asked, None, str(error), 503)
        if found.page > found.pages:
            return _Answer(asked, found, f"there are {found.pages} pages; received {found.page}", 404)
        return _Answer(asked, found)

    def _facts(self, stored: StoredResult) -> str:
        line = stored.line
        rows = [("Verdict", _chip(line.get("verdict")))]
        rows += [(_WORDS.get(name, name), html.escape(text)) for name, text in stored.identity.items()]
        rows += [
            (name, _shown(line[name])) for name in COLUMNS if name != "verdict" and line.get(name) is not None
        ]
        picture = ""
        if self._board.picture_of(stored.number, line.get("heat_map")):
            source = f'src="{stored.number}.png" width="384" height="384"'
            picture = f'<img class="picture" alt="The image with its heat map" {source}>'
        facts = "".join(
            f'<div class="wide"><dt>{html.escape(name)}</dt><dd>{value}</dd></div>' for name, value in rows
        )
        return f'{picture}<dl class="facts">{facts}</dl>'


def _told(stored: StoredResult) -> dict[str, Any]:
    """As in ``results.jsonl``, with its link."""
    identity = dict(stored.identity)
    return {**stored.line, "number": stored.number, "identity": identity, "link": f"results/{stored.number}"}


def _csv(results: tuple[StoredResult, ...]) -> bytes:
    """A table with a header; no cell is a formula."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["number", *NUMBERS, *COLUMNS])
    for one in results:
        line: dict[str, Any] = {**one.line}
        if isinstance(line.get("milliseconds"), Mapping):
            line["milliseconds"] = line["milliseconds"].get("total")
        values = [one.number, *(one.identity.get(name) for name in NUMBERS), *map(line.get, COLUMNS)]
        table.writerow([harmless(plain_text(value)) for value in values])
    return text.getvalue().encode()


def _told_of(found: Found, asked: Asked) -> str:
    table = _table(found, asked) if found.results else _note("Nothing found.")
    if not found.to_come:
        return table
    many = f"Up to {found.to_come:,} older results" if found.to_come > 1 else "1 older result"
    return _note(f"{many} of an earlier version cannot be found yet: they are being made ready.") + table


def _table(found: Found, asked: Asked) -> str:
    many = f"More than {MOST:,} results; the newest {MOST:,}" if found.more else f"{found.count:,} results"
    count = f'<p role="status">{many if found.count > 1 or found.more else "1 result"}</p>'
    rows = "".join(f"<tr>{''.join(_cells(one))}</tr>" for one in found.results)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Verdict", "Name", "Patient", "Scored (UTC)"))
    links = [_link(asked.address("results", page=n), words) for n, words in _neighbours(found)]
    links.append(_link(asked.address("results.csv"), "CSV of this page"))
    head = f'<thead><tr>{heads}<th scope="col" class="n">Score</th></tr></thead>'
    links.insert(0, f"<span>Page {found.page:,} of {found.pages:,}</span>")
    pages = f'<nav class="pages" aria-label="Pages of results">{" ".join(links)}</nav>'
    return f"{count}<table>{head}<tbody>{rows}</tbody></table>{pages}"


def _cells(one: StoredResult) -> Iterator[str]:
    line, score = one.line, one.line.get("score")
    name = str(line.get("file", "")).rpartition("/")[2] or f"result {one.number}"
    yield f"<td>{_chip(line.get('verdict'))}</td>"
    yield f'<td class="name">{_link(f"results/{one.number}", name)}</td>'
    yield f'<td class="name">{html.escape(one.identity.get("patient_id", ""))}</td>'
    yield f"<td>{_shown(line.get('scored_at', ''))}</td>"
    yield f'<td class="n">{f"{score:.2f}" if isinstance(score, float) else ""}</td>'


def _neighbours(found: Found) -> Iterator[tuple[int, str]]:
    if found.page > 1:
        yield found.page - 1, "Newer results"
    if found.page < found.pages:
        yield found.page + 1, "Older results"


def _verdicts(chosen: str) -> str:
    options = [f'<option value=""{"" if chosen else " selected"}>all</option>']
    options += [f"<option{' selected' if one == chosen else ''}>{one}</option>" for one in VERDICTS]
    return "".join(options)


def _chip(verdict: object) -> str:
    return f'<span class="chip {_CLASS.get(str(verdict), "")}">{_shown(verdict)}</span>'


def _link(address: str, words: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(words)}</a>'


def _shown(value: object) -> str:
    return html.escape(str(plain_text(value)))


def _note(text: str) -> str:
    return f'<p class="note" role="status">{html.escape(text)}</p>'


def _filled(name: str, parts: Mapping[str, str], status: int) -> Response:
    text = (_ASSETS / name).read_text(encoding="utf-8")
    pieces = text.split("<!-- ")  # each begins with the name of a part: what is put in is not read again
    filled = [parts[one.partition(" -->")[0]] + one.partition(" -->")[2] for one in pieces[1:]]
    return HTMLResponse(pieces[0] + "".join(filled), status)
