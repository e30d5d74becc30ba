"""POST /v1/score: one image or several, and what becomes of bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.page.access import Address
from sranogan_edge.uploads.limits import UploadSettings
from tests.support.encoded_images import by_opencv
from tests.support.service_bench import wait_for
from tests.support.upload_bench import UploadBench, form_of, uploading

LIMITS = UploadSettings(
    max_waiting=4, max_images=8, max_image_bytes=20_000, max_request_bytes=100_000, max_held_bytes=40_000
)


def png(mean: int) -> bytes:
    """An image that the stand-in scores by ``mean``."""
    return by_opencv(".png", np.full((20, 20), mean, np.uint8))


@pytest.fixture(scope="module")
def served() -> Iterator[UploadBench]:
    """Give what is served with small bounds."""
    with uploading(LIMITS) as bench:
        yield bench


@pytest.fixture
def bench(served: UploadBench) -> Iterator[UploadBench]:
    """Give the same, with nothing left behind by the test."""
    yield served
    wait_for(served.is_empty)


def test_one_image(bench: UploadBench) -> None:
    """The answer is the line that sranogan-score writes, under the name that its sender gave."""
    answer = bench.score(png(250), "/v1/score?name=Zo%C3%AB%0A.png")
    assert answer.status == 200
    assert (answer.said["score"], answer.said["verdict"]) == (250.0, "anomalous")
    assert (answer.said["file"], answer.said["schema_version"]) == ("Zoë\\n.png", 1)
    named = bench.score(png(7), Content_Disposition='attachment; filename="b.png"')
    assert (named.said["file"], named.said["verdict"]) == ("b.png", "normal")
    assert bench.score(png(7)).said["file"] == "upload"


@pytest.mark.parametrize(
    "content_type", ["image/png", "IMAGE/x; q=1", "application/octet-stream", "application/dicom"]
)
def test_types_that_are_taken(bench: UploadBench, content_type: str) -> None:
    """What an image is, its own bytes tell."""
    assert bench.score(png(9), Content_Type=content_type).status == 200


def test_a_dicom_object(bench: UploadBench, make_dicom: Callable[..., bytes]) -> None:
    """An object of two frames is judged by the higher one, and says what it is."""
    data = make_dicom(np.stack([np.full((20, 20), mean, np.uint8) for mean in (7, 250)]), ViewPosition="PA")
    said = bench.score(data, Content_Type="application/dicom").said
    assert (said["score"], said["frames"], said["frame"], said["view_position"]) == (250.0, 2, 2, "PA")


def test_several_images(bench: UploadBench) -> None:
    """A form has one row for each part, in their order; bad ones are rows, too."""
    parts = [("a.png", png(1)), ("b.png", b"no image"), ("c.png", bytes(20_001)), ("", png(250)), ("e", b"")]
    answer = bench.score_form(parts)
    assert answer.status == 200
    rows = answer.said["results"]
    assert [row["file"] for row in rows] == ["a.png", "b.png", "c.png", "files", "e"]
    assert [row["verdict"] for row in rows] == ["normal", "error", "error", "anomalous", "error"]
    kinds = [row["error"] and row["error"]["kind"] for row in rows]
    unreadable = "UnreadableImageError"
    assert kinds == [None, unreadable, "TooLargeError", None, unreadable]
    assert "20,000 bytes" in rows[2]["error"]["message"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "UnreadableImageError"),
        (b"%PDF-1.7", "UnreadableImageError"),
        (png(5)[:60], "UnreadableImageError"),
        (by_opencv(".png", np.zeros((1200, 1200), np.uint8)), "OversizedImageError"),
    ],
    ids=["nothing", "a document", "cut off", "huge"],
)
def test_a_hostile_image_ends_in_422_and_the_next_is_scored(
    bench: UploadBench, data: bytes, kind: str
) -> None:
    """What is no image, or asks for too much, harms no other."""
    answer = bench.score(data)
    assert (answer.status, answer.said["error"]["kind"]) == (422, kind)
    assert answer.said["error"]["message"].startswith("upload: ")
    assert bench.score(png(5)).said["score"] == 5.0


def test_what_takes_too_long_to_decode() -> None:
    """It ends with its decoder, and is the image's error."""
    with uploading(decoding=DecodingSettings(limit_s=0.000001)) as bench:
        slow = bench.score(png(5))
        assert (slow.status, slow.said["error"]["kind"]) == (422, "DecodingError")


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Type": "text/plain"}, "UploadTypeError"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "UploadTypeError"),
        ({"Content-Encoding": "gzip"}, "UploadTypeError"),
    ],
)
def test_types_that_are_not_taken(bench: UploadBench, headers: dict[str, str], kind: str) -> None:
    """415, and the message names those that are."""
    answer = bench.ask("POST", "/v1/score", png(5), {"Content-Type": "image/png", **headers})
    assert (answer.status, answer.said["error"]["kind"]) == (415, kind)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--xx\r\n\r\n1\r\n--xx--"),
    ],
    ids=["no boundary", "nothing", "no part", "another boundary"],
)
def test_damaged_forms(bench: UploadBench, content_type: str, body: bytes) -> None:
    """400, and nothing is scored."""
    answer = bench.ask("POST", "/v1/score", body, {"Content-Type": content_type})
    assert (answer.status, answer.said["error"]["kind"]) == (400, "MalformedUploadError")


