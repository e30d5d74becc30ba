"""A real archive for tests: Orthanc."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pydicom

from tests.support.dicom_archive import free_port, until


class Orthanc:
    """A real archive in a folder, that can be stopped and started again."""

    def __init__(self, program: str, folder: Path, **settings: Any) -> None:
        self.program, self.folder = program, folder
        self.dicom, self.http = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        known: dict[str, Any] = {
            **{"StorageDirectory": str(folder), "IndexDirectory": str(folder), "DicomAet": "ORTHANC"},
            **{"DicomPort": self.dicom, "HttpPort": self.http, "RemoteAccessAllowed": False},
            "DicomAlwaysAllowStore": True,
            **settings,
        }
        (folder / "orthanc.json").write_text(json.dumps(known))

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [self.program, str(self.folder / "orthanc.json")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert until(self.answers), "Orthanc does not answer"

    def answers(self) -> bool:
        """Whether its web server is there."""
        try:
            return isinstance(self.ask("/system"), dict)
        except OSError:
            return False

    def stop(self) -> None:
        """End it, and wait for that."""
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Its REST interface; bytes where the answer is no JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text

    def objects(self) -> list[pydicom.Dataset]:
        """All that it has."""
        names = self.ask("/instances")
        return [pydicom.dcmread(io.BytesIO(self.ask(f"/instances/{name}/file"))) for name in names]
