"""Hostile graphs in bundles whose hashes hold: what a runtime does with them, only running them tells."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

from benchmarks.runner.hostile.kinds import Rng, kind, mutated
from sranogan_edge.runtime.tflite_file import packed, schema, unpacked

__all__ = ["damaged_graph", "of_other_operators", "with_member"]

GRAPHS = ("search.tflite", "reconstruct.tflite", "features.tflite", "head.tflite")


@kind("graphs, damaged", "graph")
def damaged_graph(rng: Rng, bundle: bytes) -> bytes:
    """Any graph, any damage, with the hash that belongs to it."""
    name = str(rng.choice(GRAPHS))
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        graph = archive.read(name)
    if rng.random() < 0.5:  # the tables stand before or behind the weights, which are most of it
        begin = int(rng.choice([0, max(0, len(graph) - 4096)]))
        graph = graph[:begin] + mutated(graph[begin : begin + 4096], rng, 4) + graph[begin + 4096 :]
    else:
        graph = mutated(graph, rng, 16)
    return with_member(bundle, name, graph)


@kind("graphs of other operators", "graph")
def other_operators(rng: Rng, bundle: bytes) -> bytes:
    """Every operator of a graph is said to be another one, whose options and inputs these are not."""
    names = [name for name in vars(schema.BuiltinOperator) if name.isupper()]
    return of_other_operators(bundle, str(rng.choice(GRAPHS)), str(rng.choice(names)))


def of_other_operators(bundle: bytes, name: str, operator: str) -> bytes:
    """The bundle with all operators of the graph ``name`` called ``operator``."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        model = unpacked(archive.read(name))
    number = getattr(schema.BuiltinOperator, operator)
    for code in model.operatorCodes:
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    return with_member(bundle, name, packed(model))


def with_member(bundle: bytes, name: str, data: bytes) -> bytes:
    """The bundle with another member of that name, and its hash in the manifest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive, zipfile.ZipFile(buffer, "w") as made:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        manifest = json.loads(members["manifest.json"])
        manifest["members"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        members |= {name: data, "manifest.json": json.dumps(manifest).encode()}
        for member, content in members.items():
            made.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()
