"""The runner's side of the process that decodes: one, kept warm, and another in its place when it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.decoding.film import FilmRead, Wanted, read_film
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.decoding.memory import Filled
from sranogan_edge.decoding.messages import Line, film_of, question, receive, send
from sranogan_edge.errors import DecoderMissingError, DecodingError, ImageError
from sranogan_edge.image.decode import cannot_be_read, check_file
from sranogan_edge.image.film import FilmFields
from sranogan_edge.runtime.threads import of_numpy

__all__ = ["WORKER", "Decoder", "has_processes"]

WORKER = "sranogan_edge.decoding.worker"
START_S = 60.0  # loading the decoders takes a second; a device may be busy
REAPING_S = 5.0  # a process that hangs inside the kernel may not even die
PULSE_S = 1.0
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)  # memory ran out, or somebody did it: the film may be sound
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    # glibc keeps what a film took for the next one: fresh pages cost more than the rest of the way here
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
    **of_numpy(),
}
_NOT_STARTED = "the process that decodes films cannot be started"
_log = logging.getLogger(__name__)


def has_processes() -> bool:
    """Whether this system has what the decoder's process needs (Linux has it)."""
    return hasattr(os, "memfd_create") and hasattr(socket, "send_fds")


class _Ended(Exception):  # noqa: N818 - never leaves this module
    """The process is gone, or has to go."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code


class _Fault(Exception):  # noqa: N818 - never leaves this module
    """What failed there is no fault of the film."""


class Decoder:
    """Reads films in a process of its own; to be used by several threads, one film at a time.

    Where the system has no such processes (:func:`has_processes`), in this one.
    """

    def __init__(self, settings: DecodingSettings | None = None) -> None:
        """Nothing is started yet (:meth:`warm`)."""
        self.settings = settings or DecodingSettings()
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def warm(self) -> None:
        """Start the process, without waiting until it is ready; where that fails, the first film tells."""
        if has_processes():
            with self._lock, contextlib.suppress(DecoderMissingError):
                self._running()

    def make_ready(self, pulse: Callable[[], None] = lambda: None) -> None:
        """Have a process that takes films now; ``pulse`` is called about each second meanwhile.

        Raises:
            DecoderMissingError: the process cannot be started.
        """
        if has_processes() and not self.is_ready:
            with self._lock:
                self._ready_process(pulse)

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none now."""
        process = self._process
        return process.pid if process else None

    @property
    def is_ready(self) -> bool:
        """Whether the process is there and has said that it takes films."""
        process = self._process
        return process is not None and process.ready and process.is_alive

    def read(self, path: Path, wanted: Wanted, pulse: Callable[[], None] = lambda: None) -> FilmRead:
        """Read the file at ``path``; ``pulse`` is called about each second meanwhile.

        What ends the process, or takes too long in it, is the film's error (:class:`DecodingError`), and the
        next film has another process. What was ended from outside is read a second time.

        Raises:
            OSError: the file cannot be opened.
            DecoderMissingError: the process cannot be started.
            RuntimeError: what failed is no fault of the film.
        """
        with path.open("rb") as file:
            return self.read_open(file, wanted, pulse)

    def read_open(self, file: BinaryIO, wanted: Wanted, pulse: Callable[[], None] = lambda: None) -> FilmRead:
        """Read an open file, which may have no name, from its beginning, as :meth:`read` does."""
        if not has_processes():
            file.seek(0)
            return read_film(file, wanted)
        with self._lock:
            try:
                return self._asked(file, wanted, pulse)
            except _Ended as ended:
                if ended.code is None or -ended.code not in _FROM_OUTSIDE:
                    return _refused(wanted, ended)
            _log.warning("%s: its decoder was ended from outside; it is decoded again", wanted.source)
            try:
                return self._asked(file, wanted, pulse)
            except _Ended as ended:
                return _refused(wanted, ended)

    def read_or_refuse(self, path: Path, wanted: Wanted) -> FilmRead:
        """Read as :meth:`read` does; that a file is gone or may not be read is an image's error, too."""
        try:
            check_file(path, wanted.source)
            return self.read(path, wanted)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            return FilmRead(FilmFields(), error=cannot_be_read(wanted.source, error))
        except ImageError as error:
            return FilmRead(FilmFields(), error=error)

    def close(self) -> None:
        """End the process; the next film would start another one. Waits for the film in hand."""
        with self._lock:
            self._end()

    def _ready_process(self, pulse: Callable[[], None]) -> _Process:
        """The process, once it takes films; raises DecoderMissingError where none can be had."""
        try:
            process = self._running()
            process.wait_until_ready(pulse)
        except _Ended as ended:
            self._end()
            raise DecoderMissingError(f"{_NOT_STARTED}: {ended}") from ended
        except BaseException:
            self._end()
            raise
        return process

    def _running(self) -> _Process:
        if self._process and not self._process.is_alive:  # nothing was in hand
            self._end()
        if self._process is None:
            self._process = _Process(self.settings)
        return self._process

    def _end(self) -> None:
        if self._process:
            self._process.end()
        self._process = None

    def _asked(self, file: BinaryIO, wanted: Wanted, pulse: Callable[[], None]) -> FilmRead:
        process = self._ready_process(pulse)
        os.lseek(file.fileno(), 0, os.SEEK_SET)  # the other process reads on where this one, or it, was
        try:
            line = {**question(wanted), "again": process.filled.again}
            said, memory = process.ask(line, file.fileno(), self.settings.limit_s, pulse)
        except BaseException:
            self._end()
            raise
        try:
            for level, name, text in said.get("log", ()):
                logging.getLogger(str(name)).log(int(level), "%s", text)
            if "fault" in said:
                raise _Fault(str(said["fault"]))
            if memory is not None:
                process.filled.map(memory)
            return film_of(said, process.filled.lend(int(said.get("bytes", 0))), wanted.source)
        except _Fault as fault:
            raise RuntimeError(str(fault)) from None
        except Exception as error:  # whatever may be made of an answer by what took the process over
            self._end()
            raise _Ended(f"answered what is no answer ({type(error).__name__}: {error})") from error
        finally:
            if memory is not None:
                os.close(memory)
            if said.get("worn"):
                self._end()


