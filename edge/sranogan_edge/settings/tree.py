"""What a running service is told: one frozen tree of settings, whoever wrote it (a file, a command line).

``settings.read`` makes it from TOML and the environment, ``docs/guide/settings.md`` is generated from the
docstrings here and of what each feed and sink declares beside itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sranogan_edge.decoding.limits import DecodingSettings
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
from sranogan_edge.uploads.limits import UploadSettings

if TYPE_CHECKING:
    from sranogan_edge.page.access import Address

__all__ = [
    "PAGE_TOKEN",
    "PAGE_VIEWER_TOKEN",
    "PageSettings",
    "Settings",
    "SpoolSettings",
    "SwapSettings",
]


PAGE_TOKEN = "SRANOGAN_PAGE_TOKEN"
PAGE_VIEWER_TOKEN = "SRANOGAN_PAGE_VIEWER_TOKEN"


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
        token_file: file with the token of operators, who may change the threshold; a token is needed where
            others can reach the address. None reads the environment variable SRANOGAN_PAGE_TOKEN.
        viewer_token_file: file with the token of viewers, who change nothing; none reads
            SRANOGAN_PAGE_VIEWER_TOKEN.
        tls_certificate: PEM file; with tls_key the page speaks HTTPS, and nothing else.
        tls_key: PEM file, without a passphrase.
    """

    serve: str | None = None
    token_file: Path | None = option(None, secret=True)
    viewer_token_file: Path | None = option(None, secret=True)
    tls_certificate: Path | None = None
    tls_key: Path | None = option(None, secret=True)

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise SettingsError("TLS needs tls_certificate and tls_key; name both or none")

    def address(self, environ: Mapping[str, str] | None = None) -> Address | None:
        """Where to listen, with the token; None serves nothing.

        Raises:
            MissingExtraError: the packages of the extra ``page`` are not installed.
            SettingsError: no address, or no good token where one is needed.
        """
        if self.serve is None:
            return None
        with needs_extra("page", "the live page"):
            from sranogan_edge.page.access import Certificate, parse_address
        own = (
            Certificate(self.tls_certificate, self.tls_key) if self.tls_certificate and self.tls_key else None
        )
        token = read_secret(self.token_file, PAGE_TOKEN, environ)
        viewer = read_secret(self.viewer_token_file, PAGE_VIEWER_TOKEN, environ)
        return parse_address(self.serve, token, viewer, own)


@dataclass(frozen=True)
class SwapSettings(Options):
    """A new bundle takes over without a stop.

    Attributes:
        every_s: seconds between two looks whether the bundle's file was replaced; none never looks.
        keep: bundles before this one that stay in the spool's folder, for a way back.
        other_input: let a bundle take over that is for other images than the one in use: of another side or
            fit, or trained on other data.
    """

    every_s: float | None = option(10.0, above=0)
    keep: int = option(2, least=1)
    other_input: bool = False


@dataclass(frozen=True)
class Settings:
    """All of a running service.

    Attributes:
        bundle: what sranogan-export wrote (NAME.sranogan).
        feeds: where images come from.
        out: folder for results.jsonl and heat maps.
        sinks: where results go beside results.jsonl.
        scoring: how an image is scored.
        decoding: what reading one film or file may take.
        calibration: of this site.
        domain: what is not like the training data; none leaves it out.
        drift: whether the feed still looks as at the calibration; none leaves it out.
        spool: where objects wait.
        results: how much of results.jsonl is kept.
        retention: how long finished objects stay in the spool.
        page: the live page.
        uploads: what programs may send to the page's address, to be scored; none takes nothing.
        log: what is told.
        swap: of the bundle, without a stop.
    """

    bundle: Path
    feeds: tuple[FeedSettings, ...]
    out: Path = Path(DEFAULT_OUT)
    sinks: tuple[SinkSettings, ...] = ()
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    domain: DomainSettings | None = field(default_factory=DomainSettings)
    drift: DriftSettings | None = field(default_factory=DriftSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    results: Rotation = field(default_factory=Rotation)
    retention: Retention = field(default_factory=Retention)
    page: PageSettings = field(default_factory=PageSettings)
    uploads: UploadSettings | None = field(default_factory=UploadSettings)
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
