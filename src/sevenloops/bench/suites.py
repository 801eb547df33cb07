"""Suites of convolution layers by name. Those of networks are read from the networks themselves."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias, cast

import numpy as np

from sevenloops.autograd import no_grad
from sevenloops.bench.deepbench import deepbench_layers
from sevenloops.bench.layers import ConvLayer
from sevenloops.nn import Conv2d, Module
from sevenloops.nn.models import LeNet5, MobileNetV2, ResNet50, vgg16_features

__all__ = ["DEEPBENCH_BYTES", "SUITES", "layers_of", "select", "suite"]

_Pairs: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

#: The layers of DeepBench that are taken have at most this many bytes in input, weight and output together.
DEEPBENCH_BYTES = 2**28

#: Layers that teaching code is often tried on: few channels, odd sizes.
_CLASSIC = (
    ConvLayer.square(64, 3, 50, 15, 4, stride=2),
    ConvLayer.square(10, 8, 32, 16, 3),
    ConvLayer.square(100, 3, 31, 25, 3, stride=2, padding=1),
)


def layers_of(model: Module, image_shape: tuple[int, int, int], n: int) -> tuple[ConvLayer, ...]:
    """Return the convolutions of a network in the order of the calls, for a minibatch of n images.

    The network runs once, on a single image of zeros.

    Parameters
    ----------
    model : Module
        Of two-dimensional convolutions with zero padding given as numbers, without dilation.
    image_shape : tuple of int
        (C, H, W).
    n : int
        Images of the minibatch.
    """
    found: list[ConvLayer] = []

    def note(module: Module, arguments: tuple[Any, ...], result: Any) -> None:
        if isinstance(module, Conv2d):
            _, c, h, w = np.shape(arguments[0])
            kernel, stride, padding = cast(_Pairs, (module.kernel_size, module.stride, module.padding))
            found.append(ConvLayer(n, c, h, w, module.out_channels, kernel, stride, padding, module.groups))

    handles = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, Conv2d)]
    try:
        with no_grad():
            model.eval()(np.zeros((1, *image_shape), np.float32))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found)


def _distinct(*groups: Iterable[ConvLayer]) -> tuple[ConvLayer, ...]:
    return tuple(dict.fromkeys(layer for group in groups for layer in group))


def _small() -> tuple[ConvLayer, ...]:
    return _distinct(_CLASSIC, layers_of(LeNet5(rng=0), (1, 32, 32), 64))


def _three_by_three() -> tuple[ConvLayer, ...]:
    layers = (*suite("resnet50"), *layers_of(vgg16_features(rng=0), (3, 224, 224), 4))
    return _distinct(layer for layer in layers if (layer.kernel, layer.stride) == ((3, 3), (1, 1)))


def _resnet50() -> tuple[ConvLayer, ...]:
    return _distinct(layers_of(ResNet50(rng=0), (3, 224, 224), 8))


def _mobilenetv2() -> tuple[ConvLayer, ...]:
    layers = layers_of(MobileNetV2(rng=0), (3, 224, 224), 8)
    return _distinct(layer for layer in layers if layer.groups > 1 or layer.kernel == (1, 1))


def _all() -> tuple[ConvLayer, ...]:
    return _distinct(*(suite(name) for name in SUITES if name != "all"))


#: Name, what it is, and how it is made.
SUITES: dict[str, tuple[str, Callable[[], tuple[ConvLayer, ...]]]] = {
    "small": ("three classic small layers, and LeNet-5's with 64 images", _small),
    "3x3": ("the 3x3 layers of stride 1 of ResNet-50 with 8 images and of VGG-16 with 4", _three_by_three),
    "resnet50": ("all layers of ResNet-50 with 8 images", _resnet50),
    "mobilenetv2": ("the depthwise and 1x1 layers of MobileNetV2 with 8 images", _mobilenetv2),
    "deepbench": (
        f"the training layers of Baidu's DeepBench of at most {DEEPBENCH_BYTES >> 20} MiB",
        lambda: deepbench_layers(DEEPBENCH_BYTES),
    ),
    "all": ("all of these", _all),
}


@lru_cache(maxsize=len(SUITES))
def suite(name: str) -> tuple[ConvLayer, ...]:
    """Return the distinct layers of a suite.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> from sevenloops.bench.suites import suite
    >>> print(suite("small")[0], suite("small")[0].flops)
    64,3,50,50 -> 15, 4x4, s2 53084160
    """
    if name not in SUITES:
        raise ValueError(f"suite must be one of {', '.join(SUITES)}, but got {name!r}.")
    return SUITES[name][1]()


def select(layers: Iterable[ConvLayer], pattern: str | None) -> tuple[ConvLayer, ...]:
    """Return the layers whose text matches a pattern: a part of it, or all of it if there is a * or ?.

    Raises
    ------
    ValueError
        If no layer does.
    """
    from fnmatch import fnmatchcase

    known = tuple(layers)
    if pattern is None:
        return known
    wild = pattern if set(pattern) & set("*?") else f"*{pattern}*"
    chosen = tuple(layer for layer in known if fnmatchcase(str(layer), wild))
    if not chosen:
        raise ValueError(
            f"layers must match a layer of the suite, such as '{known[0]}' or '*, 3x3*', but got {pattern!r}."
        )
    return chosen
