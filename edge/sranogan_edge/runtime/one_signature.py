"""A model of several signatures cut down to one, so that runtimes load, pack and compile no other.

XNNPACK packs the weights of every subgraph of a model when it loads it, and a GPU compiles each of
them; a runner calls one. The model's other subgraphs stay in the file, unreferenced: only the two
vectors that list subgraphs and signatures are shortened to one entry each.
"""

from __future__ import annotations

import struct

# Fields of the tables in TensorFlow Lite's schema.fbs, by number.
MODEL_SUBGRAPHS, MODEL_SIGNATURES = 2, 7
SIGNATURE_KEY, SIGNATURE_SUBGRAPH = 2, 4
IDENTIFIER = b"TFL3"


def only_signature(model: bytes, signature: str) -> bytes:
    """Return ``model`` with no signature and subgraph but those of ``signature``.

    Models whose subgraphs call each other (IF, WHILE, CALL_ONCE) must not be cut; bundles have none.

    Raises:
        ValueError: these bytes are no TFLite model, or it has no such signature.
    """
    try:
        return _cut(bytearray(model), signature)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"not a TFLite model: {error}") from error


def _cut(model: bytearray, signature: str) -> bytes:
    if model[4:8] != IDENTIFIER:
        raise ValueError(f"not a TFLite model: it begins with {bytes(model[:8])!r}")
    root = _follow(model, 0)
    subgraphs = _reference(model, root, MODEL_SUBGRAPHS)
    signatures = _reference(model, root, MODEL_SIGNATURES)
    if subgraphs is None or signatures is None:
        raise ValueError("this model states no signatures")
    tables = _entries(model, signatures)
    names = [_text(model, _reference(model, table, SIGNATURE_KEY)) for table in tables]
    if signature not in names:
        raise ValueError(f"no signature {signature!r}; this model has {', '.join(sorted(names))}")
    chosen = tables[names.index(signature)]
    at = _field(model, chosen, SIGNATURE_SUBGRAPH)
    graphs = _entries(model, subgraphs)
    graph = graphs[_uint32(model, at) if at is not None else 0]
    _keep(model, signatures, chosen)
    _keep(model, subgraphs, graph)
    if at is not None:
        struct.pack_into("<I", model, at, 0)
    return bytes(model)


def _keep(model: bytearray, vector: int, target: int) -> None:
    """Shorten a vector of references to one, which refers to ``target``."""
    struct.pack_into("<II", model, vector, 1, target - (vector + 4))


def _uint32(model: bytearray, at: int) -> int:
    return int(struct.unpack_from("<I", model, at)[0])


def _follow(model: bytearray, at: int) -> int:
    """Return where the reference at ``at`` leads."""
    return at + _uint32(model, at)


def _field(model: bytearray, table: int, number: int) -> int | None:
    """Return where a table's field lies, None where it has its default."""
    vtable = table - struct.unpack_from("<i", model, table)[0]
    slot = 4 + 2 * number
    if slot >= struct.unpack_from("<H", model, vtable)[0]:
        return None
    offset = struct.unpack_from("<H", model, vtable + slot)[0]
    return table + offset if offset else None


def _reference(model: bytearray, table: int, number: int) -> int | None:
    at = _field(model, table, number)
    return None if at is None else _follow(model, at)


def _entries(model: bytearray, vector: int) -> list[int]:
    """Return where the references of a vector lead."""
    count = _uint32(model, vector)
    if vector + 4 + 4 * count > len(model):
        raise ValueError("not a TFLite model: a vector is longer than the model")
    return [_follow(model, vector + 4 + 4 * number) for number in range(count)]


def _text(model: bytearray, at: int | None) -> str:
    return "" if at is None else model[at + 4 : at + 4 + _uint32(model, at)].decode()
