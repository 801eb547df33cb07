"""sevenloops as a contestant: its public functions on arrays, in both memory orders."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

import sevenloops as sl
from sevenloops.arrays import Array
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.networks import NETWORKS, Network, gradients
from sevenloops.bench.serving import Prepared, Refused, serve
from sevenloops.conv.problem import Direction
from sevenloops.errors import UnsupportedGeometryError

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
        if task["kind"] == "infer":
            return _inference(task["network"], task["n"], variant)
        if task["kind"] == "train":
            return _training(NETWORKS[task["network"]], variant)
        try:
            layer = ConvLayer.from_json(task["layer"])
            return _convolution(layer, task["pass"], variant, task.get("algorithm", "auto"))
        except UnsupportedGeometryError as reason:
            raise Refused(str(reason)) from None


def _product(size: int) -> Prepared:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    return Prepared(lambda: a @ b, lambda: [a @ b])


def _convolution(layer: ConvLayer, direction: Direction, variant: str, algorithm: str) -> Prepared:
    x, weight, grad = _arrays(layer)
    x, grad = _ordered(x, variant), _ordered(grad, variant)
    keywords = layer.keywords if algorithm == "auto" else {**layer.keywords, "algorithm": algorithm}
    calls: dict[str, Callable[[], Array]] = {
        "forward": lambda: sl.conv2d(x, weight, **keywords),
        "input_grad": lambda: sl.conv2d_input_grad(grad, weight, x.shape, **keywords),
        "weight_grad": lambda: sl.conv2d_weight_grad(grad, x, layer.kernel, **keywords),
    }
    plan = sl.plan_conv2d(x, weight, direction=direction, **keywords)
    workspace = next(c.cost.workspace for c in plan.candidates if c.name == plan.algorithm)
    call = calls[direction]
    return Prepared(call, lambda: [call()], {"algorithm": plan.algorithm, "workspace": workspace})


@lru_cache(maxsize=1)
def _evaluated(name: str) -> sl.nn.Module:
    return sl.nn.utils.freeze(NETWORKS[name].build())


def _inference(name: str, n: int, variant: str) -> Prepared:
    images, _ = NETWORKS[name].images(n)
    model, images = _evaluated(name), _ordered(images, variant)

    def call() -> Array:
        with sl.no_grad():
            result: Array = model(images).numpy()
        return result

    return Prepared(call, lambda: [call()])


def _training(network: Network, variant: str) -> Prepared:
    images, labels = network.images(network.batch)
    model, images = network.build(), _ordered(images, variant)
    optimizer = getattr(sl.optim, network.optimizer)(model.parameters(), **dict(network.options))

    def gradient() -> sl.Tensor:
        optimizer.zero_grad()
        logits: sl.Tensor = model(images)
        sl.cross_entropy(logits, labels).backward()
        return logits

    def call() -> None:
        gradient()
        optimizer.step()

    def results() -> list[Array]:
        return [gradient().numpy(), gradients(parameter.grad for parameter in model.parameters())]

    return Prepared(call, results)


if __name__ == "__main__":
    serve(Ours)
