"""What people see while they wait, on a terminal and in a log."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from keras_sranogan import progress as module
from keras_sranogan.progress import Terminal, time_text


def log() -> tuple[Console, io.StringIO]:
    """A console that is no terminal, and what was written to it."""
    written = io.StringIO()
    return Console(file=written, width=200), written


def test_a_log_tells_the_time_left_from_the_first_line() -> None:
    """Each task's beginning is a line, with what is left of all that is planned."""
    console, written = log()
    with Terminal(console) as shown:
        shown.plan({"gan": 60.0, "head": 120.0})
        shown.start("gan", 650)
    assert written.getvalue().splitlines()[0] == "gan: 0 of 650  about 3 min 00 s left in all"


def test_a_log_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps there are, lines come as often as SAY_EVERY_S says."""
    console, written = log()
    monkeypatch.setattr(module, "SAY_EVERY_S", 3600.0)
    with Terminal(console) as shown:
        shown.start("gan", 1000)
        for step in range(1000):
            shown.advance(step + 1, "loss 1")
    assert written.getvalue() == "gan: 0 of 1000\n"


def test_a_log_goes_on_while_no_step_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that takes long is seen to be worked at."""
    console, written = log()
    monkeypatch.setattr(module, "SAY_EVERY_S", 0.0)
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    with Terminal(console) as shown:
        shown.start("gan", 10)
        deadline = time.monotonic() + 30
        while written.getvalue().count("gan: 0 of 10\n") < 3:
            assert time.monotonic() < deadline, "no line while nothing advanced"
            time.sleep(0.01)


def test_an_error_ends_the_showing() -> None:
    """An error inside goes through, and nothing is written after it."""
    console, written = log()
    shown = Terminal(console)

    def broken() -> None:
        with shown:
            shown.start("gan", 10)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert written.getvalue() == "gan: 0 of 10\n"
    assert not shown._beats.is_alive()


def test_a_terminal_shows_task_count_time_left_and_note() -> None:
    """The bars' lines have all of it."""
    written = io.StringIO()
    with Terminal(Console(file=written, width=200, force_terminal=True)) as shown:
        shown.plan({"gan": 60.0})
        shown.start("gan", 10)
        shown.advance(1, "loss 0.25")
        shown._bars.refresh()
    last = written.getvalue()
    for part in ("in all", "gan", "1/10", "left in all", "loss 0.25"):
        assert part in last


def test_one_bar_is_of_all_stages_and_never_goes_back() -> None:
    """Two bars at most: of all, full at the end alone, and of the task at hand; what has ended is a line."""
    written = io.StringIO()
    with Terminal(Console(file=written, width=200, force_terminal=True)) as shown:
        shown.start("looking at images", 3)
        shown.plan({"gan": 60.0, "head": 60.0})
        shares = []
        for task in ("gan", "head", "more"):
            shown.start(task, 4)
            shown.advance(4, "loss 1")
            bars = {task.description: task for task in shown._bars.tasks}
            assert list(bars) == ["in all", task]
            shares.append(bars["in all"].completed)
    assert shares == sorted(shares)
    (in_all,) = (task for task in shown._bars.tasks if task.description == "in all")
    assert in_all.completed == 1.0
    assert "gan: 4 of 4, 0 s  loss 1" in written.getvalue()


def test_what_an_error_ended_is_not_shown_as_whole() -> None:
    """The bar of all stays where it was."""
    shown = Terminal(Console(file=io.StringIO(), width=200, force_terminal=True))

    def broken() -> None:
        with shown:
            shown.plan({"gan": 60.0})
            shown.start("gan", 10)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert all(task.completed < 1.0 for task in shown._bars.tasks)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (250, "4 min 10 s"), (3900, "1 h 05 min")],
)
def test_times_for_people(seconds: float, text: str) -> None:
    """Seconds, minutes, hours."""
    assert time_text(seconds) == text
