"""A worker of the local engine: a process with one interpreter, one detector and one decoder.

``python -m sranogan_edge.archive.worker CHANNEL`` scores the shards that come on the connection with that
number until the run is gone. It says of each image that it is scored, so that where it ends, the run knows at
which one; rows go back as an Arrow stream, and nothing is pickled.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from sranogan_edge.archive.item import Item
from sranogan_edge.archive.output import packed, table_of
from sranogan_edge.archive.scoring import Scoring
from sranogan_edge.archive.task import Task
from sranogan_edge.errors import SranoganError

__all__ = ["main", "say"]


def say(channel: Connection[Any, Any], **values: Any) -> None:
    """Send one message."""
    channel.send_bytes(json.dumps(values).encode())


def _work(channel: Connection[Any, Any], scoring: Scoring, asked: Mapping[str, Any]) -> None:
    rows = []
    for row in scoring.rows([Item.from_json(one) for one in asked["items"]]):
        rows.append(row)
        say(channel, moved=row["error_kind"] or "")
    say(channel, done=asked["number"])
    channel.send_bytes(packed(table_of(rows)))


def main() -> None:
    """Work until the run is gone."""
    channel: Connection[Any, Any] = Connection(int(sys.argv[1]))
    try:
        with Scoring(Task.from_json(json.loads(channel.recv_bytes()))) as scoring:
            say(channel, ready=scoring.judge.scorer.backend)
            while True:
                _work(channel, scoring, json.loads(channel.recv_bytes()))
    except SranoganError as error:
        say(channel, refused=[type(error).__name__, str(error)])


if __name__ == "__main__":
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the run is gone
        main()
