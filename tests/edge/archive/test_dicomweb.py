"""DICOM servers as archives: one that fails now and then, one that refuses, and a real one."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")
pytest.importorskip("dicomweb_client", reason="the extra dicomweb is not installed")
pytest.importorskip("pydicom", reason="the extra dicom is not installed")

import requests

from sranogan_edge.archive import dicomweb
from sranogan_edge.archive.dicomweb import AUTHORIZATION
from sranogan_edge.archive.item import Item
from sranogan_edge.archive.open import open_source
from sranogan_edge.errors import ExitCode, FeedError, ImageError, SettingsError
from tests.support.archives import picture, rows_in
from tests.support.cli_runs import lines_in, score
from tests.support.dicomweb_server import DicomWebServer, Key
from tests.support.orthanc import Orthanc

PLUGIN = "usr/share/orthanc/plugins/libOrthancDicomWeb.so"
Make = Callable[..., bytes]


def films(make_dicom: Make, studies: int = 3, each: int = 3) -> dict[Key, bytes]:
    """Objects of several studies, by their UIDs."""
    found: dict[Key, bytes] = {}
    for study in range(studies):
        for number in range(each):
            key = (f"1.2.{study}", f"1.2.{study}.1", f"1.2.{study}.1.{number}")
            uids = {"StudyInstanceUID": key[0], "SeriesInstanceUID": key[1], "SOPInstanceUID": key[2]}
            found[key] = make_dicom(np.asarray(picture(10 * study + number)), **uids)
    return found


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again after milliseconds."""
    monkeypatch.setattr(dicomweb, "FIRST_WAIT_S", 0.01)
    for name in ("STUDIES", "INSTANCES"):
        monkeypatch.setattr(dicomweb, name, 2)


@pytest.mark.parametrize("kind", ['multipart/related; boundary="edge"', "application/dicom"])
def test_an_object_may_hold_what_parts_begin_and_end_with(kind: str) -> None:
    """Pixels are any bytes: of parts the last boundary ends the object, and alone nothing does."""
    film = b"\x00" * 128 + b"DICM\r\n\r\n\r\n--edge\r\nmore"
    body = b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + film + b"\r\n--edge--\r\n"
    content = dicomweb._first_part(body if kind.startswith("multipart") else film, kind, "http://host/1")
    assert not isinstance(content, ImageError)
    with content as file:
        assert file.read() == film


@pytest.mark.parametrize(("status", "refuses"), [(401, True), (403, True), (400, False), (503, False)])
def test_who_refuses_is_told_from_who_is_away(status: int, refuses: bool) -> None:
    """By the status of the answer: the cure is another one."""
    answer = requests.Response()
    answer.status_code = status
    source = dicomweb.DicomWebSource("http://127.0.0.1:1/dicom-web")
    told = str(source._out_of_reach(requests.HTTPError("no", response=answer)))
    assert (AUTHORIZATION in told, "Is it reachable?" in told) == (refuses, not refuses)


def fetched(source: Any, items: list[Item]) -> list[bytes | str]:
    """What the server sends of each: its bytes, or why it does not."""
    found: list[bytes | str] = []
    for content in source.open(items):
        if isinstance(content, ImageError):
            found.append(str(content))
        else:
            with content as file:
                found.append(file.read())
    return found


def test_every_object_is_listed_once_and_fetched_as_it_is(make_dicom: Make) -> None:
    """Page after page, over a server of which every tenth answer is a failure."""
    objects = films(make_dicom)
    with DicomWebServer(objects, fails_every=10) as server:
        source = open_source(f"dicomweb:{server.url}")
        listed = list(source.items(None, ()))
        assert [item.place for item in listed] == list(objects)
        assert fetched(source, listed) == list(objects.values())
        assert server.asked >= 20  # so that it did fail


def test_a_list_that_changes_goes_on(make_dicom: Make) -> None:
    """A study that comes in front moves all others: what is known is not listed again, what is new is."""
    objects = films(make_dicom)
    with DicomWebServer(objects) as server:
        source = open_source(f"dicomweb:{server.url}")
        listing = source.items(None, ())
        known = [next(listing) for _ in range(4)]
        new: Key = ("1.1.9", "1.1.9.1", "1.1.9.1.0")
        server.objects = {new: b"x", **objects}
        rest = list(open_source(f"dicomweb:{server.url}").items(known[-1], known))
        assert {item.place for item in [*known, *rest]} == {new, *objects}
        assert len(known) + len(rest) == len(objects) + 1


