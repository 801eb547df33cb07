"""Whole networks as tasks: an inference, or a step of training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import no_grad
from sevenloops.bench.measure import Task
from sevenloops.functional import cross_entropy
from sevenloops.nn import Conv2d, Module, summary
from sevenloops.nn.models import VGG16, LeNet5, ResNet18, ResNet50

__all__ = ["NETWORKS", "Network", "gradients", "infer_tasks", "train_tasks"]

#: The largest errors that results may have, relative to the largest value. A network of fifty layers adds up the
#: rounding of each; in training, rectifiers whose input is nearly 0 let a gradient pass in one precision and not in
#: the other.
_TOLERANCE = {"infer": 1e-3, "train": 2e-2}


@dataclass(frozen=True)
class Network:
    """A network that can be measured.

    Attributes
    ----------
    title : str
    build : callable
        Returns it with initial weights, the same in every process.
    image_shape : tuple of int
        (C, H, W).
    classes : int
    optimizer : str
        The name of a class, of sevenloops and of PyTorch.
    options : dict
        Its arguments.
    batch : int
        Images of a training step.
    epoch : int
        Images of an epoch; 0 where a step is what counts.
    """

    title: str
    build: Callable[[], Module]
    image_shape: tuple[int, int, int]
    classes: int
    optimizer: str = "SGD"
    options: tuple[tuple[str, float], ...] = (("lr", 0.01), ("momentum", 0.9))
    batch: int = 0
    epoch: int = 0

    def images(self, n: int) -> tuple[Array, Array]:
        """Return random images and labels, the same in every process."""
        rng = np.random.default_rng(0)
        images = rng.standard_normal((n, *self.image_shape), dtype=np.float32)
        return images, rng.integers(0, self.classes, n)


#: By the names that suites are chosen by.
NETWORKS = {
    "lenet5": Network(
        "LeNet-5",
        lambda: LeNet5(rng=0),
        (1, 28, 28),
        10,
        optimizer="Adam",
        options=(("lr", 1e-3),),
        batch=64,
        epoch=60_000,
    ),
    "resnet18-cifar": Network(
        "ResNet-18 for CIFAR", lambda: ResNet18(10, small_images=True, rng=0), (3, 32, 32), 10, batch=32
    ),
    "vgg16": Network("VGG-16", lambda: VGG16(rng=0), (3, 224, 224), 1000),
    "resnet50": Network("ResNet-50", lambda: ResNet50(rng=0), (3, 224, 224), 1000),
}


def infer_tasks(names: Iterable[str], batches: Iterable[int] = (1, 8)) -> list[Task]:
    """Return the evaluations of networks on so many images each."""
    return [_infer_task(name, n) for name in names for n in batches]


def _infer_task(name: str, n: int) -> Task:
    network = NETWORKS[name]
    return Task(
        label=f"{network.title}, {n} image{'s' * (n > 1)}",
        direction="infer",
        request={"kind": "infer", "network": name, "n": n},
        flops=n * _summary(name).flops,
        details={"network": name, "images": n},
        tolerance=_TOLERANCE["infer"],
        reference=lambda: [_logits(name, n)],
    )


def train_tasks(names: Iterable[str]) -> list[Task]:
    """Return a step of training of networks each: gradients and optimizer."""
    return [_train_task(name) for name in names]


def _train_task(name: str) -> Task:
    network = NETWORKS[name]
    steps = -(-network.epoch // network.batch)
    return Task(
        label=f"{network.title}, {network.batch} images, {network.optimizer}",
        direction="train step",
        request={"kind": "train", "network": name},
        flops=network.batch * _summary(name).training_flops,
        details={"network": name, "images": network.batch, "steps_per_epoch": steps or None},
        tolerance=_TOLERANCE["train"],
        reference=lambda: _step_results(name),
    )


@lru_cache(maxsize=1)
def _summary(name: str) -> Any:
    return summary(NETWORKS[name].build(), (1, *NETWORKS[name].image_shape))


@lru_cache(maxsize=1)
def _exact(name: str) -> Module:
    """Return the network with its float32 weights in float64, and by one plain algorithm throughout."""
    model = NETWORKS[name].build().to(np.float64)
    for module in model.modules():
        if isinstance(module, Conv2d):
            module.algorithm = "im2col-lazy"
    return model


def _logits(name: str, n: int) -> Array:
    images, _ = NETWORKS[name].images(n)
    with no_grad():
        result: Array = _exact(name).eval()(images.astype(np.float64)).data
    return result


def _step_results(name: str) -> list[Array]:
    network = NETWORKS[name]
    images, labels = network.images(network.batch)
    model = _exact(name).train()
    model.zero_grad()
    logits = model(images.astype(np.float64))
    cross_entropy(logits, labels).backward()
    return [logits.data, gradients(parameter.grad for parameter in model.parameters())]


def gradients(arrays: Iterable[Any]) -> Array:
    """Return gradients of all parameters as one vector."""
    return np.concatenate([np.asarray(array).ravel() for array in arrays])
