"""/openapi.json: whatever is answered is described there, and a client made from it can send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from sranogan_edge import __version__
from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.openapi import document
from tests.support.encoded_images import by_opencv
from tests.support.schema import answer_misfits, misfits, operation, resolved
from tests.support.upload_bench import UploadBench, form_of, uploading

PNG = by_opencv(".png", np.full((20, 20), 5, np.uint8))


@pytest.fixture(scope="module")
def bench() -> Iterator[UploadBench]:
    """Give what is served."""
    with uploading(UploadSettings(max_images=2)) as made:
        yield made


def references(value: Any) -> Iterator[dict[str, Any]]:
    """Every reference in a document."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def test_the_document_is_whole() -> None:
    """Every reference leads to a schema, every field is described, and version and bounds are ours."""
    said = document(UploadSettings(max_images=77))
    assert said["info"]["version"] == __version__
    assert "77 images in" in operation(said, "score")[2]["description"]
    found = list(references(said))
    assert found
    assert all(resolved(said, one)["type"] for one in found)
    assert all(one["description"] for one in said["components"]["schemas"]["Result"]["properties"].values())
    assert json.loads(json.dumps(said)) == said


def test_answers_are_what_it_says(bench: UploadBench) -> None:
    """A result, rows, and every refusal have the form that the document gives them."""
    said = bench.ask("GET", "/openapi.json").said
    kind, form = form_of([("a", PNG), ("b", b"")])
    _, three = form_of([("a", PNG)] * 3)
    foreign = {"Content-Type": "image/png", "Host": "elsewhere.example"}
    mark = kind.partition("=")[2].encode()
    cut = b"--" + mark + b"\r\n\r\n" + PNG
    tried: list[tuple[int, Any, dict[str, str]]] = [
        (200, PNG, {"Content-Type": "image/png"}),
        (200, form, {"Content-Type": kind}),
        (422, b"no image", {"Content-Type": "application/octet-stream"}),
        (415, PNG, {"Content-Type": "text/plain"}),
        (400, cut, {"Content-Type": kind}),
        (421, PNG, foreign),
    ]
    method, path, _ = operation(said, "score")
    for status, body, headers in tried:
        answer = bench.ask(method, path, body, headers)
        assert answer.status == status
        assert answer_misfits(said, "score", status, answer.said) == []
    kind, three = form_of([("a", PNG)] * 3)
    answer = bench.ask(method, path, three, {"Content-Type": kind})
    assert (answer.status, answer_misfits(said, "score", 413, answer.said)) == (413, [])


def test_what_is_not_described_is_found() -> None:
    """The control: a field too many, one too few and one of another type are told."""
    said = document(UploadSettings())
    sound = {"kind": "a", "message": "b"}
    schema = {"$ref": "#/components/schemas/Error"}
    assert misfits(said, schema, sound) == []
    for wrong in ({**sound, "more": 1}, {"kind": "a"}, {**sound, "kind": 1}):
        assert len(misfits(said, schema, wrong)) == 1
    assert answer_misfits(said, "score", 418, {}) == ["score: 418 is not described"]
