"""An OpenAPI document, used as a generated client uses it: what to send, and what may come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, where ``schema`` only refers to it."""
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def misfits(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any, at: str = "it") -> list[str]:
    """Say where ``value`` is not what ``schema`` says; what it does not name is a misfit, too."""
    schema = resolved(document, schema)
    if "oneOf" in schema:
        every = [misfits(document, one, value, at) for one in schema["oneOf"]]
        return [] if [] in every else min(every, key=len)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, _PYTHON[kind]) for kind in kinds) or isinstance(value, bool):
        return [f"{at}: {value!r} is none of {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    return [*_inside(document, schema, value, at)]


def _inside(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from misfits(document, schema["items"], one, f"{at}[{number}]")
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        yield from (f"{at}: no {name}" for name in schema.get("required", ()) if name not in value)
        for name, one in value.items():
            if name not in known and rest is True:  # anything
                continue
            if name in known or rest:
                yield from misfits(document, known.get(name, rest), one, f"{at}.{name}")
            else:
                yield f"{at}: {name} is not described"


def operation(document: Mapping[str, Any], name: str) -> tuple[str, str, Mapping[str, Any]]:
    """Method, path and description of the operation that a client calls ``name``."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            if described["operationId"] == name:
                return method.upper(), path, described
    raise KeyError(name)


def answer_misfits(document: Mapping[str, Any], name: str, status: int, value: Any) -> list[str]:
    """Say where an answer of ``status`` is not what the operation ``name`` says."""
    answers = operation(document, name)[2]["responses"]
    if str(status) not in answers:
        return [f"{name}: {status} is not described"]
    return misfits(document, answers[str(status)]["content"]["application/json"]["schema"], value)
