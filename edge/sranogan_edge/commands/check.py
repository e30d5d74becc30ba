"""``--check-config``: all that can be looked at without starting the service, and without leaving a trace."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.commands.check_parts import (
    Finding,
    State,
    existing_parent,
    folder_problem,
    limit_problem,
    look_at_feed,
    look_at_sink,
    port_problem,
    secret_findings,
)
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import SettingsError, SranoganError
from sranogan_edge.scoring.foreign import DomainRule, own_rule
from sranogan_edge.settings.folders import watch_problem
from sranogan_edge.settings.tree import Settings
from sranogan_edge.site.drift import DriftMonitor, DriftSettings, few_images
from sranogan_edge.spool.lock import RESULTS_LOCK, holder_of

__all__ = ["Finding", "check_settings"]


@dataclass(frozen=True)
class _Context:
    """What the checks need: the settings, the environment, and who holds the spool."""

    settings: Settings
    environ: Mapping[str, str] | None
    holder: str


def check_settings(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at every part; the service would start where no finding is an error.

    Args:
        settings: of the service.
        environ: where secrets stand; None is the process's own.
    """
    context = _Context(settings, environ, holder_of(settings.spool_folder))
    parts = (_models, _places, _feeds, _sinks, _page)
    return [finding for part in parts for finding in part(context)]


def _models(context: _Context) -> Iterator[Finding]:
    settings = context.settings
    loader = Loader(settings.scoring, settings.calibration, settings.domain)
    try:
        detector = loader.proven(settings.bundle)
    except SranoganError as error:
        yield Finding("bundle", str(settings.bundle), "error", str(error))
        return
    bundle, backend = detector.bundle, detector.backend
    value = f"{settings.bundle} (sha256 {bundle.sha256[:12]})"
    signed = "signed; " if settings.scoring.bundle_key_file else ""
    golden = f"{signed}{len(bundle.golden.scores)} golden cases hold"
    yield Finding("bundle", value, "ok", f"{golden}; {bundle.steps} search steps on {backend.label}")
    if not settings.scoring.bundle_key_file:
        yield Finding(
            "bundle_key_file",
            "none",
            "warning",
            "any bundle is taken: whoever may write to its folder decides what scores here. Sign bundles "
            "(sranogan-export --sign), and name the public key as scoring.bundle_key_file.",
        )
    if backend.fallback_reason:
        yield Finding("backend", settings.scoring.backend, "warning", backend.fallback_reason)
    file = settings.calibration.file
    if file is None:
        also = ", only whether this site's normals score higher" if settings.drift else ""
        yield Finding("calibration", "none", "note", f"the bundle's own; drift is not looked for{also}")
        yield _own_domain(settings, bundle)
        return
    try:
        judge = loader.judge(detector)
    except SranoganError as error:
        yield Finding("calibration", str(file), "error", str(error))
        return
    yield from _site(settings, judge)


def _own_domain(settings: Settings, bundle: Bundle) -> Finding:
    if settings.domain is None:
        return Finding("domain", "none", "note", "not looked for")
    rule = own_rule(bundle, settings.domain.rate)
    if rule is None:
        message = "foreign images are not looked for: the bundle lacks its normals' signs; calibrate"
        return Finding("domain", "", "note", message)
    return Finding("domain", "", "ok", f"by the bundle's own normals{'; ' * bool(rule.note)}{rule.note}")


def _site(settings: Settings, judge: Judge) -> Iterator[Finding]:
    assert judge.site is not None
    site = judge.site.calibration
    signed = "signed" if settings.calibration.key_file else "no key is named, so any is taken"
    fitted = f"densities adapted to {site.fitted}, " if site.density else ""
    message = f"{site.images} normals, {fitted}threshold {judge.threshold:.3f}; {signed}"
    yield Finding("calibration", str(settings.calibration.file), "ok", message)
    notes: tuple[tuple[str, object, Callable[[], str]], ...] = (
        ("drift", settings.drift, lambda: _note_of_drift(site, settings.drift)),  # type: ignore[arg-type]  # asked for below
        ("domain", settings.domain, lambda: DomainRule.of(site, settings.domain.rate).note),  # type: ignore[union-attr]  # asked for below
    )
    for what, wanted, note_of in notes:
        if wanted is None:
            yield Finding(what, "none", "note", "not looked for")
            continue
        try:
            note = note_of()
        except SettingsError as error:  # scoring goes on without it
            yield Finding(what, "", "warning", str(error))
        else:
            yield Finding(what, "", "note" if note else "ok", note or "the calibration has enough images")


def _note_of_drift(site: SiteCalibration, settings: DriftSettings) -> str:
    """Say how much so few images find; raises SettingsError where they can find nothing."""
    DriftMonitor(site, settings)
    return few_images(site)


def _places(context: _Context) -> Iterator[Finding]:
    settings = context.settings
    for what, folder, holder in (
        ("out", settings.out, holder_of(settings.out, RESULTS_LOCK)),
        ("spool", settings.spool_folder, context.holder),
    ):
        problem = folder_problem(folder)
        if problem:
            yield Finding(what, str(folder), "error", problem)
            continue
        free = shutil.disk_usage(existing_parent(folder)).free
        message = f"{free / 2**30:.1f} GiB free"
        if free < settings.spool.min_free_bytes:
            yield Finding(
                what, str(folder), "error", f"{message}: nothing would be accepted. Free some space."
            )
        elif holder:
            held = f"process {holder} holds it; stop that one before this one is started"
            yield Finding(what, str(folder), "note", held)
        else:
            yield Finding(what, str(folder), "ok", message)
    yield Finding("log", f"{settings.log.format}, {settings.log.level}")
    every = settings.swap.every_s
    message = "never" if every is None else f"looked for every {every:g} s, {settings.swap.keep} are kept"
    yield Finding("swap of the bundle", message)


def _feeds(context: _Context) -> Iterator[Finding]:
    for feed in context.settings.feeds:
        yield look_at_feed(feed, context.holder)
        if problem := limit_problem(feed, context.settings.spool):
            yield Finding("feed", str(feed), "warning", problem)
        if problem := watch_problem(context.settings, feed):
            yield Finding("feed", str(feed), "error", problem)
        yield from secret_findings(feed)


def _sinks(context: _Context) -> Iterator[Finding]:
    yield Finding("sink", f"{context.settings.out / 'results.jsonl'}")
    for sink in context.settings.sinks:
        yield look_at_sink(sink, context.environ)
        yield from secret_findings(sink)


def _page(context: _Context) -> Iterator[Finding]:
    page = context.settings.page
    if page.serve is None:
        yield Finding("page", "none", "note", "no page, no /metrics, no /healthz")
        return
    try:
        import sranogan_edge.page.server  # noqa: F401  # says which package is missing

        address = page.address(context.environ)
    except SranoganError as error:
        yield Finding("page", page.serve, "error", str(error))
        return
    assert address is not None
    problem = port_problem(address.host, address.port)
    state: State = "ok" if not problem else "note" if context.holder else "error"
    who = f"{problem} (by process {context.holder}, perhaps)" if problem and context.holder else problem
    token = "with a token" if address.has_token else "no token: for this machine alone"
    if not address.certificate and not address.is_local:
        state, plain = "warning", "plain HTTP: whoever is on the way reads the token. Name tls_certificate"
        yield Finding("page", f"{address.host}:{address.port}", state, plain)
        state = "ok" if not problem else "note" if context.holder else "error"
    yield Finding("page", f"{address.host}:{address.port}", state, who or token)
    yield from secret_findings(page)
