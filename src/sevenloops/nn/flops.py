"""How many floating-point operations a recorded operation takes, by its name and attributes."""

from collections.abc import Callable
from math import prod

from sevenloops.autograd import Node

__all__ = ["backward_flops", "forward_flops"]


def _sizes(node: Node) -> list[int]:
    return [prod(source.shape) if hasattr(source, "shape") else 0 for source in node.inputs or ()]


def _contraction(node: Node) -> int:
    lengths: dict[object, int] = {}
    for source, labels in zip(node.inputs or (), node.attributes["labels"]):
        for label, length in zip(labels, source.shape):
            lengths[label] = max(length, lengths.get(label, 1))
    return 2 * prod(lengths.values())


def _matrix(node: Node) -> int:
    """Return that of a product whose second operand is (…, K, N), (N, K) for linear, or (K,)."""
    second = (node.inputs or ())[1].shape
    inner = second[-2] if node.operation.name == "matmul" and len(second) > 1 else second[-1]
    return 2 * prod(node.shape) * int(inner)


def _convolution(node: Node) -> int:
    flops: int = node.attributes["geometry"].flops
    return flops


def _windows(node: Node) -> int:
    return prod(node.shape) * int(node.attributes["geometry"].taps)


def _per_input(count: int) -> Callable[[Node], int]:
    return lambda node: count * _sizes(node)[0]


def _nothing(node: Node) -> int:
    return 0


#: Products; each of their operands has a gradient that takes as many operations as the result.
_PRODUCTS: dict[str, Callable[[Node], int]] = {
    "convolution": _convolution,
    "conv_transpose": _convolution,
    "linear": _matrix,
    "matmul": _matrix,
    "einsum": _contraction,
}

_TABLE: dict[str, Callable[[Node], int]] = {
    **_PRODUCTS,
    **dict.fromkeys(("max_pool", "avg_pool"), _windows),
    **dict.fromkeys(("adaptive_max_pool", "adaptive_avg_pool"), _per_input(1)),
    **dict.fromkeys(
        (
            *("sum", "mean", "prod", "cumsum", "amax", "amin", "logsumexp", "vector_norm"),
            *("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"),
            *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"),
        ),
        _per_input(1),
    ),
    # Sum, centre, square, sum; scale, shift.
    **dict.fromkeys(("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"), _per_input(6)),
    **dict.fromkeys(("softmax", "softmin", "log_softmax", "var", "std"), _per_input(4)),
    # What moves elements and computes nothing.
    **dict.fromkeys(
        (
            *("reshape", "expand", "permute", "getitem", "flip", "roll", "cat", "stack", "tile", "pad", "clone"),
            *("to", "pick", "max_unpool", "hook_gate", "hook_exit"),
        ),
        _nothing,
    ),
}


def forward_flops(node: Node) -> int:
    """Return the floating-point operations of the forward pass; one per element of the result if nothing is known."""
    count = _TABLE.get(node.operation.name)
    return prod(node.shape) if count is None else count(node)


def backward_flops(node: Node) -> int:
    """Return those of the backward pass: as many again, and in products for each operand that needs a gradient."""
    if not any(node.needs):
        return 0
    return forward_flops(node) * (sum(node.needs[:2]) if node.operation.name in _PRODUCTS else 1)