class Overlapping(DicomWebServer):
    """Gives one at a time, whatever it is asked for, and each page begins with the last of the one before."""

    def _page(self, keys: list[Any], query: Mapping[str, int]) -> tuple[int, str, bytes]:
        return super()._page(keys, {"offset": max(0, query.get("offset", 0) - 1), "limit": 1})


def test_pages_that_are_short_and_overlap_list_each_object_once(make_dicom: Make) -> None:
    """Servers give fewer than they are asked for, and lists move while they are read."""
    objects = films(make_dicom, 2, 3)
    with Overlapping(objects) as server:
        listed = list(open_source(f"dicomweb:{server.url}").items(None, ()))
    assert [item.place for item in listed] == list(objects)


def test_what_is_gone_for_good_is_that_images_error(make_dicom: Make) -> None:
    """410 says so, and 406 that it cannot be sent as an object; a server that fails is another matter."""

    class Answering(DicomWebServer):
        status = 200

        def answer(self, path: str, authorization: str) -> tuple[int, str, bytes]:
            return self.status, "text/plain", b"none"

    server = Answering(films(make_dicom, 1, 1))
    with server:
        item = [Item(f"{server.url}/studies/1/series/2/instances/3", ("1", "2", "3"))]
        source = open_source(f"dicomweb:{server.url}")
        for server.status, told in ((410, "has it no more (410)"), (406, "as a DICOM object (406)")):
            assert told in str(fetched(source, item)[0])
        server.status = 400
        with pytest.raises(FeedError, match="cannot be asked"):
            fetched(source, item)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(make_dicom: Make, status: int) -> None:
    """Once it answers, all is there."""

    class Busy(DicomWebServer):
        def answer(self, path: str, authorization: str) -> tuple[int, str, bytes]:
            found = super().answer(path, authorization)
            return (status, "text/plain", b"later") if self.asked == 1 else found

    objects = films(make_dicom, 1, 1)
    with Busy(objects) as server:
        listed = list(open_source(f"dicomweb:{server.url}").items(None, ()))
    assert [item.place for item in listed] == list(objects)


@pytest.mark.parametrize(("less", "taken"), [(0, True), (1, False)])
def test_as_many_bytes_are_taken_as_are_allowed(
    make_dicom: Make, monkeypatch: pytest.MonkeyPatch, less: int, taken: bool
) -> None:
    """Of an answer, parts and all; one more is too many."""
    objects = films(make_dicom, 1, 1)
    with DicomWebServer(objects) as server:
        source = open_source(f"dicomweb:{server.url}")
        listed = list(source.items(None, ()))
        body = server.answer(listed[0].name.removeprefix(server.url.removesuffix("/dicom-web")), "")[2]
        monkeypatch.setattr(dicomweb, "MOST_BYTES", len(body) - less)
        (found,) = fetched(source, listed)
    assert isinstance(found, bytes) is taken


