"""Who hands out an archive's shards: what is counted, what is done again, and what is never written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.archive.engine import Died, Done, Moved, Work
from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.archive.output import packed
from sranogan_edge.archive.run import DEATHS, _Master
from sranogan_edge.archive.tally import Tally
from sranogan_edge.errors import ResultsError
from tests.support.archives import items, rows_for, rows_in


@pytest.fixture
def master(tmp_path: Path) -> Any:
    """Give one that has handed out a shard of two images."""
    ledger = Ledger(tmp_path, {"source": "folder /a"}, 2)
    number = ledger.add(items("a", "b"), {})
    made = _Master(ledger, None, None, Tally())  # type: ignore[arg-type]  # of these nothing is asked
    made._hand[number] = Work(number, ledger.items(number))
    return made


def test_what_a_worker_had_scored_when_it_died_is_not_counted(master: Any) -> None:
    """It is scored again, and counted then."""
    master._heard(Moved(0))
    assert master._tally.scored == 1
    master._heard(Died(0, 1, "signal SIGKILL"))
    assert (master._tally.scored, master._hand) == (0, {})
    assert [work.number for work in master._again] == [0]


def test_an_image_that_ends_its_workers_is_refused_after_three(master: Any) -> None:
    """It alone, and no sooner: another image's deaths do not count, nor those before a first word."""
    for at in (-1, 0, 1, 1):
        master._heard(Died(0, at, "signal SIGSEGV"))
        work = master._again.popleft()
        assert [item.problem for item in work.items] == ["", ""]
        master._hand[0] = work
    master._heard(Died(0, 1, "signal SIGSEGV"))
    first, second = master._again.popleft().items
    assert (DEATHS, first.problem) == (3, "")
    assert second.problem.startswith("b: the process that scored it ended 3 times (signal SIGSEGV)")


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_rows_that_are_not_those_of_the_images_are_not_written(
    master: Any, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Too few or too many: another version of the package may have sent them."""
    with pytest.raises(ResultsError, match=rf"{len(names)} rows came back for 2 images"):
        master._heard(Done(0, packed(rows_for(items(*names)))))
    assert rows_in(tmp_path) == []


def test_rows_of_a_shard_are_written_and_counted_once(master: Any, tmp_path: Path) -> None:
    """What was scored of it counts as its rows from then on."""
    for _ in range(2):
        master._heard(Moved(0))
    master._heard(Done(0, packed(rows_for(items("a", "b")))))
    assert (master._tally.scored, master._tally.rows) == (2, 2)
    assert [row["source"] for row in rows_in(tmp_path)] == ["a", "b"]