def test_a_form_that_was_cut_off_says_what_was_scored(bench: UploadBench) -> None:
    """The parts that came whole have their rows beside the error."""
    kind, body = form_of([("a.png", png(1)), ("b.png", png(2)), ("c.png", png(3))])
    answer = bench.ask("POST", "/v1/score", body[:-60], {"Content-Type": kind})
    assert (answer.status, answer.said["error"]["kind"]) == (400, "MalformedUploadError")
    assert [row["file"] for row in answer.said["results"]] == ["a.png", "b.png"]


def pieces(total: int) -> Iterator[bytes]:
    """A body that does not say how long it is."""
    yield png(5)
    for _ in range(total // 1000):
        yield bytes(1000)


@pytest.mark.parametrize("stated", [True, False], ids=["as it says", "as it comes"])
def test_one_image_that_is_too_large(bench: UploadBench, stated: bool) -> None:
    """413, whether its length is stated or not."""
    answer = bench.score(bytes(20_001) if stated else pieces(20_000))
    assert (answer.status, answer.said["error"]["kind"]) == (413, "TooLargeError")


def test_one_gigabyte_is_refused_before_it_comes(bench: UploadBench) -> None:
    """Who says so before sending has the answer at once; who sends on is heard out, and has it too."""
    with bench.raw("POST /v1/score", "Content-Type: image/png", f"Content-Length: {2**30}") as client:
        assert client.recv(12) == b"HTTP/1.1 413"
        for _ in range(100):
            client.sendall(bytes(100_000))


def test_too_many_images(bench: UploadBench) -> None:
    """Of 5,000 parts the first ones have their rows; the error says how many may be sent."""
    empty = [(f"{number}", b"") for number in range(5000)]
    kind, body = form_of([(str(number), png(number)) for number in range(8)] + empty)
    chunks = (body[at : at + 1000] for at in range(0, len(body), 1000))
    answer = bench.ask("POST", "/v1/score", chunks, {"Content-Type": kind})
    assert (answer.status, answer.said["error"]["kind"]) == (413, "TooLargeError")
    assert "8 images" in answer.said["error"]["message"]
    assert [row["score"] for row in answer.said["results"]] == list(map(float, range(8)))


def test_a_request_that_is_too_large(bench: UploadBench) -> None:
    """Whatever its parts are, a form may have so many bytes in all."""
    kind, body = form_of([(str(number), bytes(15_000)) for number in range(7)])
    answer = bench.ask("POST", "/v1/score", iter([body[:30_000], body[30_000:]]), {"Content-Type": kind})
    assert (answer.status, answer.said["error"]["kind"]) == (413, "TooLargeError")


def test_an_upload_that_is_cut_off_leaves_nothing(bench: UploadBench) -> None:
    """Who goes away in the middle of an image, or of a form, frees the place and its bytes."""
    for kind in ("image/png", "multipart/form-data; boundary=x"):
        with bench.raw("POST /v1/score", f"Content-Type: {kind}", "Content-Length: 10000") as client:
            client.sendall(b"--x\r\n\r\n" + bytes(5000))
            wait_for(lambda: bench.uploads.inside == 1 and bench.uploads._held > 0)
        wait_for(bench.is_empty)
    assert bench.score(png(5)).status == 200


def test_who_went_away_is_not_waited_for(bench: UploadBench) -> None:
    """An image whose sender is gone gives up its place, and is never scored."""
    bench.detector.go.clear()
    begun = bench.detector.begun
    data = png(5)
    head = ("Content-Type: image/png", f"Content-Length: {len(data)}")
    with bench.raw("POST /v1/score", *head) as first, bench.raw("POST /v1/score", *head) as second:
        first.sendall(data)
        wait_for(lambda: bench.detector.begun == begun + 1)
        second.sendall(data)
        wait_for(lambda: bench.uploads.waiting == 1)
        second.close()
        wait_for(lambda: (bench.uploads.waiting, bench.uploads.inside) == (0, 1))
        bench.detector.go.set()
        assert first.recv(12) == b"HTTP/1.1 200"
    assert bench.detector.begun == begun + 1


@pytest.mark.parametrize("begun", [b"", b"a"])
def test_a_body_that_does_not_come(bench: UploadBench, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """A client that sends nothing, or stops, is answered 400, and its place is free."""
    monkeypatch.setattr("sranogan_edge.uploads.reading.SILENT_S", 0.05)
    with bench.raw("POST /v1/score", "Content-Type: image/png", "Content-Length: 10000") as client:
        client.sendall(begun)
        assert client.recv(12) == b"HTTP/1.1 400"
    wait_for(bench.is_empty)


def test_a_body_that_trickles(bench: UploadBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends too few bytes a second holds no place, however long it would go on."""
    monkeypatch.setattr("sranogan_edge.uploads.reading.SILENT_S", 0.5)
    monkeypatch.setattr("sranogan_edge.uploads.reading.LEAST_BYTES_S", 10**9)
    with bench.raw("POST /v1/score", "Content-Type: image/png", "Content-Length: 10000") as client:
        client.settimeout(0.01)
        for _ in range(10_000):
            client.sendall(b"a")
            try:
                said = client.recv(12)
                break
            except TimeoutError:
                continue
        assert said == b"HTTP/1.1 400"


TOKENS = Address("127.0.0.1", 0, token="o" * 16, viewer_token="v" * 16)


def test_tokens() -> None:
    """Whoever has a token may score, a viewer too: it changes nothing. Health needs none."""
    with uploading(address=TOKENS) as bench:
        for given, status in (("", 401), ("w" * 16, 401), ("v" * 16, 200), ("o" * 16, 200)):
            headers = {"Authorization": f"Bearer {given}"} if given else {}
            answer = bench.score(png(5), **headers)
            assert answer.status == status
            if status == 401:
                assert answer.said["error"]["kind"] == "TokenNeeded"
        assert bench.ask("GET", "/openapi.json").status == 401
        assert bench.ask("GET", "/metrics").status == 401
        assert bench.ask("GET", "/").status == 401  # there is no form to sign in by
        assert bench.ask("GET", "/readyz").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "elsewhere.example"}, 421),
        ({"Host": "a b"}, 400),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Forwarded-For": "192.0.2.1"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=["host", "no host", "origin", "site", "proxy", "no origin"],
)
def test_foreign_pages_send_nothing(bench: UploadBench, headers: dict[str, str], status: int) -> None:
    """Without a token a page of somebody else can neither read answers nor keep the device at work."""
    begun = bench.detector.begun
    answer = bench.ask("POST", "/v1/score", png(5), {"Content-Type": "image/png", **headers})
    assert (answer.status, list(answer.said)) == (status, ["error"])
    assert bench.detector.begun == begun


def test_other_methods_and_places(bench: UploadBench) -> None:
    """There is nothing else."""
    assert bench.ask("GET", "/v1/score").status == 405
    assert bench.ask("GET", "/sign-in").status == 404
    assert "POST an image" in bench.ask("GET", "/").said


def test_metrics(bench: UploadBench) -> None:
    """Counts of verdicts and of refusals."""

    def told(line: str) -> float:
        text = bench.ask("GET", "/metrics").said
        return float(next((one.split()[-1] for one in text.splitlines() if one.startswith(line)), "0"))

    names = ('sranogan_uploads_total{verdict="normal"}', 'sranogan_uploads_refused_total{status="415"}')
    before = [told(name) for name in names]
    bench.score(png(5))
    bench.score(png(5), Content_Type="text/html")
    assert [told(name) for name in names] == [count + 1 for count in before]
    assert told("sranogan_ready") == 1.0


def test_a_backend_that_fails_is_no_image_s_fault(bench: UploadBench) -> None:
    """503 with Retry-After while the golden cases fail too; the next image after that is scored."""
    bench.detector.lost = RuntimeError("the GPU is gone")
    answer = bench.score(png(5))
    assert (answer.status, answer.said["error"]["kind"]) == (503, "NotReadyError")
    assert int(answer.headers["retry-after"]) > 0
    bench.detector.lost = None
    wait_for(lambda: bench.score(png(5)).status == 200)
