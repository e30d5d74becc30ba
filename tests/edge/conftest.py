"""What the device may lack, or have too little of: a disk that is quickly full, a GPU in software."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SWIFTSHADER = Path(__file__).parents[1] / "services" / "swiftshader.sh"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a file system of 64 KiB."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        try:
            done = subprocess.run(mount, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no mount command: {error}")
        if done.returncode:
            pytest.skip(f"mounting a small tmpfs is not allowed here: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


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
