"""One TFLite graph on its way to ONNX: constants, layout and quantisation.

ONNX convolves with channels first, TFLite with channels last. A tensor of four axes is kept channels
first from its first use to its last, and turned at the graph's borders alone (and where a matrix
product takes an image apart), so that almost no transposition is computed.

Quantised tensors become QuantizeLinear and DequantizeLinear around operators on floats ("QDQ"): what
ONNX Runtime and TensorRT look for, to put integer kernels in their place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from sranogan_edge.errors import BackendError
from sranogan_export.onnx.placement import merge_roundings

OPSET = 17  # TensorRT 8.5 (JetPack 5.1) knows it; QuantizeLinear with one scale per channel is of 13
IR_VERSION = 8  # the file format of the same age
KERNELS = ("kernel", "matrix")  # the uses of constants that integer kernels take as int8
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


def refused(what: str) -> BackendError:
    """Return the error for something that ONNX is not written for."""
    return BackendError(
        f"the graphs cannot be written as ONNX: {what}. Export without --onnx, or another recipe: "
        "--float32 --onnx."
    )


class OnnxBuilder:
    """The ONNX graph under construction. Tensors are named by their number in the TFLite graph."""

    def __init__(self, model: Any, index: int) -> None:
        """Start from graph ``index`` of an unpacked TFLite ``model``."""
        self._buffers, self._graph = model.buffers, model.subgraphs[index]
        self.nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._made: dict[int, str] = {}  # the float tensor, channels first, of a TFLite tensor
        self._channels_last: dict[int, str] = {}
        self._unpacked: dict[int, NDArray[np.float32]] = {}

    def shape(self, index: int) -> tuple[int, ...]:
        """Return a tensor's shape as TFLite has it, channels last."""
        return tuple(int(side) for side in self._tensor(index).shape)

    def constant(self, index: int) -> NDArray[Any] | None:
        """Return a constant as it is stored, channels last; None for what is computed."""
        if index in self._unpacked:
            return self._unpacked[index]
        tensor = self._tensor(index)
        data = self._buffers[tensor.buffer].data
        if data is None or index in self._made:
            return None
        if tensor.type not in DTYPES:
            raise refused(f"constant {tensor.name.decode()} is of TFLite type {tensor.type}")
        return np.frombuffer(bytes(data), DTYPES[tensor.type]).reshape(self.shape(index))

    def unpack(self, stored: int, index: int) -> bool:
        """Take constant ``stored``, of half-size floats, as constant ``index``; False if it is none."""
        values = self.constant(stored)
        if values is None or values.dtype != np.float16:
            return False
        self._unpacked[index] = values.astype(np.float32)
        return True

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Append a node with one output, and return the output's name."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def initializer(self, name: str, values: NDArray[Any]) -> str:
        """Store a constant once, and return its name."""
        if name not in self._initializers:
            stored = np.asarray(values, order="C")  # not ascontiguousarray: a scalar stays one
            self._initializers[name] = onnx.numpy_helper.from_array(stored, name)
        return name

    def integers(self, values: list[int]) -> str:
        """Store sizes or axes."""
        return self.initializer(f"int64_{'_'.join(map(str, values))}", np.array(values, np.int64))

    def value(self, index: int) -> str:
        """Return the float tensor of a computed TFLite tensor, channels first."""
        if index not in self._made:
            raise refused(f"tensor {self._tensor(index).name.decode()} is used before it is made")
        return self._made[index]

    def operand(self, index: int, rank: int) -> str:
        """Return the float tensor, computed or constant, to be combined with tensors of ``rank`` axes."""
        stored = self.constant(index)
        if stored is None:
            if len(self.shape(index)) not in (0, rank):
                raise refused(f"tensor {self._tensor(index).name.decode()} is broadcast to more axes")
            return self.value(index)
        if rank == 4:
            stored = stored.reshape((1,) * (4 - stored.ndim) + stored.shape).transpose(TO_CHANNELS_FIRST)
        return self.weights(index, stored, f"operand{rank}")

    def weights(self, index: int, arranged: NDArray[Any], use: str) -> str:
        """Store constant ``index``, ``arranged`` for its ``use``: int8 kernels as such, the rest as float.

        Channels with scales of their own must be the first axis. TensorRT dequantises no int32, so biases,
        which are of that, are floats; so are single numbers, whose zero points are what they happen to be.
        """
        name = f"{use}_{index}"
        if arranged.dtype == np.float32:
            return self.initializer(name, arranged)
        scales, zeros = self._quantisation(index)
        if use not in KERNELS or arranged.dtype != np.int8:
            wide = (-1, *(1,) * (arranged.ndim - 1)) if len(scales) > 1 else ()
            steps = arranged.astype(np.float64) - zeros.astype(np.float64).reshape(wide)
            return self.initializer(name, (steps * scales.reshape(wide)).astype(np.float32))
        axis = {"axis": 0} if len(scales) > 1 else {}
        inputs = [self.initializer(name, arranged)]
        inputs.append(self.initializer(f"{name}_scale", scales if axis else scales[0]))
        inputs.append(self.initializer(f"{name}_zero", zeros if axis else zeros[0]))
        return self.add("DequantizeLinear", inputs, **axis)

    def channels_last(self, index: int) -> str:
        """Return the float tensor of a computed TFLite tensor, channels last."""
        value = self.value(index)
        if len(self.shape(index)) != 4:
            return value
        if index not in self._channels_last:
            self._channels_last[index] = self.add("Transpose", [value], perm=TO_CHANNELS_LAST)
        return self._channels_last[index]

    def begin(self, index: int, name: str) -> None:
        """Take input ``name``, channels last, as TFLite tensor ``index``."""
        four = len(self.shape(index)) == 4
        self.finish(index, self.add("Transpose", [name], perm=TO_CHANNELS_FIRST) if four else name)

    def finish(self, index: int, value: str) -> None:
        """Keep ``value``, channels first, as TFLite tensor ``index``, rounded as that is."""
        tensor = self._tensor(index)
        if tensor.type == schema.TensorType.INT8:
            scales, zeros = self._quantisation(index)
            scale = self.initializer(f"activation_{index}_scale", scales[0])
            zero = self.initializer(f"activation_{index}_zero", zeros[0])
            rounded = self.add("QuantizeLinear", [value, scale, zero])
            value = self.add("DequantizeLinear", [rounded, scale, zero])
        elif tensor.type != schema.TensorType.FLOAT32:
            raise refused(f"tensor {tensor.name.decode()} is of TFLite type {tensor.type}")
        self._made[index] = value

    def model(self, name: str, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """Return the ONNX file; ``inputs`` and ``outputs`` are TFLite tensors by name."""
        for output, index in outputs.items():
            made = self.channels_last(index)
            self.nodes.append(onnx.helper.make_node("Identity", [made], [output], output))
        taken, given = (
            [
                onnx.helper.make_tensor_value_info(port, onnx.TensorProto.FLOAT, self.shape(i))
                for port, i in some
            ]
            for some in (inputs.items(), outputs.items())
        )
        graph = onnx.helper.make_graph(self.nodes, name, taken, given, list(self._initializers.values()))
        opset = [onnx.helper.make_opsetid("", OPSET)]
        model = onnx.helper.make_model(
            graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="sranogan-export"
        )
        merge_roundings(model.graph)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _tensor(self, index: int) -> Any:
        return self._graph.tensors[index]

    def _quantisation(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        stated = self._tensor(index).quantization
        if stated is None or stated.scale is None or not len(stated.scale):
            raise refused(f"tensor {self._tensor(index).name.decode()} is of integers without a scale")
        return np.asarray(stated.scale, np.float32), np.asarray(stated.zeroPoint).astype(np.int8)


__all__ = ["OPSET", "TO_CHANNELS_FIRST", "TO_CHANNELS_LAST", "OnnxBuilder", "refused"]