class _Process:
    """One process and the channel to it."""

    def __init__(self, settings: DecodingSettings) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise DecoderMissingError(f"{_NOT_STARTED}: {error}") from error
        numbers = [str(theirs.fileno()), str(settings.memory_bytes), str(settings.limit_s)]
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", WORKER, *numbers],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the runner, which ends it
                env={**os.environ, **_ENVIRONMENT},
            )
        except OSError as error:
            ours.close()
            raise DecoderMissingError(f"{_NOT_STARTED}: {error}") from error
        finally:
            theirs.close()
        self.pid = self._child.pid
        self._channel, self.ready = ours, False
        self.filled = Filled()

    def wait_until_ready(self, pulse: Callable[[], None]) -> None:
        """Return once it takes questions; raises _Ended where it ends, or does not within ``START_S``."""
        if not self.ready:
            self._answer(START_S, pulse)
            self.ready = True

    def ask(
        self, line: Line, file: int, limit_s: float, pulse: Callable[[], None]
    ) -> tuple[Line, int | None]:
        """Ask, and return its answer with the memory that it filled; raises _Ended where none comes."""
        try:
            send(self._channel, line, file)
        except OSError as error:
            raise self._ending() from error
        return self._answer(limit_s, pulse)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def end(self) -> None:
        """Kill it."""
        self._child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(REAPING_S)
        self._channel.close()

    def _answer(self, limit_s: float, pulse: Callable[[], None]) -> tuple[Line, int | None]:
        deadline = time.monotonic() + limit_s
        while (left := deadline - time.monotonic()) > 0:
            self._channel.settimeout(min(left, PULSE_S))
            try:
                found = receive(self._channel)
            except TimeoutError:
                pulse()
                continue
            except ConnectionError as error:
                raise self._ending() from error
            except (ValueError, OSError) as error:
                raise _Ended(f"answered what is no answer ({error})") from error
            if found is None:
                raise self._ending()
            return found
        raise _Ended(f"was ended after {limit_s:g} s")

    def _ending(self) -> _Ended:
        try:
            code = self._child.wait(REAPING_S)
        except subprocess.TimeoutExpired:
            return _Ended("closed its channel")
        if -code == signal.SIGXCPU:
            return _Ended("was ended: it took more seconds of a core than it may", code)
        return _Ended(f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}", code)


def _refused(wanted: Wanted, ended: _Ended) -> FilmRead:
    error = DecodingError(
        f"{wanted.source}: the process that decodes it {ended}. Send or export it again; where it is genuine "
        "and only large, raise decoding.limit_s and decoding.memory_bytes."
    )
    _log.error("%s", error)
    return FilmRead(FilmFields(), error=error)
