"""Settings and secrets as the editors of other systems save them: read where certain, else refused."""

from __future__ import annotations

import codecs
import subprocess
import sys
from pathlib import Path

import pytest

from sranogan_edge.bundle.signature import sign
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.secret import read_secret
from sranogan_edge.settings.read import read_settings
from sranogan_edge.text import is_escape_trouble

SCORE = Path(sys.executable).with_name("sranogan-score")
TEXT = 'bundle = "b.sranogan"\nout = "/srv/Röntgen"\n[[feeds]]\nuri = "watch:in"\n'
SECRET = "0123456789abcdéf"
CRLF = TEXT.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        CRLF.encode(),
        codecs.BOM_UTF8 + CRLF.encode(),
        TEXT.replace("\n", "\r\n", 2).encode(),
        TEXT.rstrip().encode(),
    ],
)
def test_settings_that_are_certain(tmp_path: Path, data: bytes) -> None:
    """A byte-order mark and the line breaks of Windows change nothing."""
    (tmp_path / "s.toml").write_bytes(data)
    found = read_settings(tmp_path / "s.toml", {})
    assert str(found.out) == "/srv/Röntgen"
    assert found.feeds[0].uri == f"watch:{tmp_path / 'in'}"


FOREIGN = [
    (codecs.BOM_UTF16_LE + CRLF.encode("utf-16-le"), "is in UTF-16, not in UTF-8", "iconv -f UTF-16 -t"),
    (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "is in UTF-16, not in UTF-8", "iconv -f UTF-16 -t"),
    (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "is in UTF-32, not in UTF-8", "iconv -f UTF-32 -t"),
    (TEXT.encode("utf-16-le"), "is in UTF-16 without a byte-order mark", "iconv -f UTF-16LE -t UTF-8"),
    (TEXT.encode("utf-16-be"), "is in UTF-16 without a byte-order mark", "iconv -f UTF-16BE -t UTF-8"),
    (TEXT.encode("latin-1"), "not in UTF-8 (line 2), but in Latin-1", "iconv -f WINDOWS-1252 -t UTF-8"),
    (CRLF.encode("cp1252"), "not in UTF-8 (line 2), but in Latin-1", "iconv -f WINDOWS-1252 -t UTF-8"),
    (TEXT.replace("\n", "\r").encode(), "line 1 ends with a carriage return (CR) alone", "tr '\\r' '\\n' <"),
    (TEXT.replace("]]\n", "]]\r").encode(), "line 3 ends with a carriage return (CR)", "tr '\\r' '\\n' <"),
]


@pytest.mark.parametrize(("data", "told", "cure"), FOREIGN)
def test_settings_in_another_encoding(tmp_path: Path, data: bytes, told: str, cure: str) -> None:
    """The command ends with 2; it names the file, its encoding, and the command that mends it."""
    file = tmp_path / "s.toml"
    file.write_bytes(data)
    for more in ((), ("--check-config",)):
        command = [SCORE, "--config", file, *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == ExitCode.USAGE
        assert f"error: {file}: " in done.stderr
        assert told in done.stderr
        assert cure in done.stderr
        assert "s.toml > NEW" in done.stderr


@pytest.mark.parametrize(
    "data",
    [
        SECRET.encode(),
        codecs.BOM_UTF8 + SECRET.encode(),
        f"{SECRET}\n".encode(),
        f"{SECRET}\r\n".encode(),
        f"{SECRET}\r".encode(),
        codecs.BOM_UTF8 + f"{SECRET}\r\nmore\r\n".encode(),
    ],
)
def test_secrets_that_are_certain(tmp_path: Path, data: bytes) -> None:
    """Neither a byte-order mark nor a line break is part of the secret."""
    (tmp_path / "secret").write_bytes(data)
    assert read_secret(tmp_path / "secret", "X", {}) == SECRET


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (codecs.BOM_UTF16_LE + f"{SECRET}\r\n".encode("utf-16-le"), "in UTF-16, not in UTF-8"),
        (SECRET.encode("utf-16-be"), "in UTF-16 without a byte-order mark"),
        (SECRET.encode("latin-1"), "not in UTF-8 (line 1), but in Latin-1"),
        (f"{SECRET}\rmore".encode(), "line 1 ends with a carriage return (CR) alone"),
        (codecs.BOM_UTF8 + b"\r\n", "first line is empty"),
    ],
)
def test_secrets_in_another_encoding(tmp_path: Path, data: bytes, told: str) -> None:
    """They are refused by file, encoding and cure, and nothing of the secret is told."""
    (tmp_path / "secret").write_bytes(data)
    with pytest.raises(SettingsError) as refused:
        read_secret(tmp_path / "secret", "X", {})
    assert str(refused.value).startswith(f"{tmp_path / 'secret'}: ")
    assert told in str(refused.value)
    assert "0123456789" not in str(refused.value)
    assert "xe9" not in str(refused.value)


