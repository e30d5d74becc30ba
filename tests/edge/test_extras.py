"""A package of an extra that is not there: one wording, with the package and the command that installs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.bundle.signature import sign
from sranogan_edge.errors import BackendError, MissingExtraError, SranoganError, UnreadableImageError
from sranogan_edge.extras import needs_extra
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.image.decode import decode_bytes
from sranogan_edge.runtime.onnx import OnnxGraph
from sranogan_edge.settings.tree import PageSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext

OBJECT = bytes(128) + b"DICM" + bytes(64)
KEY = b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"
WHERE = SinkContext(Path("/none"), environ={"SRANOGAN_WEBHOOK_SECRET": "0123456789abcdef"})
NEEDS: dict[str, tuple[str, str, type[SranoganError], Callable[[], object]]] = {
    "DICOM feed": ("pydicom", "dicom", MissingExtraError, lambda: feed_of("dicom:0").open()),
    "DICOM sink": ("pydicom", "dicom", MissingExtraError, lambda: sink_of("dicom://h:1/A").open(WHERE)),
    "MQTT": ("paho", "mqtt", MissingExtraError, lambda: sink_of("mqtt://h").open(WHERE)),
    "webhook": ("urllib3", "webhook", MissingExtraError, lambda: sink_of("https://h/x").open(WHERE)),
    "page": ("starlette", "page", MissingExtraError, lambda: PageSettings("127.0.0.1:0").address({})),
    "DICOM file": ("pydicom", "dicom", UnreadableImageError, lambda: decode_bytes(OBJECT, source="a.dcm")),
    "ONNX": ("onnxruntime", "onnx", BackendError, lambda: OnnxGraph(b"", name="x")),
}


def take_away(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the import of ``package`` fail as where it is not installed, also where our modules import it."""
    files = {
        name: Path(module.__file__).read_text(encoding="utf-8")
        for name, module in sys.modules.items()
        if name.startswith("sranogan_edge.") and module.__file__
    }
    gone, ours = {package}, set[str]()
    while gone:  # and the modules that import those, which may have been imported before
        found = {
            name
            for name, text in files.items()
            if any(
                f"from {one} import" in text or f"from {one}." in text or f"import {one}" in text
                for one in gone
            )
        }
        gone = found - ours
        ours |= gone
    theirs = {name for name in sys.modules if name.partition(".")[0] == package}
    for name in ours | theirs:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("part", NEEDS)
def test_a_package_that_is_not_there_is_named_with_its_command(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever needs it: the error is of its kind, names the package, and says how its extra is had."""
    package, extra, kind, use = NEEDS[part]
    take_away(package, monkeypatch)
    with pytest.raises(kind) as told:
        use()
    assert f"needs the package {package}" in str(told.value)
    assert "which is not installed. Run: " in str(told.value)
    assert f'pip install "./edge[{extra}]"' in str(told.value)


@pytest.mark.parametrize(
    ("part", "what"), [("DICOM sink", "a DICOM archive"), ("MQTT", "MQTT"), ("webhook", "a webhook")]
)
def test_it_is_said_what_a_sink_cannot_do(part: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In front, in the words of docs/guide/sinks.md."""
    package, _, kind, use = NEEDS[part]
    take_away(package, monkeypatch)
    with pytest.raises(kind, match=f"^{what} needs the package {package}"):
        use()


def test_signatures_name_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in PEM needs a package; a shared secret does not."""
    take_away("cryptography", monkeypatch)
    (tmp_path / "key.pem").write_bytes(KEY)
    with pytest.raises(MissingExtraError, match=r'needs the package cryptography.*"\./edge\[sign\]"'):
        sign(b"x", tmp_path / "key.pem")
    (tmp_path / "secret").write_bytes(np.arange(64, dtype=np.uint8).tobytes())
    assert sign(b"x", tmp_path / "secret")["algorithm"] == "hmac-sha256"


def test_what_is_installed_and_fails_says_why() -> None:
    """A library that cannot be loaded is told with its reason; an error of our own modules stays one."""
    with (
        pytest.raises(MissingExtraError, match=r"fails \(libfoo.so: cannot open\). Run: "),
        needs_extra("mqtt", "MQTT"),
    ):
        raise ImportError("libfoo.so: cannot open", name="paho")
    with pytest.raises(ModuleNotFoundError), needs_extra("mqtt", "MQTT"):
        import sranogan_edge.sinks.not_there  # type: ignore[import-not-found]  # noqa: F401
