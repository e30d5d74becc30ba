"""Images that wait: places, bytes, when to come again."""

from __future__ import annotations

import os
import threading

import pytest

from sranogan_edge.errors import NotReadyError, SettingsError, TooBusyError
from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.waiting import Upload, Uploads, new_file


def upload(uploads: Uploads, size: int = 10) -> Upload:
    """One that holds its bytes."""
    uploads.hold(size)
    return Upload("a.png", new_file(), size)


@pytest.fixture
def uploads() -> Uploads:
    """Give what takes two requests, and 2,048 bytes."""
    made = Uploads(
        UploadSettings(max_waiting=2, max_image_bytes=1024, max_held_bytes=2048, max_request_bytes=4000)
    )
    made.ready()
    return made


def test_places(uploads: Uploads) -> None:
    """One more than may be is refused, until one is free."""
    with uploads.place():
        with uploads.place(), pytest.raises(TooBusyError, match="2 requests wait already"), uploads.place():
            pass
        with uploads.place():
            assert uploads.inside == 2
    assert uploads.inside == 0


def test_bytes(uploads: Uploads) -> None:
    """So many are held, and no more, until some are let go."""
    first = upload(uploads, 1500)
    with pytest.raises(TooBusyError, match="1,500 bytes wait already"):
        uploads.hold(549)
    uploads.done(first)
    uploads.hold(2000)


def test_in_the_order_of_their_coming(uploads: Uploads) -> None:
    """The one that waits longest is next, and nothing waits for what is not there."""
    first, second = upload(uploads), upload(uploads)
    woken: list[int] = []
    uploads.wake = lambda: woken.append(uploads.waiting)
    uploads.put(first)
    uploads.put(second)
    assert woken == [1, 2]
    assert [uploads.take(), uploads.take(), uploads.take()] == [first, second, None]


def test_who_goes_leaves_nothing(uploads: Uploads) -> None:
    """One that is withdrawn is closed, where it waits still; where not, whoever took it closes it."""
    waits, taken = upload(uploads), upload(uploads)
    uploads.put(taken)
    assert uploads.take() is taken
    uploads.put(waits)
    uploads.withdraw(waits)
    uploads.withdraw(taken)
    assert (waits.file.closed, taken.file.closed, uploads.waiting) == (True, False, 0)
    assert not taken.answer.set_running_or_notify_cancel()
    uploads.done(taken)
    uploads.hold(2000)


def test_when_to_come_again(uploads: Uploads) -> None:
    """Retry-After is what waits, by the time that images take: from a second to a minute."""
    assert uploads.retry_after_s() == 1
    for _ in range(200):
        uploads.scored("normal", 4.0)
    for _ in range(3):
        uploads.put(upload(uploads))
    assert uploads.retry_after_s() == 12
    for _ in range(200):
        uploads.scored("normal", 1000.0)
    assert uploads.retry_after_s() == 60


def test_what_waits_is_answered_when_nothing_is_scored(uploads: Uploads) -> None:
    """While the device fails, what waits and what comes is told so; afterwards it goes on."""
    waits = upload(uploads)
    uploads.put(waits)
    uploads.not_ready("the GPU is gone")
    with pytest.raises(NotReadyError, match="the GPU is gone"):
        waits.answer.result(0)
    late = upload(uploads)
    with pytest.raises(NotReadyError):
        uploads.put(late)
    with pytest.raises(NotReadyError), uploads.place():
        pass
    assert uploads.why_not == "the GPU is gone"
    uploads.ready()
    uploads.put(late)
    assert uploads.take() is late


def test_at_the_end_who_is_inside_is_served(uploads: Uploads) -> None:
    """Nobody comes in any more; who has a place may still put images in, and then nothing is waited for."""
    with uploads.place():
        uploads.close()
        with pytest.raises(NotReadyError, match="it is stopping"), uploads.place():
            pass
        last = upload(uploads)
        uploads.put(last)
        assert uploads.take() is last
        waiter = threading.Thread(target=uploads.take, args=(60.0,))
        waiter.start()
    waiter.join(30)
    assert not waiter.is_alive()


def test_files_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are held in memory, or where the system has no such, in a file that nobody finds."""
    for _ in range(2):
        with new_file() as file:
            file.write(b"image")
            file.flush()
            assert os.stat(file.fileno()).st_nlink == 0
        monkeypatch.delattr(os, "memfd_create", raising=False)


@pytest.mark.parametrize("name", ["max_request_bytes", "max_held_bytes"])
def test_bounds_that_contradict_each_other(name: str) -> None:
    """An image that may be sent and never taken is an error of the settings."""
    with pytest.raises(SettingsError, match="max_image_bytes is 67,108,864"):
        UploadSettings(**{name: 2048})
