"""PyTorch as a contestant, in both of its memory formats."""

import os
from functools import lru_cache
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.bench.contestants.torch_networks import build
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.networks import NETWORKS, gradients
from sevenloops.bench.serving import Prepared, serve

__all__ = ["Torch"]


@lru_cache(maxsize=1)
def _arrays(layer: ConvLayer) -> tuple[Array, Array, Array]:
    return layer.arrays()


@lru_cache(maxsize=1)
def _weights(name: str) -> dict[str, Array]:
    return NETWORKS[name].build().state_dict()


class Torch:
    """What prepares calls of PyTorch; the variant is the memory format of images and weights."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        torch.set_num_threads(int(os.environ.get("SEVENLOOPS_NUM_THREADS", torch.get_num_threads())))

    def introduce(self) -> dict[str, Any]:
        """Return version and number of threads."""
        return {"version": self._torch.__version__, "threads": self._torch.get_num_threads()}

    def prepare(self, task: dict[str, Any], variant: str) -> Prepared:
        """Return the call for a task."""
        if task["kind"] == "product":
            return self._product(task["size"])
        if task["kind"] == "infer":
            return self._inference(task["network"], task["n"], variant)
        if task["kind"] == "train":
            return self._training(task["network"], variant)
        return self._convolution(ConvLayer.from_json(task["layer"]), task["pass"], variant)

    def _memory(self, variant: str) -> Any:
        return {"contiguous": self._torch.contiguous_format, "channels_last": self._torch.channels_last}[variant]

    def _product(self, size: int) -> Prepared:
        rng = np.random.default_rng(0)
        a, b = (self._torch.from_numpy(rng.standard_normal((size, size), dtype=np.float32)) for _ in range(2))
        return Prepared(lambda: a @ b, lambda: [(a @ b).numpy()])

    def _convolution(self, layer: ConvLayer, direction: str, variant: str) -> Prepared:
        torch = self._torch
        memory = self._memory(variant)
        x, weight, grad = (torch.from_numpy(a).contiguous(memory_format=memory) for a in _arrays(layer))
        stride, padding = list(layer.stride), list(layer.padding)
        needs = (direction == "input_grad", direction == "weight_grad", False)

        def forward() -> Any:
            return torch.nn.functional.conv2d(x, weight, **layer.keywords)

        def backward() -> Any:
            """Call what autograd calls, without what it adds."""
            grads = torch.ops.aten.convolution_backward(
                grad, x, weight, [0], stride, padding, [1, 1], False, [0, 0], layer.groups, needs
            )
            return grads[0 if needs[0] else 1]

        call = forward if direction == "forward" else backward
        return Prepared(call, lambda: [call().contiguous().numpy()])

    def _network(self, name: str, variant: str) -> Any:
        """Return a network with the weights that ours has at first."""
        model = build(self._torch, name)
        model.load_state_dict({key: self._torch.tensor(array) for key, array in _weights(name).items()})
        return model.to(memory_format=self._memory(variant))

    def _inference(self, name: str, n: int, variant: str) -> Prepared:
        images, _ = NETWORKS[name].images(n)
        x = self._torch.from_numpy(images).contiguous(memory_format=self._memory(variant))
        model = self._network(name, variant).eval()

        def call() -> Any:
            with self._torch.inference_mode():
                return model(x)

        return Prepared(call, lambda: [call().numpy()])

    def _training(self, name: str, variant: str) -> Prepared:
        torch, network = self._torch, NETWORKS[name]
        images, labels = map(torch.from_numpy, network.images(network.batch))
        images = images.contiguous(memory_format=self._memory(variant))
        model = self._network(name, variant).train()
        optimizer = getattr(torch.optim, network.optimizer)(model.parameters(), **dict(network.options))

        def gradient() -> Any:
            optimizer.zero_grad()
            logits = model(images)
            torch.nn.functional.cross_entropy(logits, labels).backward()
            return logits

        def call() -> None:
            gradient()
            optimizer.step()

        def results() -> list[Array]:
            logits = gradient().detach().numpy()
            return [logits, gradients(parameter.grad.contiguous() for parameter in model.parameters())]

        return Prepared(call, results)


if __name__ == "__main__":
    serve(Torch)
