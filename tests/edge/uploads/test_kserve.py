"""KServe's v2 protocol on the same port: a model that takes files and pixels."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from sranogan_edge.image.frame import Frame
from sranogan_edge.page.access import Address
from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.tensors import MOST_JSON_BYTES
from tests.support.encoded_images import by_opencv
from tests.support.service_bench import wait_for
from tests.support.upload_bench import Answer, UploadBench, uploading

INFER = "/v2/models/chest/infer"
GREY = np.arange(40, 240, dtype=np.uint8).reshape(10, 20)
COLOUR = np.stack([GREY, GREY // 2, GREY // 4], axis=-1)
DEEP = GREY.astype(np.uint16) * 257 + np.uint16(1)
FLOATS = (GREY / np.float32(255)).astype(np.float32)


@pytest.fixture(scope="module")
def served() -> Iterator[UploadBench]:
    """Give what is served."""
    with uploading(UploadSettings(max_images=3)) as made:
        yield made


@pytest.fixture
def bench(served: UploadBench) -> Iterator[UploadBench]:
    """Give the same, with nothing left behind by the test."""
    yield served
    wait_for(served.is_empty)


def tensor(datatype: str, shape: list[int], data: Any, **more: Any) -> dict[str, Any]:
    """A request of one input."""
    return {"inputs": [{"name": "image", "datatype": datatype, "shape": shape, "data": data}], **more}


def binary(
    bench: UploadBench, datatype: str, shape: list[int], data: bytes, stated: int | None = None
) -> Answer:
    """Send the data behind the JSON."""
    size = len(data) if stated is None else stated
    given = {"name": "image", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [given]}).encode()
    return bench.ask("POST", INFER, head + data, {"Inference-Header-Content-Length": str(len(head))})


def outputs(answer: Answer) -> dict[str, list[Any]]:
    """Data by name."""
    assert answer.status == 200, answer.said
    return {one["name"]: one["data"] for one in answer.said["outputs"]}


def score_of(array: Any) -> float:
    """What the stand-in says of an array that Python has."""
    return float(Frame.of(array).pixels.mean())


def test_files(bench: UploadBench) -> None:
    """Files come in base64, or as bytes with their lengths; each has a score, and the line of /v1/score."""
    files = [by_opencv(".png", np.full((20, 20), mean, np.uint8)) for mean in (7, 250)]
    texts = [base64.b64encode(file).decode() for file in files]
    counted = b"".join(len(file).to_bytes(4, "little") + file for file in files)
    by_json = bench.ask("POST", INFER, json.dumps(tensor("BYTES", [2, 1], [[one] for one in texts], id="a")))
    assert (by_json.said["id"], by_json.said["model_name"]) == ("a", "chest")
    for answer in (by_json, binary(bench, "BYTES", [2], counted)):
        found = outputs(answer)
        assert (found["score"], found["verdict"]) == ([7.0, 250.0], ["normal", "anomalous"])
        assert [json.loads(one)["score"] for one in found["result"]] == [7.0, 250.0]
        assert all(one["shape"] == [2] for one in answer.said["outputs"])


@pytest.mark.parametrize(
    ("datatype", "array"),
    [("UINT8", GREY), ("UINT8", COLOUR), ("UINT16", DEEP), ("FP32", FLOATS), ("UINT8", GREY[..., None])],
    ids=["grey", "colour", "16 bits", "fractions", "one channel"],
)
def test_pixels(bench: UploadBench, datatype: str, array: Any) -> None:
    """Pixels have the scores that Detector.score gives the same array, in JSON and behind it."""
    shape = [1, *array.shape]
    nested = bench.ask("POST", INFER, json.dumps(tensor(datatype, shape, array.ravel().tolist())))
    assert outputs(nested)["score"] == outputs(binary(bench, datatype, shape, array.tobytes()))["score"]
    assert outputs(nested)["score"] == [score_of(array)]


def test_some_outputs(bench: UploadBench) -> None:
    """Those that are asked for come, in their order, and no others."""
    asked = tensor("UINT8", [1, 10, 20], GREY.tolist(), outputs=[{"name": "verdict"}, {"name": "score"}])
    assert [*outputs(bench.ask("POST", INFER, json.dumps(asked)))] == ["verdict", "score"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 100_000, 400),
        (b"{}", 400),
        (tensor("BYTES", [1], ["no base64"]), 400),
        (tensor("BYTES", [2], ["AAAA"]), 400),
        (tensor("BYTES", [1], [1]), 400),
        (tensor("UINT8", [1, 2, 2], [1, 2, 3]), 400),
        (tensor("UINT8", [1, 2, 2], [1, 2, 3, 256]), 400),
        (tensor("UINT8", [1, 2, 2], [1, 2, 3, 0.5]), 400),
        (tensor("UINT8", [1, 2, 2], [[1, 2], [3]]), 400),
        (tensor("UINT8", [2, 2], [1, 2, 3, 4]), 400),
        (tensor("UINT8", [-1, 2, 2], [1, 2, 3, 4]), 400),
        (tensor("INT64", [1], [1]), 400),
        (tensor("UINT8", [1, 2, 2], [1, 2, 3, 4], outputs=[{"name": "more"}]), 400),
        (tensor("BYTES", [4], ["AAAA"] * 4), 413),
        (b" " * (MOST_JSON_BYTES + 1), 413),
        (tensor("BYTES", [1], ["AAAA"]), 422),
        (tensor("FP32", [1, 2, 2], [1, 2, 3, 4]), 422),
        (tensor("UINT8", [1, 2, 2, 4], [1] * 16), 422),
    ],
)
def test_what_cannot_be_taken(bench: UploadBench, body: Any, status: int) -> None:
    """It is said why, in one string as the protocol wants it."""
    answer = bench.ask("POST", INFER, body if isinstance(body, bytes) else json.dumps(body))
    assert (answer.status, type(answer.said["error"])) == (status, str), answer.said


@pytest.mark.parametrize(
    ("data", "stated"),
    [(GREY.tobytes()[:-1], None), (GREY.tobytes(), 10**9)],
    ids=["too few", "not as stated"],
)
def test_bytes_that_do_not_fit(bench: UploadBench, data: bytes, stated: int | None) -> None:
    """400 where the bytes behind the JSON are not what it says."""
    assert binary(bench, "UINT8", [1, 10, 20], data, stated).status == 400
    assert bench.ask("POST", INFER, b"{}", {"Inference-Header-Content-Length": "-1"}).status == 400


def test_who_asks_about_the_model() -> None:
    """Server, model and health, as the protocol has them; there is no other model."""
    with uploading() as bench:
        said = bench.ask("GET", "/v2/models/chest").said
        assert said["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/chest/versions/1/ready"):
            assert bench.ask("GET", path).status == 200
        for method, path in (("GET", "/v2/models/other"), ("POST", "/v2/models/other/infer")):
            assert bench.ask(method, path).status == 404
        bench.uploads.close()
        assert bench.ask("GET", "/v2/health/ready").status == 503
        assert bench.ask("POST", INFER, b"{}").status == 503


def test_a_token_is_needed() -> None:
    """But for health; the refusal is one string."""
    with uploading(address=Address("127.0.0.1", 0, "o" * 16)) as bench:
        assert bench.ask("GET", "/v2/health/ready").status == 200
        answer = bench.ask("POST", INFER, b"{}")
        assert (answer.status, type(answer.said["error"])) == (401, str)
