"""``sranogan-serve``: what programs send is scored, until a signal comes."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sranogan_edge.alarms import Alarms
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.service.faults import Faults
from sranogan_edge.service.notify import Notifier
from sranogan_edge.service.report import about
from sranogan_edge.service.signals import stopped_by_signals
from sranogan_edge.settings.tree import PageSettings
from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.scoring import score_next
from sranogan_edge.uploads.waiting import Uploads

__all__ = ["EndpointSettings", "serve_uploads"]

_log = logging.getLogger(__name__)
LAST_S = 30.0  # for what is in hand at the end; systemd waits for 90
_TURN_S, _PAUSE_S = 1.0, 0.2  # at most, between two signs of life; while the device fails


@dataclass(frozen=True)
class EndpointSettings:
    """All of a running endpoint.

    Attributes:
        bundle: what sranogan-export wrote.
        page: where to listen, with tokens and TLS.
        loader: how the bundle is opened.
        uploads: what programs may send.
        decoding: what reading one image may take.
    """

    bundle: Path
    page: PageSettings
    loader: Loader = field(default_factory=Loader)
    uploads: UploadSettings = field(default_factory=UploadSettings)
    decoding: DecodingSettings = field(default_factory=DecodingSettings)


def serve_uploads(settings: EndpointSettings) -> ExitCode:
    """Serve until a signal comes; what is in hand then is answered.

    Raises:
        BundleError: the bundle is refused, or the calibration.
        BackendError: the backend is missing or fails.
        SettingsError: it cannot be listened on the address.
        MissingExtraError: the packages of the extra ``serve`` are not installed.
    """
    with needs_extra("serve", "scoring what programs send"):
        from sranogan_edge.page.server import serving_app
        from sranogan_edge.uploads.app import endpoint_app
        from sranogan_edge.uploads.connections import upload_connections
    address = settings.page.address()
    if address is None:
        raise SettingsError("name where to listen: HOST:PORT")
    endpoint = _Endpoint(settings)
    app = endpoint_app(endpoint.uploads, address, settings.bundle.stem, endpoint.about)
    with ExitStack() as parts:
        parts.callback(endpoint.decoder.close)
        endpoint.decoder.warm()  # while the bundle is proven
        parts.enter_context(stopped_by_signals(endpoint))
        how = upload_connections()
        served = serving_app(app, address, endpoint.alarms, how, name="scoring", must_listen=True)
        parts.enter_context(served)
        endpoint.run()
    return ExitCode.OK


class _Endpoint:
    """The thread that owns the detector."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self.alarms, self.decoder = Alarms(), Decoder(settings.decoding)
        self._faults, self._notifier = Faults(self.alarms), Notifier()
        self._stop = threading.Event()
        self.uploads = Uploads(settings.uploads)
        self.about: dict[str, str] = {}

    def stop(self) -> None:
        """Answer what is in hand, and end; from any thread."""
        self._stop.set()
        self.uploads.close()

    def reload(self) -> None:
        """Another bundle needs another start."""
        _log.warning("sranogan-serve takes another bundle at its next start alone")

    def run(self) -> None:
        """Load, prove, score until told to stop."""
        loader = self._settings.loader
        judge = loader.judge(loader.proven(self._settings.bundle))
        self.about |= about(judge, self._settings.bundle)
        self.uploads.ready()
        self._notifier.ready()
        _log.info("ready: %s", "; ".join(f"{name}: {value}" for name, value in self.about.items()))
        try:
            while not self._stop.is_set():
                self._alive()
                self._turn(judge)
            self._notifier.stopping()
            last = time.monotonic() + LAST_S
            while self.uploads.inside and time.monotonic() < last:
                self._turn(judge)
        finally:
            self.uploads.close()
            self.uploads.not_ready("it is stopping")

    def _turn(self, judge: Judge) -> None:
        pause_s = self._faults.pause_s
        if pause_s:
            if self._faults.device:
                self.uploads.not_ready(self._faults.device)
            time.sleep(min(pause_s, _PAUSE_S))
            return
        self.uploads.ready()
        score_next(self.uploads, judge, self.decoder, self._faults, timeout_s=_TURN_S, pulse=self._alive)

    def _alive(self) -> None:
        self.uploads.beat()
        self._notifier.alive()
