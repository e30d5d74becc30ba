"""Which files of a folder are taken for images."""

from __future__ import annotations

from pathlib import Path

from sranogan_edge.image_files import begins_as_dicom, images_below

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
