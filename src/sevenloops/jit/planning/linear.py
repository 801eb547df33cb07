"""Products of matrices with machine code: the fully connected layer and its gradients.

x is (M, I), weight (O, I), grad_output (M, O). Each is a convolution in which the rows of x are the pixels of one
image and there is one tap; with few rows, the forward pass reads the weights as they lie (`sevenloops.jit.dot`).
"""

from functools import lru_cache
from math import ceil

import numpy as np

from sevenloops.arrays import Array
from sevenloops.jit import dot, target
from sevenloops.jit.dot import DotForm
from sevenloops.jit.planning.calls import Call, CorrelateCall, MultiplyCall, address, in_floats
from sevenloops.jit.planning.packing import WeightPlaces
from sevenloops.jit.planning.view import Axis, Source, worth_threads

__all__ = ["accepts", "forward", "input_grad", "input_grad_workspace", "weight_grad"]

# Up to so many rows it takes longer to pack the weights than to use them, if they are too many for the cache.
_FEW_ROWS = 12
_MANY_WEIGHTS = 1 << 17

_ONE = Axis(1, 1, 1, (0,), 0, 0)
_PLACE = (0,)


def accepts(*arrays: Array) -> bool:
    """Return whether the kernels can read and write these arrays: float32 or float64, aligned, none of them empty."""
    return all(
        array.dtype.char in "fd"
        and array.flags.aligned
        and array.size > 0
        and not any(stride % array.itemsize for stride in array.strides)
        for array in arrays
    )


def forward(x: Array, weight: Array, bias: Array | None, out: Array, threads: int) -> None:
    """Write x·Wᵀ + b; the rows of out are adjacent floats."""
    xs, ws, outs = in_floats(x), in_floats(weight), in_floats(out)
    if len(x) <= _FEW_ROWS and weight.size > _MANY_WEIGHTS and xs[1] == ws[1] == 1:
        call = _dot(x.shape, len(weight), xs[0], ws[0], outs, x.itemsize, threads)
        start = np.zeros(len(weight), x.dtype) if bias is None else np.ascontiguousarray(bias)
        call.run(x=address(x), w=address(weight), start=address(start), out=address(out))
        return
    product = _product(x.shape, len(weight), xs, ws, outs[0], x.itemsize, threads)
    product.run(address(x), weight, bias, address(out))


def input_grad(grad: Array, weight: Array, out: Array, threads: int) -> None:
    """Write grad·W; the rows of out are adjacent floats."""
    ws = in_floats(weight)
    product = _product(
        grad.shape, weight.shape[1], in_floats(grad), (ws[1], ws[0]), in_floats(out)[0], out.itemsize, threads
    )
    product.run(address(grad), weight, None, address(out))


def input_grad_workspace(rows: int, outputs: int, inputs: int, itemsize: int, threads: int) -> int:
    """Return how many bytes `input_grad` allocates at most for grad (rows, outputs) and weight (outputs, inputs)."""
    return MultiplyCall.workspace(_source((rows, outputs), inputs, (outputs, 1), inputs, itemsize, threads))


def weight_grad(grad: Array, x: Array, out: Array, threads: int) -> None:
    """Write gradᵀ·x; the rows of grad are adjacent floats."""
    gs = in_floats(grad)
    call = _sums(x.shape, grad.shape[1], in_floats(x), in_floats(out), gs[0], x.itemsize, threads)
    call.run(address(x), address(grad), address(out))


def _source(
    shape: tuple[int, ...], outputs: int, xs: tuple[int, ...], out_row: int, itemsize: int, threads: int
) -> Source:
    rows, terms = shape
    columns = Axis(rows, rows, 1, (0,), xs[0], out_row)
    threads = worth_threads(rows * terms * outputs, threads)
    return Source(1, terms, outputs, 1, _ONE, columns, 0, xs[1], 0, itemsize, threads)


@lru_cache(maxsize=256)
def _product(
    shape: tuple[int, ...],
    outputs: int,
    xs: tuple[int, ...],
    ws: tuple[int, ...],
    out_row: int,
    itemsize: int,
    threads: int,
) -> MultiplyCall:
    source = _source(shape, outputs, xs, out_row, itemsize, threads)
    return MultiplyCall(source, WeightPlaces(ws[0], ws[1], 0, _PLACE), np.dtype(f"f{itemsize}"))


@lru_cache(maxsize=256)
def _sums(
    shape: tuple[int, ...],
    outputs: int,
    xs: tuple[int, ...],
    ws: tuple[int, ...],
    grad_row: int,
    itemsize: int,
    threads: int,
) -> CorrelateCall:
    source = _source(shape, outputs, xs, grad_row, itemsize, threads)
    return CorrelateCall(source, WeightPlaces(ws[0], ws[1], 0, _PLACE))


@lru_cache(maxsize=256)
def _dot(
    shape: tuple[int, ...], outputs: int, x_row: int, w_row: int, outs: tuple[int, ...], itemsize: int, threads: int
) -> Call:
    rows, terms = shape
    host = target.current()
    tiles = ceil(rows / 4)
    in_tile = ceil(rows / tiles)
    at_once = max(1, min(4, (host.registers - 3) // (in_tile + 1)))
    form = DotForm(itemsize, host.vector_bytes // itemsize, in_tile, rows - (tiles - 1) * in_tile, at_once)
    values = {
        "rows": rows,
        "columns": outputs,
        "terms": terms,
        "x_row": x_row,
        "w_row": w_row,
        "out_row": outs[0],
        "out_column": outs[1],
    }
    items = ceil(outputs / at_once)
    return Call(form, dot.ARGUMENTS, values, items, max(1, items // (16 * threads)), threads)
