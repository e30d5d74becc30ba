"""Scoring an archive: the list goes ahead, workers score shard after shard, each is committed whole.

What is here holds for every engine. A run that was killed anywhere goes on when the same command is given
again: what is not committed is scored again, what is, is not.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sranogan_edge import __version__
from sranogan_edge.archive.engine import Died, Done, Engine, Event, Moved, Work
from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.archive.listing import Listing
from sranogan_edge.archive.open import open_source
from sranogan_edge.archive.output import unpacked
from sranogan_edge.archive.tally import Tally
from sranogan_edge.archive.task import Task
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.image.film import EVERY_FILM, FilmOptions

__all__ = ["ArchiveRun", "score_archive"]

DEATHS = 3  # of workers with one image in hand: it gets a row with an error
WAIT_S = 0.2
PART_IMAGES = 256


@dataclass(frozen=True)
class ArchiveRun:
    """What is asked for.

    Attributes:
        bundle: its file.
        source: the archive.
        out: the folder of the Parquet files.
        loader: backend, threads, steps, the site's calibration.
        films: which are asked for.
        heat: whether anomalous images have a picture with a heat map.
        measurements: whether what adapting densities needs is kept of each image.
        per_part: images of a part file.
        decoding: what one image may take.
    """

    bundle: Path
    source: str
    out: Path
    loader: Loader = field(default_factory=Loader)
    films: FilmOptions = EVERY_FILM
    heat: bool = False
    measurements: bool = False
    per_part: int = PART_IMAGES
    decoding: DecodingSettings = field(default_factory=DecodingSettings)


Tell = Callable[[Tally, Ledger], None]


def score_archive(
    run: ArchiveRun,
    engine_of: Callable[[Task], Engine],
    tell: Tell,
    done: Callable[[Ledger], None] = lambda _: None,
) -> Tally:
    """Score what is not scored yet; return what came out, of this run and those before.

    Args:
        run: what is asked for.
        engine_of: makes the engine.
        tell: is called several times a second, to show how far it is.
        done: is called once all is, before other runs are let in.

    Raises:
        SettingsError: ``run.out`` holds the scores of something else, or measurements of tiles are asked for.
        FeedError, DataError: the archive cannot be read, or holds no images.
        BundleError, BackendError: the bundle, or a worker, is refused.
        ResultsError: results cannot be written, or another run writes there.
    """
    if os.path.realpath(run.out) == os.path.realpath(run.source):
        raise SettingsError(f"--out {run.out} is the archive itself. Name another folder.")
    source = open_source(run.source, without=[run.out])
    digest = run.loader.tried(run.bundle)
    if run.measurements:
        _check_measurements(run)
    with Ledger(run.out, _about(run, source.identity, digest), run.per_part) as ledger:
        tally = Tally()
        for part in ledger.parts():
            tally.add_part(part)
        named = str(ledger.run["named"])
        task = Task(
            source=run.source,
            named=named,
            bundle=run.bundle,
            sha256=digest,
            loader=run.loader,
            films=run.films,
            heat=run.heat,
            measurements=run.measurements,
            decoding=run.decoding,
        )
        source = open_source(run.source, named=named, without=[run.out])
        with closing(engine_of(task)) as engine, closing(Listing(source, ledger)) as listing:
            _Master(ledger, listing, engine, tally).work(tell)
        if tally.rows != ledger.images:
            raise ResultsError(
                f"{run.out}: {ledger.images:,} images are listed and {tally.rows:,} rows are there: a part "
                "was changed. Score the archive into another folder."
            )
        done(ledger)
        return tally


def _check_measurements(run: ArchiveRun) -> None:
    """Raise SettingsError where an image has as many measurements as tiles: a row of hundreds of MB."""
    if read_bundle(run.bundle, run.loader.scoring.bundle_key_file).preprocess.tiled:
        raise SettingsError(
            f"{run.bundle} judges images in tiles, and what is measured of all tiles is too much for a row. "
            "Leave --keep-measurements out; for adapted densities give sranogan-calibrate --adapt a folder "
            "of normals."
        )


def _about(run: ArchiveRun, identity: str, digest: str) -> dict[str, Any]:
    """What has to be the same for rows to stand in one folder."""
    scoring, site = run.loader.scoring, run.loader.calibration.file
    about = {
        "source": identity,
        "named": run.source,
        "bundle": f"{run.bundle.name} ({digest[:12]})",
        "bundle_sha256": digest,
        "calibration_sha256": sha256(site.read_bytes()).hexdigest() if site else None,
        "version": __version__,
        "backend": scoring.backend,
        "steps": scoring.steps,
        "max_pixels": scoring.max_pixels,
        "domain": asdict(run.loader.domain) if run.loader.domain else None,
        "films": asdict(run.films),
        "heat": run.heat,
        "measurements": run.measurements,
        "decoding": asdict(run.decoding),
    }
    return dict(json.loads(json.dumps(about)))  # as it will be read


class _Master:
    """Hands out shards and commits what comes back."""

    def __init__(self, ledger: Ledger, listing: Listing, engine: Engine, tally: Tally) -> None:
        self._ledger, self._listing, self._engine, self._tally = ledger, listing, engine, tally
        self._next = 0  # the first shard that was never handed out
        self._again: deque[Work] = deque()
        self._hand: dict[int, Work] = {}
        self._deaths: Counter[tuple[int, int]] = Counter()

    def work(self, tell: Tell) -> None:
        """Work until all of the list is committed."""
        while True:
            ended = self._listing.ended
            while self._engine.wants() and (work := self._take()):
                self._hand[work.number] = work
                self._engine.submit(work)
            if ended and not self._hand and not self._again and self._next >= self._ledger.listed:
                tell(self._tally, self._ledger)
                return
            for event in self._engine.events(WAIT_S):
                self._heard(event)
            tell(self._tally, self._ledger)

    def _take(self) -> Work | None:
        if self._again:
            return self._again.popleft()
        while self._next < self._ledger.listed:
            number, self._next = self._next, self._next + 1
            if not self._ledger.is_done(number):
                return Work(number, self._ledger.items(number))
        return None

    def _heard(self, event: Event) -> None:
        if isinstance(event, Moved):
            self._tally.moved(event.number)
        elif isinstance(event, Done):
            self._commit(event)
        elif isinstance(event, Died):
            self._tally.lost(event.number)
            self._again.append(self._after_death(self._hand.pop(event.number), event))

    def _commit(self, done: Done) -> None:
        work, rows = self._hand.pop(done.number), unpacked(done.rows)
        if rows.num_rows != len(work.items):
            raise ResultsError(
                f"part {done.number}: {rows.num_rows} rows came back for {len(work.items)} images; nothing "
                "of it was written. Is the package on each machine the same?"
            )
        self._tally.commit(done.number, self._ledger.commit(done.number, rows))

    def _after_death(self, work: Work, died: Died) -> Work:
        """The same shard; without the image that ended its worker again and again."""
        if not 0 <= died.at < len(work.items):
            return work
        self._deaths[died.number, died.at] += 1
        if self._deaths[died.number, died.at] < DEATHS:
            return work
        items = list(work.items)
        item = items[died.at]
        items[died.at] = item.refused(
            f"{item.name}: the process that scored it ended {DEATHS} times ({died.why}). Send or export it "
            "again."
        )
        return replace(work, items=items)
