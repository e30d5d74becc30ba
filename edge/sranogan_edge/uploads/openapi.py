"""What ``/openapi.json`` says: from it, a client in any language can be generated."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from sranogan_edge import __version__
from sranogan_edge.results.line import VERDICTS, WHERE_THERE, ResultLine
from sranogan_edge.uploads.limits import UploadSettings

__all__ = ["document"]

_KINDS = {str: "string", float: "number", int: "integer", type(None): "null"}
_MEANINGS = {
    "file": "What the sender calls the image.",
    "score": "Standard deviations of the calibration's normals; null where it was not judged.",
    "p_value": "Share of normals that score as high or higher.",
    "verdict": f"One of: {', '.join(VERDICTS)}.",
    "threshold": "Scores above it are anomalous; null where too few normals were held out.",
    "anogan_score": "The paper's own score, of residual and features.",
    "milliseconds": "By stage; total is all of them.",
    "heat_map": "File of the heat map; always null here.",
    "error": "Why it was not judged; null where it was.",
    "bundle": "SHA-256 of the bundle that judged it.",
    "steps": "Of the search.",
    "backend": "What ran the graphs.",
    "backend_fallback": "Why that is not the GPU which is there; null where nothing fell back.",
    "scored_at": "UTC, as 2026-01-31T12:00:00Z.",
    "schema_version": "Of this object.",
    "calibration": "SHA-256 of the site's calibration; null where the bundle's own is in force.",
    "reason": "Why it is out of domain, or which frames were not judged.",
    "feed": "Always null here.",
    "frames": "Of the DICOM object.",
    "frame": "The one with the highest score, from 1; null where there is only one.",
    "modality": "This and what follows: as the DICOM object says; null where it does not.",
    "body_part_examined": "BodyPartExamined.",
    "view_position": "ViewPosition.",
    "presentation_intent_type": "PresentationIntentType.",
    "patient_orientation": "PatientOrientation.",
    "turned": "How it was turned upright; always null here.",
    "colour": "That it is in colour and the bundle takes none, or the other way round; else null.",
    "tiles": "Of a bundle that judges in tiles: count, blank, worst box, heat_map_scale, whole.",
    "regions": "Of the heat map, largest first: x, y, width, height, area in pixels, peak, mean.",
    "heat": "By what regions are told: threshold, least_area, normals_share, left_out.",
    "alignment": "Of a bundle that aligns: aligned, rotation, scale, shift in pixels; or the reason why not.",
    "at_s": "Of a video file's frame: seconds from its begin. Never of what is sent here.",
}
_ERROR = {
    "type": "object",
    "required": ["kind", "message"],
    "properties": {
        "kind": {"type": "string", "description": "For programs, such as UnreadableImageError."},
        "message": {"type": "string", "description": "What was wrong, what was received, and the cure."},
    },
}
_NOT_SCORED = {
    "type": "object",
    "required": ["file", "verdict", "error"],
    "properties": {
        "file": {"type": "string", "description": _MEANINGS["file"]},
        "verdict": {"type": "string", "enum": ["error"]},
        "error": {"$ref": "#/components/schemas/Error"},
    },
}
_RESULTS = {
    "type": "array",
    "description": "One for each image, in their order.",
    "items": {"oneOf": [{"$ref": "#/components/schemas/Result"}, {"$ref": "#/components/schemas/NotScored"}]},
}
_REFUSED = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"$ref": "#/components/schemas/Error"},
        "results": {**_RESULTS, "description": "Of the images that were scored before; of a form alone."},
    },
}
_REFUSALS = {
    "400": "The form is damaged or was cut off, the body comes too slowly, or Host is no host name.",
    "401": "A token is needed, and none or a wrong one was sent.",
    "403": "Sent by a page of another origin, or through a proxy where there is no token.",
    "413": "The request, or the image, is too large, or there are too many images.",
    "415": "The Content-Type is none of those that are taken, or the body is compressed.",
    "421": "Without a token, Host has to be this machine's own name.",
    "422": "The one image cannot be scored: unreadable, oversized, or with nothing to judge.",
    "429": "As much waits as may, or too many wrong tokens do. Send it again after Retry-After.",
    "503": "Nothing is scored now: it starts, stops, or the device fails. Send it again after Retry-After.",
}


def document(settings: UploadSettings) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document, with the bounds of ``settings``."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sranogan",
            "version": __version__,
            "description": "Scores images with an SR-AnoGAN bundle, by the result lines of sranogan-score.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": {
            "/v1/score": {"post": _score(settings)},
            "/readyz": {"get": _yes_or_no("ready", "Whether images are being scored.")},
            "/healthz": {"get": _yes_or_no("healthy", "Whether the process gave a sign of life lately.")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Result": _result(),
                "Error": _ERROR,
                "NotScored": _NOT_SCORED,
                "Results": {"type": "object", "required": ["results"], "properties": {"results": _RESULTS}},
                "Refused": _REFUSED,
            },
        },
    }


def _score(settings: UploadSettings) -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {
        "schema": {
            "type": "object",
            "required": ["files"],
            "properties": {"files": {**files, "minItems": 1, "maxItems": settings.max_images}},
        }
    }
    either = {"oneOf": [{"$ref": "#/components/schemas/Result"}, {"$ref": "#/components/schemas/Results"}]}
    retry = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Refused"}}}
    return {
        "operationId": "score",
        "summary": "Score one image, or several",
        "description": (
            "The body is one image file or DICOM object (as application/octet-stream, application/dicom or "
            "image/* alike: its bytes tell what it is), or a form with one in each part. Answers are not "
            f"kept. At most {settings.max_image_bytes:,} bytes an image, {settings.max_images:,} images in "
            f"{settings.max_request_bytes:,} bytes a request."
        ),
        "parameters": [
            {
                "name": "name",
                "in": "query",
                "description": "What to call the one image; parts of a form have names of their own.",
                "schema": {"type": "string", "maxLength": 255},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": image,
                "multipart/form-data": form,
            },
        },
        "responses": {
            "200": {
                "description": "Of one image its result; of a form one row for each part.",
                "content": {"application/json": {"schema": either}},
            },
            **{
                status: {
                    "description": why,
                    "content": refused,
                    **({"headers": retry} if status in ("429", "503") else {}),
                }
                for status, why in _REFUSALS.items()
            },
        },
    }


def _yes_or_no(operation: str, summary: str) -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "security": [{}],
        "responses": {
            "200": {"description": "Yes.", "content": text},
            "503": {"description": "No.", "content": text},
        },
    }


def _result() -> dict[str, Any]:
    """The schema of a result line, by its own fields."""
    hints = get_type_hints(ResultLine)
    named = [one.name for one in fields(ResultLine)]
    properties = {name: {**_schema(hints[name]), "description": _MEANINGS[name]} for name in named}
    required = [name for name in named if name not in WHERE_THERE]
    return {"type": "object", "required": required, "properties": properties}


def _schema(hint: Any) -> dict[str, Any]:
    """The schema of a field's type; of an object that may be missing, of the object."""
    if get_origin(hint) in (Union, types.UnionType):
        first, *others = get_args(hint)
        if get_origin(first) is not None:
            return _schema(first)
        return {"type": [_KINDS[one] for one in (first, *others)]}
    if get_origin(hint) is not None and issubclass(get_origin(hint), Mapping):
        values = get_args(hint)[1]
        return {"type": "object", "additionalProperties": True if values is Any else _schema(values)}
    if get_origin(hint) is not None:
        return {"type": "array", "items": _schema(get_args(hint)[0])}
    return {"type": _KINDS[hint]}
