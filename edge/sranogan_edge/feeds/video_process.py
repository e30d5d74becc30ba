"""The runner's side of the decoder's process: start it, ask for frames, see that it hangs, kill it."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.video_counts import HEADER_BYTES, Counters
from sranogan_edge.image.frame import Frame, Photometric

__all__ = ["WORKER", "VideoProcess", "WorkerGone"]

WORKER = (sys.executable, "-m", "sranogan_edge.feeds.video_worker")
REAPING_S = 5.0  # a process that hangs inside a driver may not even die
CHUNK_BYTES = 65536
_TALKATIVE = {"OPENCV_FFMPEG_DEBUG": "1", "OPENCV_FFMPEG_LOGLEVEL": "24"}  # warnings: why it cannot be opened


class WorkerGone(Exception):  # noqa: N818 - the feed starts another one; users never meet it
    """The process ended, or answered that it cannot go on; the message says why, ``reason`` of which kind."""

    def __init__(self, message: str, reason: str = "decoder") -> None:
        super().__init__(message)
        self.reason = reason


class VideoProcess:
    """One decoder process and the memory that it shares with the runner.

    The memory has no name: it is gone with the two processes, however they end.
    """

    def __init__(self, task: dict[str, Any], max_bytes: int, command: Sequence[str] = WORKER) -> None:
        """Start ``command`` on ``task``; frames take at most ``max_bytes``."""
        if sys.platform == "win32":
            raise SettingsError("video feeds need Linux or macOS: on Windows, score files instead")
        size = HEADER_BYTES + max_bytes
        descriptor = _anonymous_file(size)
        try:
            self._memory = mmap.mmap(descriptor, size)
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env={**os.environ, **_TALKATIVE},
            )
        finally:
            os.close(descriptor)
        self.counters = Counters(self._memory)
        self._unread = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        with contextlib.suppress(BrokenPipeError):  # already dead: the next answer says so
            self._send(json.dumps({**task, "memory": descriptor, "bytes": size}))

    def ask(self) -> None:
        """Wish for the next frame.

        Raises:
            WorkerGone: it ended.
        """
        try:
            self._send("")
        except OSError as error:
            raise WorkerGone(self._ending()) from error

    def answer(self, timeout_s: float) -> dict[str, Any] | None:
        """Return its next message; None where there was none in time.

        Raises:
            WorkerGone: it ended, or answered what is no message.
        """
        while b"\n" not in self._unread:
            if not self._selector.select(timeout_s):
                return None
            chunk = os.read(self._output, CHUNK_BYTES)
            if not chunk:
                raise WorkerGone(self._ending())
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            message = json.loads(line)
            return dict(message)
        except (ValueError, TypeError) as error:
            raise WorkerGone(f"the decoder answered {line[:80]!r}, which is no message") from error

    def frame(self, stated: dict[str, Any], source: str) -> Frame:
        """Copy the frame that a message describes out of the shared memory."""
        shape, dtype = tuple(stated["shape"]), np.dtype(stated["dtype"])
        count = int(np.prod(shape))
        pixels = np.frombuffer(self._memory, dtype, count, offset=HEADER_BYTES).reshape(shape).copy()
        kind = Photometric.RGB if pixels.ndim == 3 else Photometric.MONOCHROME2
        return Frame(pixels, dtype.itemsize * 8, kind, source=source)

    def kill(self) -> None:
        """End it at once; may be called twice and from any thread."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REAPING_S)

    def release(self) -> None:
        """Kill it and close the pipes; nothing may be asked after."""
        self.kill()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    @property
    def pid(self) -> int:
        """Number of the decoder's process."""
        return self._process.pid

    @property
    def _output(self) -> int:
        assert self._process.stdout
        return self._process.stdout.fileno()

    def _send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def _ending(self) -> str:
        try:
            code = self._process.wait(REAPING_S)
        except subprocess.TimeoutExpired:
            return "the decoder's process closed its output"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the decoder's process {how}"


def _anonymous_file(size: int) -> int:
    """Return a descriptor of a file without a name; only pages that were written take room."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("sranogan-frames")
    else:  # macOS
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