def test_a_line_break_is_no_part_of_a_variable() -> None:
    """A file of variables with the line breaks of Windows gives the same secret."""
    assert read_secret(None, "X", {"X": f"{SECRET}\r"}) == SECRET


WINDOWS = [
    r"C:\data",
    r"C:\Users\x",
    r"\\server\share",
    "D:\\",
    r"watch:C:\images",
]


@pytest.mark.parametrize("path", WINDOWS)
def test_a_windows_path_in_double_quotes(tmp_path: Path, path: str) -> None:
    """The message names the line and the cure, the command ends with 2; the cure works."""
    file = tmp_path / "s.toml"
    file.write_text(f'bundle = "b"\n[[feeds]]\nuri = "{path}"\n')
    done = subprocess.run([SCORE, "--config", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.USAGE
    assert f"error: {file}:3: in double quotes a backslash begins an escape" in done.stderr
    assert r"single quotes: 'C:\data'" in done.stderr
    file.write_text(f"bundle = 'b'\n[[feeds]]\nuri = '{path}'\n")
    assert read_settings(file, {}).feeds[0].uri.endswith(path.removeprefix("watch:"))


@pytest.mark.parametrize("path", [r"C:\temp", r"C:\new", r"watch:D:\bilder", r"C:\films\x"])
def test_a_windows_path_that_toml_takes_for_something_else(tmp_path: Path, path: str) -> None:
    """A tab or line break is no part of a path: the line and the cure are told."""
    file = tmp_path / "s.toml"
    text = f'bundle = "b"\nout = "{path}"\n[[feeds]]\nuri = "watch:in"\n'
    for at, written in ((2, text), (4, text.replace("watch:in", path).replace(f'out = "{path}"', ""))):
        if path.endswith(r"\x"):
            written = written.replace(r"\x", "")
        file.write_text(written)
        with pytest.raises(SettingsError, match="holds the control character") as refused:
            read_settings(file, {})
        assert str(refused.value).startswith(f"{file}:{at}: ")
        assert r"single quotes: 'C:\temp'" in str(refused.value)


def test_other_trouble_is_not_taken_for_a_windows_path(tmp_path: Path) -> None:
    """A backslash in single quotes or a comment is no escape, and a pipeline may have several lines."""
    assert not any(is_escape_trouble(line) for line in (r"a = 'C:\data' b", r'a = "x" # C:\data', 'a = "x'))
    assert is_escape_trouble(r'a = ["x", "C:\data"]')
    (tmp_path / "s.toml").write_text('bundle = "b"\n[[feeds]]\nuri = """gst:videotestsrc\n! appsink"""\n')
    assert read_settings(tmp_path / "s.toml", {}).feeds[0].uri == "gst:videotestsrc\n! appsink"
    (tmp_path / "s.toml").write_text('bundle = """\nC:\\data"""\n')
    with pytest.raises(SettingsError, match=r"s\.toml:2: in double quotes"):
        read_settings(tmp_path / "s.toml", {})


def test_a_key_with_a_byte_order_mark_is_the_same_key(tmp_path: Path) -> None:
    """It signs as the key without the mark does, and is not taken for a secret of other bytes."""
    pytest.importorskip("cryptography", reason="cryptography is not installed (the extra 'sign')")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (tmp_path / "k").write_bytes(pem)
    (tmp_path / "marked").write_bytes(codecs.BOM_UTF8 + pem.replace(b"\n", b"\r\n"))
    (tmp_path / "wide").write_bytes(pem.decode().encode("utf-16"))
    assert sign(b"x", tmp_path / "marked") == sign(b"x", tmp_path / "k")
    with pytest.raises(SettingsError, match="UTF-16, not in UTF-8"):
        sign(b"x", tmp_path / "wide")
