"""Store weights in an ONNX file as integers of 16 bits with a scale, where that is what they are.

The weights of the bundled network are: its file is half as large then. `Cast` and `Mul`, which every runtime knows,
make them numbers in single precision again; onnxruntime does that once, when it loads the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir

LARGEST = 32_767
SMALLEST_SIZE = 4_096  # numbers; less is not worth two operations
TOLERANCE = 1e-6  # of the largest weight of a channel: rounding in single precision


def store_integers(model: ir.Model) -> None:
    """Replace the weights that `as_integers` finds, in place."""
    import onnx_ir as ir

    graph = model.graph
    for name, weight in list(graph.initializers.items()):
        found = None if weight.const_value is None else as_integers(weight.const_value.numpy())
        if found is None:
            continue
        integers = ir.val(f"{name}.integers", const_value=ir.tensor(found[0]))
        scale = ir.val(f"{name}.scale", const_value=ir.tensor(found[1]))
        cast = ir.node("Cast", [integers], {"to": ir.DataType.FLOAT}, name=f"{name}.cast")
        multiply = ir.node("Mul", [cast.outputs[0], scale], name=f"{name}.multiply")
        for value in (cast.outputs[0], multiply.outputs[0]):
            value.dtype, value.shape = ir.DataType.FLOAT, weight.shape
        weight.replace_all_uses_with(multiply.outputs[0])
        del graph.initializers[name]
        for value in (integers, scale):
            graph.register_initializer(value)
        graph.insert_before(graph[0], [cast, multiply])


def as_integers(weights: NDArray[np.generic]) -> tuple[NDArray[np.int16], NDArray[np.float32]] | None:
    """Integers in the shape of the weights (C, …), and a scale for each channel, (C, 1, …); None if they are not that.

    A channel's largest weight is taken for the largest integer, as `efficientnet_lite.convert` makes them.
    """
    if weights.dtype != np.float32 or weights.ndim < 2 or weights.size < SMALLEST_SIZE:
        return None
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    scale = np.maximum(largest / np.float32(LARGEST), np.finfo(np.float32).tiny)
    integers = np.rint(weights / scale)
    if not (np.abs(integers * scale - weights) <= TOLERANCE * largest).all():
        return None
    return integers.astype(np.int16), scale
