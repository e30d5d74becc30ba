"""Secrets of a service: never in its settings file, and in no message."""

from __future__ import annotations

from pathlib import Path

import pytest

from sranogan_edge.commands.options import feeds_of, sinks_of
from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.redact import holds_password, without_password
from sranogan_edge.secret import read_secret
from sranogan_edge.settings.tree import PageSettings
from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings
from tests.support.settings_files import SMALL, refusals


@pytest.mark.parametrize(
    "entry",
    [
        '[[feeds]]\nuri = "rtsp://me:geheim@camera/1"\n',
        '[[feeds]]\nuri = "gst:rtspsrc location=rtsp://h user-id=me user-pw=geheim ! appsink"\n',
        '[[sinks]]\nuri = "mqtt://me:geheim@broker"\n',
        '[page]\ntoken = "geheim"\n',
        '[[sinks]]\nuri = "https://h/p"\nsecret = "geheim"\n',
        '[[sinks]]\nuri = "mqtt://h"\npassword = "geheim"\n',
    ],
)
def test_no_secret_in_the_file_and_none_in_the_message(tmp_path: Path, entry: str) -> None:
    """A password in the file is refused; the message tells where it belongs and does not repeat it."""
    (told,) = refusals(tmp_path, SMALL + entry)
    assert "only the service's user may read" in told
    assert "_file" in told
    assert "geheim" not in told


def test_secrets_come_from_files_or_the_environment(tmp_path: Path) -> None:
    """The first line of the named file counts, else the variable; an empty or missing file is refused."""
    (tmp_path / "t").write_text(" 0123456789abcdef \nmore\n")
    page = PageSettings("0.0.0.0:8080", tmp_path / "t").address({"SRANOGAN_PAGE_TOKEN": "other"})
    assert page is not None
    assert page.token == "0123456789abcdef"
    other = PageSettings("127.0.0.1:80").address({"SRANOGAN_PAGE_TOKEN": "f" * 16})
    assert other is not None
    assert other.token == "f" * 16
    with pytest.raises(SettingsError, match="needs a token"):
        PageSettings("0.0.0.0:8080").address({})
    for content in (b"\n", b"\xff\xff"):
        (tmp_path / "t").write_bytes(content)
        with pytest.raises(SettingsError, match="secret"):
            read_secret(tmp_path / "t", "X", {"X": "y"})
    with pytest.raises(SettingsError, match="No such file"):
        read_secret(tmp_path / "none", "X", {"X": "y"})


def test_a_camera_password_joins_the_address_only(tmp_path: Path) -> None:
    """The address that is opened holds the password, escaped; the settings and their text do not."""
    (tmp_path / "p").write_text("a/b@c d\n")
    feed = VideoFeedSettings("rtsp://me@camera:554/1?x=@", password_file=tmp_path / "p")
    assert feed.address() == "rtsp://me:a%2Fb%40c%20d@camera:554/1?x=@"
    assert "a/b" not in repr(feed)


def test_passwords_are_found_and_hidden() -> None:
    """Users and ports are no passwords."""
    assert holds_password("rtsp://u:p@h:1/x")
    assert not holds_password("rtsp://u@h:1/x")
    assert not holds_password("https://h:443/a@b")
    assert without_password("rtsp://u:p@h:1/x user-pw=3 !") == "rtsp://u:...@h:1/x user-pw=... !"
    assert without_password("'https://h/p?token=3' and") == "'https://h/p?...' and"
    assert without_password("dicom:11112?calling=A") == "dicom:11112?calling=A"


def test_a_place_that_is_named_twice_is_told_without_its_secrets() -> None:
    """Two that differ in a query only are two; of one that stands twice, password and query are not shown."""
    camera = "rtsp://me:geheim@camera/1?x=geheim"
    with pytest.raises(SettingsError, match=r"rtsp://me:\.\.\.@camera/1\?\.\.\. is named twice") as twice:
        feeds_of([camera, camera], None, None)
    assert "geheim" not in str(twice.value)
    hooks = [f"https://h/p?token={token}" for token in "ab"]
    assert sinks_of(hooks) == tuple(WebhookSinkSettings(hook) for hook in hooks)
    with pytest.raises(SettingsError, match=r"https://h/p\?\.\.\. is named twice"):
        sinks_of([*hooks, hooks[0]])
