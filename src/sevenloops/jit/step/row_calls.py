"""What goes along rows in machine code: softmax and its relatives, cross entropy, layer and RMS norm."""

from typing import Any

import numpy as np

from sevenloops import backends, runtime
from sevenloops.arrays import Array
from sevenloops.jit import pool
from sevenloops.jit.step.flat import address, memory_order
from sevenloops.jit.step.rows import ARGUMENTS, RowForm, Task

__all__ = [
    "class_cross_entropy",
    "log_softmax",
    "log_softmax_grad",
    "normalise_rows",
    "normalise_rows_grad",
    "softmax",
    "softmax_grad",
    "softmin",
    "softmin_grad",
]

_ALONE = 1 << 13  # elements up to which one thread is faster
_BLOCK = 1 << 13  # elements of an item


def _run(task: Task, x: Array, length: int, out: Array | None, blocks: int = 0, **arrays: Array | None) -> None:
    """Run a task over the rows of x; `blocks` is how many items there are, if not as many as is good."""
    rows = x.size // length
    block = -(-rows // blocks) if blocks else max(1, _BLOCK // length)
    items = -(-rows // block)
    values = {name: 0 if array is None else address(array) for name, array in arrays.items()}
    args = ARGUMENTS.pack(
        {
            **dict.fromkeys(ARGUMENTS.names, 0),
            **values,
            "x": address(x),
            "out": 0 if out is None else address(out),
            "rows": rows,
            "length": length,
            "block": block,
            **{f"has_{name}": int(bool(values.get(name))) for name in ("weight", "bias", "sums")},
            "has_out": int(out is not None),
        }
    )
    threads = runtime.get_num_threads() if x.size > _ALONE else 1
    pool.run(RowForm(task, x.itemsize).load(), args, items, max(1, items // (8 * threads)), threads)


def _along(dim: int, *arrays: Array) -> bool:
    """Return whether arrays of one shape and dtype are without gaps, in one order in which an axis comes last."""
    x = arrays[0]
    if x.dtype.char not in "fd" or not x.dtype.isnative or x.shape[dim] < 2 or not x.size:
        return False
    order = memory_order(x)
    if order is None or order[-1] != dim:
        return False
    return all(a.shape == x.shape and a.dtype == x.dtype and memory_order(a) == order for a in arrays[1:])


def _softmax(name: Task, x: Array, out: Array, dim: int) -> None:
    if _along(dim, x, out):
        _run(name, x, x.shape[dim], out)
    else:
        backends.kernel(name, "forward", "numpy")(x, out, dim=dim)


def _softmax_grad(name: str, task: Task, grad: Array, y: Array, out: Array, dim: int) -> None:
    if _along(dim, grad, y, out):
        _run(task, y, y.shape[dim], out, g=grad)
    else:
        backends.kernel(name, "gradient", "numpy")(grad, y, out, dim=dim)


def softmax(x: Array, out: Array, *, dim: int) -> None:
    """Write exp(x) / Σ exp(x) along an axis."""
    _softmax("softmax", x, out, dim)


def softmax_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write y · (grad - Σ grad · y)."""
    _softmax_grad("softmax", "softmax_grad", grad, y, out, dim)


def softmin(x: Array, out: Array, *, dim: int) -> None:
    """Write exp(-x) / Σ exp(-x) along an axis."""
    _softmax("softmin", x, out, dim)


def softmin_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write y · (Σ grad · y - grad)."""
    _softmax_grad("softmin", "softmin_grad", grad, y, out, dim)


def log_softmax(x: Array, out: Array, *, dim: int) -> None:
    """Write x - log Σ exp(x) along an axis."""
    _softmax("log_softmax", x, out, dim)


def log_softmax_grad(grad: Array, y: Array, out: Array, *, dim: int) -> None:
    """Write grad - exp(y) · Σ grad."""
    _softmax_grad("log_softmax", "log_softmax_grad", grad, y, out, dim)


# --- cross entropy -----------------------------------------------------------------------------------------------


def class_cross_entropy(
    logits: Array, labels: Array, counted: Array, weight: Array, smoothing: float
) -> tuple[Array, tuple[Array, Array]]:
    """Return the loss of each position, and the exponentials and their sums; see `sevenloops.losses.classes`."""
    fits = logits.shape[2] == 1 and not smoothing and logits.dtype.char in "fd" and logits.dtype.isnative
    if not fits or not logits.size or not logits.flags.c_contiguous:
        found: tuple[Array, tuple[Array, Array]] = backends.kernel("class_cross_entropy", "forward", "numpy")(
            logits, labels, counted, weight, smoothing
        )
        return found
    exponentials = runtime.empty(logits.shape, logits.dtype)
    numbers = np.empty((len(logits), 3), logits.dtype)
    places = np.ascontiguousarray(labels, np.int64)
    _run("exponentials", logits, logits.shape[1], exponentials, numbers=numbers, labels=places)
    total, at_label = numbers[:, :1], numbers[:, 1:2]
    with np.errstate(all="ignore"):
        losses = (np.log(total) - at_label) * weight[labels]
    losses[~counted] = 0
    return losses, (exponentials, total)


# --- normalisation -----------------------------------------------------------------------------------------------


def _matrices(*arrays: Array | None) -> bool:
    """Return whether arrays are contiguous and of one dtype."""
    given = [array for array in arrays if array is not None]
    dtype = given[0].dtype
    fine = dtype.char in "fd" and dtype.isnative and given[0].size > 0
    return fine and all(a.dtype == dtype and a.flags.c_contiguous for a in given)


def normalise_rows(
    x: Array, weight: Array | None, bias: Array | None, eps: float, centred: bool, out: Array
) -> tuple[Array, Array]:
    """Write (x - mean) · rstd · weight + bias; return mean and rstd, (M,), in float64."""
    if not _matrices(x, weight, bias, out):
        found: tuple[Array, Array] = backends.kernel("row_norm", "forward", "numpy")(
            x, weight, bias, eps, centred, out
        )
        return found
    numbers, constants = np.empty((len(x), 3), x.dtype), np.array([eps], x.dtype)
    task: Task = "normalise_centred" if centred else "normalise"
    _run(task, x, x.shape[1], out, weight=weight, bias=bias, numbers=numbers, constants=constants)
    centre, rest, variance = numbers.T.astype(np.float64)
    with np.errstate(all="ignore"):
        return centre + rest, 1 / np.sqrt(variance + eps)


def normalise_rows_grad(
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    centred: bool,
    parameters: bool,
    out: Array | None,
) -> tuple[Array, Array]:
    """Write the gradient by x, if `out` is given; return those by weight and bias, (D,), if `parameters`."""
    if not _matrices(x, grad, weight, out):
        found: tuple[Array, Array] = backends.kernel("row_norm", "gradient", "numpy")(
            grad, x, mean, rstd, weight, centred, parameters, out
        )
        return found
    rows, length = x.shape
    with np.errstate(all="ignore"):
        centre = mean.astype(x.dtype)
        numbers = np.stack([centre, rstd, (centre - mean) * rstd], 1).astype(x.dtype)
    blocks = max(1, min(16, rows // 32)) if parameters else 0  # so few that the sums are small beside the rows
    sums: Any = np.zeros((max(blocks, 1), 2, length), x.dtype) if parameters else None
    task: Task = "normalise_centred_grad" if centred else "normalise_grad"
    _run(task, x, length, out, blocks, g=grad, weight=weight, numbers=numbers, sums=sums)
    if sums is None:
        return np.zeros(1), np.zeros(1)
    dweight, dbias = sums.sum(0, dtype=np.float64)
    return dweight, dbias
