"""The tests of the shared examples know all of their folders."""

from __future__ import annotations

from tests.support.shared_cases import every_file_of, needs

FOLDERS = {"dicom", "files", "mqtt-acl", "settings", "training", "video"}


@needs("")
def test_every_folder_has_its_tests() -> None:
    """A new folder without expectations fails here."""
    assert {name.partition("/")[0] for name in every_file_of("")} == FOLDERS
