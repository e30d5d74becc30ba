"""The runner that hostile inputs are fed to: a watched folder, a DICOM receiver, and the page with tokens.

``python runner.py ROOT DICOM_PORT PAGE_PORT [CERTIFICATE KEY]``. All of it is real but the neural networks;
the tokens are in the environment.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.runner.killing.runner import settings_of, stand_in
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.log import logging_to_stderr
from sranogan_edge.service.run import serve_settings
from sranogan_edge.settings.tree import PageSettings, Settings
from sranogan_edge.spool.retention import Retention

KEPT_S, KEPT = 30.0, 300  # of what has ended: tens of thousands of files are fed


def settings(root: Path, dicom: int, page: int, own: tuple[Path, Path] | None) -> Settings:
    """What it runs by: the defaults but for times, so that an input takes seconds, and what is kept."""
    watched = settings_of(f"watch:{root / 'watched'}", root / "out", root / "spool")
    (folder,) = watched.feeds
    assert isinstance(folder, WatchFeedSettings)
    receiver = DicomFeedSettings(
        f"dicom:127.0.0.1:{dicom}",
        any_caller=True,
        max_associations=32,
        max_object_bytes=2**20,
        handshake_s=2.0,
        idle_s=2.0,
        pdu_s=2.0,
        max_association_s=30.0,
    )
    certificate, key = own or (None, None)
    return replace(
        watched,
        feeds=(replace(folder, keep_s=KEPT_S), receiver),
        page=PageSettings(f"127.0.0.1:{page}", tls_certificate=certificate, tls_key=key),
        retention=Retention(max_count=KEPT),
    )


def main() -> int:
    """Score until a signal comes."""
    root, dicom, page, *own = sys.argv[1:]
    pair = (Path(own[0]), Path(own[1])) if own else None
    found = settings(Path(root), int(dicom), int(page), pair)
    with logging_to_stderr(found.log):
        return int(serve_settings(found, judge=stand_in()))


if __name__ == "__main__":
    sys.exit(main())