def test_what_cannot_be_had_is_that_images_error(make_dicom: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that went, or is too large, is an error of its own; the next one comes."""
    objects = films(make_dicom, 1)
    with DicomWebServer(objects) as server:
        source = open_source(f"dicomweb:{server.url}")
        listed = list(source.items(None, ()))
        del server.objects[tuple(map(str, listed[0].place))]  # type: ignore[arg-type]  # three of them
        server.objects[next(reversed(objects))] = bytes(2**20)
        monkeypatch.setattr(dicomweb, "MOST_BYTES", 2**19)
        first, second, third = fetched(source, listed)
    assert "has it no more (404)" in str(first)
    assert second == objects[tuple(map(str, listed[1].place))]  # type: ignore[index]  # the same
    assert "more than the 524,288 bytes" in str(third)


def test_a_server_that_fails_or_refuses_ends_the_run(
    make_dicom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No image is at fault where all fail: one error names the server, and what to do."""
    objects = films(make_dicom, 1)
    with DicomWebServer(objects, fails_every=1) as server:
        source = open_source(f"dicomweb:{server.url}")
        with pytest.raises(FeedError, match=r"cannot be asked .*The same command goes on"):
            list(source.items(None, ()))
    with pytest.raises(FeedError, match="cannot be asked"):  # it is gone
        fetched(source, [Item(f"{server.url}/studies/1", ("1", "2", "3"))])
    with DicomWebServer(objects, token="secret") as server:
        with pytest.raises(FeedError, match=rf"refuses this client \(401\).*{AUTHORIZATION}"):
            list(open_source(f"dicomweb:{server.url}").items(None, ()))
        monkeypatch.setenv(AUTHORIZATION, "Bearer secret")
        assert len(list(open_source(f"dicomweb:{server.url}").items(None, ()))) == len(objects)


@pytest.mark.parametrize("url", ["", "ftp://host", "host/dicom-web", "https://user:word@host/dicom-web"])
def test_what_is_no_server(url: str) -> None:
    """What is no address is refused, and a password is not repeated."""
    with pytest.raises(SettingsError) as refused:
        open_source(f"dicomweb:{url}")
    assert "word@" not in str(refused.value)


@pytest.mark.slow
def test_scores_are_those_of_files(tiny_bundle: Path, make_dicom: Make, tmp_path: Path) -> None:
    """A film from a server has the score of its file, to the last bit."""
    objects = films(make_dicom, 2, 2)
    (tmp_path / "files").mkdir()
    for key, data in objects.items():
        (tmp_path / "files" / f"{key[2]}.dcm").write_bytes(data)
    with DicomWebServer(objects, fails_every=5) as server:
        call = (f"dicomweb:{server.url}", "--engine", "local", "--workers", 1, "--out", tmp_path / "out")
        done = score(tiny_bundle, *call)
    assert done.exit_code == ExitCode.OK, done.output
    score(tiny_bundle, tmp_path / "files", "--out", tmp_path / "lines")
    lines = {Path(line["file"]).stem: line["score"] for line in lines_in(tmp_path / "lines")}
    assert {str(row["source"]).rpartition("/")[2]: row["score"] for row in rows_in(tmp_path / "out")} == lines


def test_a_real_archive(
    service: Callable[[str], str], tiny_bundle: Path, make_dicom: Make, tmp_path: Path
) -> None:
    """Orthanc lists and sends what it was given: every film has its score."""
    program = service("Orthanc")
    plugin = next(
        (one / PLUGIN for one in (Path("/"), Path(program).parents[1]) if (one / PLUGIN).exists()), None
    )
    if plugin is None:
        pytest.skip("Orthanc's DICOMweb is not here: run tests/services/install.sh")
    settings = {"Plugins": [str(plugin)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    archive = Orthanc(program, tmp_path / "orthanc", AuthenticationEnabled=False, **settings)
    archive.start()
    try:
        objects = films(make_dicom)
        for data in objects.values():
            send(archive, data)
        url = f"dicomweb:http://127.0.0.1:{archive.http}/dicom-web"
        done = score(tiny_bundle, url, "--engine", "local", "--workers", 1, "--out", tmp_path / "out")
        some = score(
            tiny_bundle, f"{url}?StudyInstanceUID=1.2.1", "--engine", "local", "--out", tmp_path / "some"
        )
    finally:
        archive.stop()
    assert done.exit_code == some.exit_code == ExitCode.OK, done.output + some.output
    rows = rows_in(tmp_path / "out")
    assert {str(row["source"]).rpartition("/")[2] for row in rows} == {key[2] for key in objects}
    assert [row["source"] for row in rows_in(tmp_path / "some")] == [
        row["source"] for row in rows if "/studies/1.2.1/" in str(row["source"])
    ]
    score(tiny_bundle, written(tmp_path / "files", objects), "--out", tmp_path / "lines")
    assert sorted(row["score"] for row in rows) == sorted(
        one["score"] for one in lines_in(tmp_path / "lines")
    )


def send(archive: Orthanc, data: bytes) -> None:
    """Give a film to Orthanc."""
    request = urllib.request.Request(f"http://127.0.0.1:{archive.http}/instances", data, method="POST")
    urllib.request.urlopen(request, timeout=30).close()


def written(folder: Path, objects: dict[Key, bytes]) -> Path:
    """The films as files."""
    folder.mkdir()
    for key, data in objects.items():
        (folder / f"{key[2]}.dcm").write_bytes(data)
    return folder
