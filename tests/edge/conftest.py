"""What the device may lack, or have too little of: a disk that is quickly full, a GPU in software."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from numpy.typing import NDArray

from tests.support.page_tabs import ERRORS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from tests.support.disks import file_system

SERVICES = Path(__file__).parents[1] / "services"
SWIFTSHADER = SERVICES / "swiftshader.sh"
NOBODY = 65534
BARE = {"PATH": "/usr/bin:/bin"}  # PYTHONPATH is for the tests' own Python


@pytest.fixture(autouse=True)
def no_gpu_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests run alike on machines with and without a GPU: the tests of its path bring their own."""
    monkeypatch.setattr("sranogan_edge.detector.backend.DEVICES", ())
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a file system of 64 KiB."""
    with file_system("64k") as folder:
        yield folder


@pytest.fixture
def disk() -> Iterator[Path]:
    """Give a file system of 4 MiB."""
    with file_system("4m") as folder:
        yield folder


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Give a folder, and be a user for whom files of mode 0 are closed: root may read everything."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        was = os.geteuid()
        if was == 0:
            os.chown(folder, NOBODY, -1)
            os.seteuid(NOBODY)
        yield Path(folder)
        os.seteuid(was)


@pytest.fixture(scope="session")
def swiftshader() -> dict[str, str]:
    """Give the environment of a process that finds a GPU: one in software, fetched from Debian once.

    Without it the tests are skipped, or fail where SRANOGAN_REQUIRE_SWIFTSHADER is set (CI does so).
    """
    try:
        done = subprocess.run(["bash", SWIFTSHADER], capture_output=True, text=True, timeout=300, check=False)
        missing = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        missing = str(error)
    if missing:
        say = pytest.fail if os.environ.get("SRANOGAN_REQUIRE_SWIFTSHADER") else pytest.skip
        say(f"no Vulkan driver in software: {missing}")
    folder = Path(done.stdout.strip())
    driver = str(folder / "vk_swiftshader_icd.json")
    return {**os.environ, "VK_ICD_FILENAMES": driver, "LD_LIBRARY_PATH": str(folder)}


REAL_SERVICES = {"service", "gst_python"}  # fixtures; a test that needs one of them is marked "services"


@pytest.hookimpl(tryfirst=True)  # before "-m" chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests with real servers and clients: ``make test-services`` runs these."""
    for item in items:
        if REAL_SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)


def without_service(what: str) -> NoReturn:
    """Skip a test for want of a service, or fail it where SRANOGAN_REQUIRE_SERVICES is set."""
    say = pytest.fail if os.environ.get("SRANOGAN_REQUIRE_SERVICES") else pytest.skip
    say(f"no {what} here: run tests/services/install.sh")


@pytest.fixture(scope="session")
def service_path() -> str:
    """Give the PATH on which the services are; ``make test-services`` fetches them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    fetched = os.environ.get("SRANOGAN_SERVICES") or str(cache / "sranogan" / "services")
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", f"{fetched}/commands"])


@pytest.fixture(scope="session")
def service(service_path: str) -> Callable[[str], str]:
    """Give a function that finds a program of a service (DCMTK, Orthanc, Mosquitto, Chromium ...)."""

    def find(name: str) -> str:
        return shutil.which(name, path=service_path) or without_service(name)

    return find


@pytest.fixture(scope="module")  # not longer: asyncio finds a loop of Playwright's while it is there
def chromium(service: Callable[[str], str]) -> Iterator[Browser]:
    """Give a headless Chromium."""
    reason = "playwright is not installed: pip install playwright"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=service("chromium"), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Give a Chromium; a test in which the page's script raised an error fails."""
    ERRORS.clear()
    yield chromium
    assert not ERRORS


@pytest.fixture(scope="session")
def gst_python(service_path: str) -> str:
    """Give a Python that has GStreamer's RTSP server: Debian's own, or the one that install.sh unpacked."""
    need = 'import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import GstRtspServer'
    for python in ("/usr/bin/python3", shutil.which("gst-python", path=service_path)):
        with contextlib.suppress(OSError):
            if python and not subprocess.run([python, "-c", need], capture_output=True, env=BARE).returncode:
                return python
    return without_service("RTSP server for GStreamer (gir1.2-gst-rtsp-server-1.0)")


@pytest.fixture(scope="session")
def make_dicom() -> Callable[..., bytes]:
    """Give a function that writes an image as the bytes of a DICOM file, as a scanner would."""
    pydicom = pytest.importorskip("pydicom")

    def write(
        pixels: NDArray[Any], transfer_syntax: str = "ExplicitVRLittleEndian", **attributes: Any
    ) -> bytes:
        """Give a DX object of ``pixels`` ``(H, W)``, ``(H, W, 3)`` or ``(F, H, W)``.

        ``attributes`` replace elements by keyword; None leaves one out.
        """
        uid, stored = pydicom.uid, pixels.dtype.itemsize * 8
        colour = pixels.shape[-1] == 3 and pixels.ndim == 3
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = getattr(uid, transfer_syntax)
        values = {
            "SOPClassUID": uid.DigitalXRayImageStorageForPresentation,
            "SOPInstanceUID": uid.generate_uid(),
            "StudyInstanceUID": uid.generate_uid(),
            "SeriesInstanceUID": uid.generate_uid(),
            **{"PatientID": "P1", "PatientName": "Doe^Jane", "StudyID": "1", "SeriesNumber": 1},
            **{"Modality": "DX", "StudyDate": "20240102", "StudyTime": "030405", "InstanceNumber": 1},
            **{
                "PatientBirthDate": "",
                "PatientSex": "O",
                "AccessionNumber": "A1",
                "ReferringPhysicianName": "",
            },
            "Rows": pixels.shape[-3 if colour else -2],
            "Columns": pixels.shape[-2 if colour else -1],
            "SamplesPerPixel": 3 if colour else 1,
            "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
            **{"BitsAllocated": stored, "BitsStored": stored, "HighBit": stored - 1},
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            **({"PlanarConfiguration": 0} if colour else {}),
            **({"NumberOfFrames": len(pixels)} if pixels.ndim == 3 and not colour else {}),
            "PixelData": pixels.tobytes(),
            **attributes,
        }
        if attributes.get("BitsStored") is not None:
            values["HighBit"] = attributes.get("HighBit", attributes["BitsStored"] - 1)
        for keyword, value in values.items():
            if value is not None:
                setattr(dataset, keyword, value)
        if "PixelData" in dataset:
            dataset["PixelData"].VR = "OW" if stored == 16 else "OB"
            dataset["PixelData"].is_undefined_length = dataset.file_meta.TransferSyntaxUID.is_encapsulated
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    return write
