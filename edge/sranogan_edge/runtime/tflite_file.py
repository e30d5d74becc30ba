"""A ``.tflite`` file as the objects of TFLite's schema, and back; the classes come with LiteRT."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

__all__ = ["FILE_IDENTIFIER", "made", "operator_name", "packed", "schema", "unpacked"]

FILE_IDENTIFIER = b"TFL3"
ALIGNMENT_BYTES = 16  # of constants, as the schema wants it and kernels rely on
NAMES: dict[int, str] = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


def unpacked(model: bytes) -> Any:
    """Return a file's ``ModelT``; other bytes raise whatever reading beyond their end does."""
    return schema.ModelT.InitFromPackedBuf(model, 0)


def packed(model: Any) -> bytes:
    """Return a ``ModelT`` as the bytes of a file; equal models give equal bytes."""
    builder = _AlignedBuilder(2**20)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def made(kind: type, **fields: Any) -> Any:
    """Return an object of the schema with these ``fields``."""
    found = kind()
    vars(found).update(fields)
    return found


def operator_name(code: Any) -> str:
    """Return an ``OperatorCodeT``'s name, such as ``CONV_2D``; of one newer than LiteRT its number."""
    if code.customCode is not None:
        return str(code.customCode.decode())
    number = int(max(code.builtinCode, code.deprecatedBuiltinCode))
    return NAMES.get(number, str(number))


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers ships no types
    """Aligns every vector of bytes; the generated code would align it to one byte."""

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802  # overrides flatbuffers' own
        """Store ``x``."""
        if x.dtype != np.uint8:
            return int(super().CreateNumpyVector(x))
        self.StartVector(1, x.size, ALIGNMENT_BYTES)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return int(self.EndVector())
