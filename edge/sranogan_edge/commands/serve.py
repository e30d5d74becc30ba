"""``sranogan-serve``: parse, call, return an exit code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sranogan_edge.commands.scoring_options import (
    Backend,
    BudgetMs,
    BundleKey,
    CalibrationFile,
    CalibrationKey,
    Domain,
    HeatThreshold,
    MaxPixels,
    Steps,
    Threads,
)
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.errors import ExitCode, SranoganError
from sranogan_edge.log import LogSettings, logging_to_stderr
from sranogan_edge.terminal import Command, Version, main, run
from sranogan_edge.uploads.limits import UploadSettings

if TYPE_CHECKING:
    from sranogan_edge.service.endpoint import EndpointSettings

EXIT_CODES = """
Exit codes: 0 it was told to stop; 1 something unexpected: an error of ours, with a traceback; 2 wrong
usage or settings, or the address cannot be listened on; 5 the bundle or the calibration was refused:
damaged, of another version, or its golden cases score otherwise here; 8 the backend that was asked for
is missing or fails, or no step budget is fast enough on it now; 130 interrupted while it started.
"""
_DEFAULTS = UploadSettings()
_log = logging.getLogger("sranogan_edge.commands.serve")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def serve(
    bundle: Annotated[Path, typer.Argument(help="The bundle that sranogan-export wrote (NAME.sranogan).")],
    host: Annotated[str, typer.Option(help="Name or address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 lets the system choose.")] = 8080,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that clients send as Authorization: Bearer TOKEN; needed where "
            "other machines can reach the address [default: SRANOGAN_PAGE_TOKEN]."
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate: HTTPS, with --tls-key.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Requests at once; one more is answered 429.")
    ] = _DEFAULTS.max_waiting,
    max_images: Annotated[int, typer.Option(min=1, help="Images in one request.")] = _DEFAULTS.max_images,
    max_image_bytes: Annotated[int, typer.Option(help="Of one image.")] = _DEFAULTS.max_image_bytes,
    max_request_bytes: Annotated[int, typer.Option(help="Of one request.")] = _DEFAULTS.max_request_bytes,
    max_held_bytes: Annotated[
        int, typer.Option(help="Of all images that wait, in memory.")
    ] = _DEFAULTS.max_held_bytes,
    backend: Backend = "auto",
    threads: Threads = 1,
    steps: Steps = None,
    budget_ms: BudgetMs = None,
    bundle_key: BundleKey = None,
    max_pixels: MaxPixels = None,
    heat_threshold: HeatThreshold = None,
    calibration: CalibrationFile = None,
    calibration_key: CalibrationKey = None,
    domain: Domain = True,
    limit_s: Annotated[
        float, typer.Option(help="Seconds that decoding one image may take.")
    ] = DecodingSettings().limit_s,
    log_format: Annotated[Literal["text", "json"], typer.Option(help="Of the log.")] = "text",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="The least that is logged.")
    ] = "info",
    version: Version = False,
) -> None:
    """Score the images that programs send to POST /v1/score, until SIGTERM or Ctrl-C.

    /openapi.json describes it; /readyz, /healthz and /metrics are on the same port, and KServe's v2 protocol.
    The bundle proves itself first, and /readyz says when.
    """

    def call() -> ExitCode:
        # A typing error is answered without these.
        from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
        from sranogan_edge.service.endpoint import EndpointSettings
        from sranogan_edge.settings.tree import PageSettings

        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        settings = EndpointSettings(
            bundle,
            PageSettings(address, token_file=token_file, tls_certificate=tls_cert, tls_key=tls_key),
            Loader(
                ScoringSettings(backend, threads, steps, budget_ms, bundle_key, max_pixels, heat_threshold),
                CalibrationSettings(calibration, calibration_key),
                DomainSettings() if domain else None,
            ),
            UploadSettings(max_waiting, max_images, max_image_bytes, max_request_bytes, max_held_bytes),
            DecodingSettings(limit_s=limit_s),
        )
        return _serve(settings, LogSettings(log_format, log_level))

    run(call)


def _serve(settings: EndpointSettings, log: LogSettings) -> ExitCode:
    from sranogan_edge.service.endpoint import serve_uploads

    with logging_to_stderr(log):
        try:
            return serve_uploads(settings)
        except SranoganError as error:
            if log.format == "text":
                raise
            _log.critical("%s", error)
            return error.exit_code


def serve_main() -> None:
    """Entry point of ``sranogan-serve``."""
    main(app, "sranogan-serve")


if __name__ == "__main__":
    serve_main()
