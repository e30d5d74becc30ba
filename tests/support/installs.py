"""Environments and indexes of their own, to install into and from."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LISTS = {
    "dev": REPOSITORY / "requirements" / "dev.txt",
    "run": REPOSITORY / "requirements" / "run.txt",
    "device": REPOSITORY / "edge" / "deploy" / "requirements.txt",
    "jetson": REPOSITORY / "edge" / "deploy" / "requirements-jetson.txt",
}
LATER = "9999.0"  # a version that every pinned package has by the time somebody installs
BARE = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and give what it printed; a failure shows both its streams."""
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, env=env or BARE, cwd=cwd or REPOSITORY
    )
    assert done.returncode == 0, f"{arguments} left with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def write_wheel(folder: Path, name: str, version: str, metadata: str = "", module: str = "") -> Path:
    """Write a wheel of one module that may have more ``metadata`` lines, such as requirements."""
    stem = re.sub(r"[-.]+", "_", name)
    path = folder / f"{stem}-{version}-py3-none-any.whl"
    files = {
        f"{module or stem}.py": f"VERSION = {version!r}\n",
        f"{stem}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + metadata,
        f"{stem}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}-{version}.dist-info/RECORD"
    rows = [f"{at},sha256={_digest(text)},{len(text.encode())}" for at, text in files.items()]
    files[record] = "\n".join([*rows, f"{record},,", ""])
    with zipfile.ZipFile(path, "w") as archive:
        for at, text in files.items():
            archive.writestr(at, text)
    return path


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def pinned(listed: Path) -> list[str]:
    """Return the names of a compiled list."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", listed.read_text(encoding="utf-8"), re.MULTILINE)


def with_links(folder: Path) -> dict[str, str]:
    """Return the process's variables with ``folder`` as a further place that pip finds packages in."""
    links = [str(folder), BARE.get("PIP_FIND_LINKS", "")]
    return {**BARE, "PIP_FIND_LINKS": " ".join(filter(None, links)), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
