r"""Pictures of the live page for the documentation: phantoms, scored by a real bundle, in a real Chromium.

::

    python -m benchmarks.pages.page_pictures phantom-int8.sranogan --out docs/images

Needs ``pip install playwright`` and Debian's chromium. Feeds, alarms and the photograph are made up; scores,
reconstructions, heat maps and times are the bundle's on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.detection.bad_input_cases import photographs
from keras_sranogan.data.phantom import LESIONS, render_abnormal, render_normal
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.open import open_detector
from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.page.access import Address
from sranogan_edge.page.board import Board
from sranogan_edge.page.server import serving
from sranogan_edge.results.line import result_line
from sranogan_edge.scoring.foreign import DomainRule
from sranogan_edge.scoring.statistics import STATISTICS, statistics_of

SEED, SITE_NORMALS, SHOWN = 23, 120, 60
ALARMS = (
    "camera:/dev/video0: no frame for 12 s",
    *(
        f"dicom:11112: {what} than in the calibration: half of the last 100 images above {now}, "
        f"of its normals above {usual}"
        for what, now, usual in (
            ("mean brightness is lower", "0.31", "0.48"),
            ("contrast is lower", "0.12", "0.21"),
            ("likeness to the mean normal image is lower", "0.71", "0.93"),
            ("score is higher", "0.94", "-0.22"),
        )
    ),
)


@dataclass(frozen=True)
class Shot:
    """One picture: what is on the board, the size of the window, the theme, and what was done before."""

    name: str
    width: int
    height: int
    alarm: bool = False
    scheme: str = "light"
    whole: bool = False
    slide: str = ""
    search: str = ""


SHOTS = (
    Shot("page", 1440, 960, slide="1.60"),
    Shot("page_alarm", 1440, 960, alarm=True),
    Shot("page_dark", 1440, 960, scheme="dark"),
    Shot("page_results", 1440, 760, search="dicom"),
    Shot("page_phone", 390, 844),
)


def films() -> Iterator[Frame]:
    """Phantoms as they could come: one in seven ill, one photograph."""
    flagged = SHOWN - 15  # the newest is to be one that is flagged
    for number in (*range(flagged), SHOWN - 1, *range(flagged + 1, SHOWN - 1), flagged):
        if number == SHOWN - 20:
            yield photographs()[0]
            continue
        ill, lesion = (
            number % 7 == 3,
            LESIONS[(number - SHOWN + 1) // 7 % len(LESIONS)],
        )  # ends with the first
        image = render_abnormal(SEED, number, lesion) if ill else render_normal(SEED, number)
        yield Frame(image.pixels, 8, Photometric.MONOCHROME2, source=f"phantom-{number:04}.png")


def site(detector: Detector) -> SiteCalibration:
    """A calibration by phantoms that are not shown."""
    bundle, rows = detector.bundle, []
    for number in range(SITE_NORMALS):
        pixels = render_normal(SEED, 10_000 + number).pixels
        frame = Frame(pixels, 8, Photometric.MONOCHROME2)
        rows.append(statistics_of(frame, detector.score(frame), bundle.density, bundle.preprocess))
    columns = {name: tuple(row[name] for row in rows) for name in STATISTICS if name in rows[0]}
    return SiteCalibration(bundle.sha256, bundle.steps, "-", 0.05, columns, "-", "phantoms")


def fill(detector: Detector, alarm: bool, rule: DomainRule) -> Board:
    """A board after all the films."""
    bundle, scorer = detector.bundle, Judge.of(detector).scorer
    about = {
        "bundle": f"phantom.sranogan · {bundle.sha256[:12]}",
        "search steps": str(bundle.steps),
        "backend": detector.backend.label,
    }
    own, limit = bundle.calibration, bundle.density.heat_limit
    board = Board(own, limit, about, on_threshold=lambda threshold, by: None)
    board.set_ready(True)
    for number, frame in enumerate(films()):
        verdict = detector.score(frame)
        answer = rule.judge(statistics_of(frame, verdict, bundle.density, bundle.preprocess))
        feed = "dicom:11112" if number % 3 else "camera:/dev/video0"
        file = frame.source or "holiday.png"
        line = result_line(file, verdict, scorer, None, out_of_domain=answer.message)
        board.scored(replace(line, feed=feed), verdict)
    return board


def show_feeds(board: Board, alarm: bool) -> None:
    """Put the feeds' health on the board, as of now."""
    now = time.time()
    camera = (
        FeedHealth("stalled", now - 12, 37, 2, "no frame for 12 s")
        if alarm
        else FeedHealth("running", now, 3, 0)
    )
    board.set_feeds({"camera:/dev/video0": camera, "dicom:11112": FeedHealth("waiting", now - 41)}, {})
    board.set_alarms(ALARMS if alarm else ())


def take(shot: Shot, url: str, out: Path) -> None:
    """Open ``url`` in Chromium and write the picture."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": shot.width, "height": shot.height},
            color_scheme="dark" if shot.scheme == "dark" else "light",
        )
        page.goto(url)
        page.wait_for_selector("#heat:not([hidden])")
        page.wait_for_selector("#list li:nth-child(6) img")
        if shot.slide:
            page.fill("#slider", shot.slide)
            page.locator("#slider").blur()
        if shot.search:
            page.fill("#q", shot.search)
            page.locator("#results").scroll_into_view_if_needed()
            page.evaluate("window.scrollTo(0, document.querySelector('#results').offsetTop - 10)")
        page.wait_for_timeout(1200)
        png = page.screenshot(full_page=shot.whole)
        browser.close()
    image = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))
    if not cv2.imwrite(str(out / f"{shot.name}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise OSError(f"{out / shot.name}.png cannot be written")


def main(
    bundle: Annotated[Path, typer.Argument(help="A bundle that was trained on phantoms.")],
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/images"),
) -> None:
    """Write the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    detector = open_detector(read_bundle(bundle), backend="xnnpack")
    rule = DomainRule.of(site(detector))
    boards = {alarm: fill(detector, alarm, rule) for alarm in (False, True)}
    for shot in SHOTS:
        show_feeds(boards[shot.alarm], shot.alarm)
        with serving(boards[shot.alarm], Address("127.0.0.1", 0)) as url:
            take(shot, url, out)


if __name__ == "__main__":
    typer.run(main)
