"""What a running service is told: one frozen tree of settings, whoever wrote it (a file, a command line).

``settings.read`` makes it from TOML and the environment, ``docs/guide/settings.md`` is generated from the
docstrings here and of what each feed and sink declares beside itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, ScoringSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.image.own_outputs import DEFAULT_OUT
from sranogan_edge.log import LogSettings
from sranogan_edge.option import Options, option
from sranogan_edge.secret import read_secret
from sranogan_edge.sinks.jsonl_files import Rotation
from sranogan_edge.sinks.sink import SinkSettings
from sranogan_edge.site.drift import DriftSettings
from sranogan_edge.spool.entry import SpoolLimits
from sranogan_edge.spool.retention import Retention

if TYPE_CHECKING:
    from sranogan_edge.page.access import Address

__all__ = [
    "PAGE_TOKEN",
    "PageSettings",
    "Settings",
    "SpoolSettings",
    "SwapSettings",
]


PAGE_TOKEN = "SRANOGAN_PAGE_TOKEN"


@dataclass(frozen=True)
class SpoolSettings(SpoolLimits):
    """Where objects wait on disk, and what is accepted.

    Attributes:
        folder: of the spool; on a disk of this machine, not on a network share. None is OUT/spool.
    """

    folder: Path | None = None


@dataclass(frozen=True)
class PageSettings:
    """The live page, and /metrics, /healthz, /readyz beside it.

    Attributes:
        serve: HOST:PORT to listen on, or PORT for this machine alone; none serves nothing.
        token_file: file with the token that visitors must know, needed where others can reach the address;
            none reads the environment variable SRANOGAN_PAGE_TOKEN.
    """

    serve: str | None = None
    token_file: Path | None = option(None, secret=True)

    def address(self, environ: Mapping[str, str] | None = None) -> Address | None:
        """Where to listen, with the token; None serves nothing.

        Raises:
            MissingExtraError: the packages of the extra ``page`` are not installed.
            SettingsError: no address, or no good token where one is needed.
        """
        if self.serve is None:
            return None
        with needs_extra("page", "the live page"):
            from sranogan_edge.page.access import parse_address
        return parse_address(self.serve, read_secret(self.token_file, PAGE_TOKEN, environ))


@dataclass(frozen=True)
class SwapSettings(Options):
    """A new bundle takes over without a stop.

    Attributes:
        every_s: seconds between two looks whether the bundle's file was replaced; none never looks.
        keep: bundles before this one that stay in the spool's folder, for a way back.
    """

    every_s: float | None = option(10.0, above=0)
    keep: int = option(2, least=1)


@dataclass(frozen=True)
class Settings:
    """All of a running service.

    Attributes:
        bundle: what sranogan-export wrote (NAME.sranogan).
        feeds: where images come from.
        out: folder for results.jsonl and heat maps.
        sinks: where results go beside results.jsonl.
        scoring: how an image is scored.
        calibration: of this site.
        domain: what is not like the training data; none leaves it out.
        drift: whether the feed still looks as at the calibration; none leaves it out.
        spool: where objects wait.
        results: how much of results.jsonl is kept.
        retention: how long finished objects stay in the spool.
        page: the live page.
        log: what is told.
        swap: of the bundle, without a stop.
    """

    bundle: Path
    feeds: tuple[FeedSettings, ...]
    out: Path = Path(DEFAULT_OUT)
    sinks: tuple[SinkSettings, ...] = ()
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    domain: DomainSettings | None = field(default_factory=DomainSettings)
    drift: DriftSettings | None = field(default_factory=DriftSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    results: Rotation = field(default_factory=Rotation)
    retention: Retention = field(default_factory=Retention)
    page: PageSettings = field(default_factory=PageSettings)
    log: LogSettings = field(default_factory=LogSettings)
    swap: SwapSettings = field(default_factory=SwapSettings)

    def __post_init__(self) -> None:
        writers = {(self.out / "results.jsonl").resolve(): "the runner"}
        for sink in self.sinks:
            if sink.file is None:
                continue
            file = sink.file.resolve()
            if file in writers:  # each would cut the other's lines
                raise SettingsError(
                    f"sinks: {sink.uri} writes to {file}, as {writers[file]} does. Name another place"
                )
            writers[file] = sink.uri

    @property
    def spool_folder(self) -> Path:
        """Where the spool is."""
        return self.spool.folder or self.out / "spool"
