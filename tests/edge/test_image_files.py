"""Which files of a folder are taken for images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sranogan_edge.image_files import begins_as_dicom, images_below

NOBODY = 65534
DICOM_HEAD = bytes(128) + b"DICM"


def test_by_suffix_or_by_the_first_bytes(tmp_path: Path) -> None:
    """Scanners name DICOM files by number or UID; indexes, hidden files, texts and folders are no images."""
    for name, data in (
        ("b.PNG", b""),
        ("a/IM00001", DICOM_HEAD),
        ("a/1.2.840.10008.5", DICOM_HEAD),
        ("a/.hidden", DICOM_HEAD),
        ("a/DICOMDIR", DICOM_HEAD),
        ("a/dicomdir", DICOM_HEAD),
        ("a/short", DICOM_HEAD[:131]),
        ("notes.txt", b"x" * 200),
        (".c.png", b""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    found = [str(path.relative_to(tmp_path)) for path in images_below(tmp_path)]
    assert found == ["a/1.2.840.10008.5", "a/IM00001", "b.PNG"]


def test_what_cannot_be_read_is_no_dicom(tmp_path: Path) -> None:
    """A missing file and a folder are not; asking does not raise."""
    assert not begins_as_dicom(tmp_path / "none")
    assert not begins_as_dicom(tmp_path)


def test_a_folder_that_may_not_be_looked_into(tmp_path: Path) -> None:
    """It is told as such, and not as one without images."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from sranogan_edge.errors import FeedError; from sranogan_edge.image_files import check_place\n"
        "if os.geteuid() == 0: os.setresuid(*[int(sys.argv[2])] * 3)\n"
        "try: check_place(Path(sys.argv[1]))\n"
        "except FeedError as error: print(error)"
    )
    tmp_path.chmod(0o755)  # and looked up from inside: the folders above it are closed to others
    command = [sys.executable, "-c", script, folder.name, str(NOBODY)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "may not look into this folder" in told
