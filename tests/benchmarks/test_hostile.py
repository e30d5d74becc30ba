"""``make hostile``: every kind makes inputs, and what would break a promise is seen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
pytest.importorskip("starlette", reason="the extra page is not installed")
import benchmarks.runner.hostile.every  # noqa: F401  # registers the kinds
from benchmarks.runner.hostile.kinds import KINDS, draws, of_target
from benchmarks.runner.hostile.pdus import of_contexts
from benchmarks.runner.hostile.requests import GUARDED, OPEN
from benchmarks.runner.hostile.visiting import Visiting, answers_of, leaks
from sranogan_edge.page.access import Address
from sranogan_edge.page.app import make_app
from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.server import serving
from tests.support.page_board_fakes import filled_board
from tests.support.page_client import TOKEN, answer

VIEWERS, MOST = "fedcba9876543210", 450
TALK = [
    of_contexts(b""),
    b"\4\0\0\0\0\x26\0\0\0\x22\1\3" + bytes(32),  # a command
    b"\4\0\0\0\0\x26\0\0\0\x22\1\2" + bytes(32),  # an object
    b"\5\0\0\0\0\4\0\0\0\0",
]


@dataclass
class Served:
    """A page as far as visitors need to know of it."""

    page_port: int
    root: Path
    viewer: str = VIEWERS
    operator: str = TOKEN
    tls: None = None

    def alive(self) -> bool:
        """It lives as long as its block."""
        return True


@pytest.mark.parametrize("name", [kind.name for kind in of_target("pdu")])
def test_associations_of_every_kind_are_made(name: str) -> None:
    """Each is a list of bytes, other ones each time but for those that draw nothing."""
    rng = np.random.default_rng(0)
    made = [KINDS[name].make(rng, TALK) for _ in range(50)]
    assert all(isinstance(one, bytes) for talk in made for one in talk)
    assert len({b"|".join(talk) for talk in made}) > 1
    assert all(talk != TALK for talk in made[:1]) or name == "pdu: associations, damaged"


@pytest.mark.parametrize("name", [kind.name for kind in of_target("page")])
def test_requests_of_every_kind_are_made(name: str) -> None:
    """Each is bytes; tokens stand in those kinds alone that are about who has one."""
    rng = np.random.default_rng(0)
    made = [KINDS[name].make(rng) for _ in range(200)]
    assert len(set(made)) > 5
    knowing = ("page: what a viewer may not", "page: questions of a viewer", "page: bodies of an operator")
    assert any(b"{VIEWER}" in one or b"{OPERATOR}" in one for one in made) is (name in knowing)


def test_each_kind_is_drawn_once_before_any_again() -> None:
    """However short a run is."""
    kinds = of_target("film")
    drawn = draws(kinds, np.random.default_rng(0))
    assert [next(drawn) for _ in kinds] == kinds
    assert {kind.name for kind in (next(drawn) for _ in range(300))} >= {"images, damaged"}


def test_answers_are_told_apart() -> None:
    """Several in a row, with and without bodies, and what is none."""
    heard = (
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"  # of a HEAD
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
    )
    assert answers_of(heard) == [(200, b"ok\n", 3), (100, b"", 0), (200, b"", 9), (401, b"no", 2)]
    assert answers_of(b"\x15\3\1") == answers_of(b"") == []


def test_what_is_guarded_is_seen_where_it_leaks() -> None:
    """A good answer that is none of what anybody may see: by its body, or of a HEAD by its length."""
    seen = {b"ok\n", b"ready\n"}
    assert leaks([(200, b"ok\n", 3), (401, b"secret", 6), (303, b"", 0)], seen) == []
    assert leaks([(200, b"ok\n", 3), (200, b"secret", 6)], seen) == [b"secret"]
    assert leaks([(200, b"", 3)], seen) == []
    assert leaks([(200, b"rea", 6)], seen) == []
    assert leaks([(200, b"rea", 60), (204, b"", 0)], seen) == [b"rea", b"0 bytes"]
    assert leaks([(200, b"", 777)], seen) == [b"777 bytes"]


@pytest.mark.parametrize("guarded", [True, False])
def test_visitors_of_a_real_page(tmp_path: Path, guarded: bool) -> None:
    """Requests and floods break no promise of a page with tokens; one without any is found out."""
    address = Address("127.0.0.1", 0, TOKEN, VIEWERS) if guarded else Address("127.0.0.1", 0)
    (tmp_path / "spool").mkdir()
    with serving(filled_board(5), address, audit=AuditTrail(tmp_path / "spool")) as url:
        answer(f"{url}healthz")
        page = Visiting(Served(urlsplit(url).port or 0, tmp_path), 3)  # type: ignore[arg-type]  # as much as is needed
        page.floods = of_target("page flood")
        page.visit(time.monotonic() + 120, most=MOST)
    report = page.counted()
    assert report.inputs >= MOST
    assert sum(sum(count.values()) for count in report.by_kind.values()) == report.inputs
    if guarded:
        assert report.wrong == []
    else:
        assert any("without a token" in one for one in report.wrong)


def test_what_a_token_is_needed_for_is_asked_for() -> None:
    """The paths that hostile requests ask for are all that the page has but for the open ones."""
    routes = {route.path for route in make_app(filled_board(1), Address("127.0.0.1", 1)).routes}  # type: ignore[attr-defined]
    plain = {path for path in routes if "{" not in path}
    assert plain <= {*GUARDED, *OPEN}
    assert {path.partition("{")[0] for path in routes - plain} == {"/api/live/", "/api/picture/"}
