"""sevenloops as a contestant: its public functions on arrays, in both memory orders."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

import sevenloops as sl
from sevenloops.arrays import Array
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.serving import Prepared, serve
from sevenloops.conv.problem import Direction

__all__ = ["Ours"]


@lru_cache(maxsize=1)
def _arrays(layer: ConvLayer) -> tuple[Array, Array, Array]:
    return layer.arrays()


def _ordered(array: Array, variant: str) -> Array:
    """Return an array (N, C, H, W) whose memory is in the order of the variant."""
    if variant == "channels-first":
        return array
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


class Ours:
    """What prepares calls of sevenloops; the variant is the memory order of the images."""

    def introduce(self) -> dict[str, Any]:
        """Return name, version and number of threads."""
        return {"version": sl.__version__, "threads": sl.get_num_threads()}

    def prepare(self, task: dict[str, Any], variant: str) -> Prepared:
        """Return the call for a task."""
        if task["kind"] == "product":
            return _product(task["size"])
        return _convolution(ConvLayer.from_json(task["layer"]), task["pass"], variant)


def _product(size: int) -> Prepared:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    return Prepared(lambda: a @ b, lambda: [a @ b])


def _convolution(layer: ConvLayer, direction: Direction, variant: str) -> Prepared:
    x, weight, grad = _arrays(layer)
    x, grad, keywords = _ordered(x, variant), _ordered(grad, variant), layer.keywords
    calls: dict[str, Callable[[], Array]] = {
        "forward": lambda: sl.conv2d(x, weight, **keywords),
        "input_grad": lambda: sl.conv2d_input_grad(grad, weight, x.shape, **keywords),
        "weight_grad": lambda: sl.conv2d_weight_grad(grad, x, layer.kernel, **keywords),
    }
    plan = sl.plan_conv2d(x, weight, direction=direction, **keywords)
    workspace = next(c.cost.workspace for c in plan.candidates if c.name == plan.algorithm)
    call = calls[direction]
    return Prepared(call, lambda: [call()], {"algorithm": plan.algorithm, "workspace": workspace})


if __name__ == "__main__":
    serve(Ours)
