"""Convolutions and the measured networks as ONNX models, for the engines that read these. Needs onnx."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.serving import Refused
from sevenloops.nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Identity,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
)
from sevenloops.nn.models import VGG16, ResNet

__all__ = ["convolution_model", "network_model"]

# Old enough for every version of the engines, new enough for all that is here.
_OPSET, _IR = 13, 7


class _Graph:
    """An ONNX graph that is being written: nodes, and the arrays that they know."""

    def __init__(self, shape: Sequence[int]) -> None:
        import onnx

        self._onnx = onnx
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []
        self._shape = list(shape)

    def array(self, array: Array) -> str:
        """Add an array and return its name."""
        name = f"w{len(self._arrays)}"
        self._arrays.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation and return the name of its result."""
        name = f"y{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def model(self, result: str, rank: int) -> bytes:
        """Return the whole, from ``x`` to a result of which only the rank is stated."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "sevenloops",
            [helper.make_tensor_value_info("x", kind, self._shape)],
            [helper.make_tensor_value_info(result, kind, [f"size{axis}" for axis in range(rank)])],
            self._arrays,
        )
        model = helper.make_model(graph, ir_version=_IR, opset_imports=[helper.make_opsetid("", _OPSET)])
        content: bytes = model.SerializeToString()
        return content


def convolution_model(layer: ConvLayer, weight: Array) -> bytes:
    """Return a model of one convolution whose weight is a constant."""
    graph = _Graph(layer.x_shape)
    attributes = _windows(layer.kernel, layer.stride, layer.padding)
    return graph.model(graph.node("Conv", "x", graph.array(weight), group=layer.groups, **attributes), 4)


def network_model(network: Module, shape: Sequence[int]) -> bytes:
    """Return a model of VGG-16 or a residual network in evaluation.

    Parameters
    ----------
    network : VGG16 or ResNet
    shape : sequence of int
        Of the images; for VGG-16 of 224×224.

    Raises
    ------
    Refused
        For any other network or size.
    """
    graph = _Graph(shape)
    if isinstance(network, VGG16):
        if tuple(shape[2:]) != (224, 224):
            raise Refused("VGG-16 is written for images of 224x224 only")
        features = graph.node("Flatten", _emit(graph, network.features, "x"))
        return graph.model(_emit(graph, network.classifier, features), 2)
    if isinstance(network, ResNet):
        y = "x"
        for _, child in network.named_children():  # in the order of the calls
            y = graph.node("Flatten", y) if isinstance(child, Linear) else y
            y = _emit(graph, child, y)
        return graph.model(y, 2)
    raise Refused(f"{type(network).__name__} is not written as an ONNX model")


def _windows(kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> dict[str, Any]:
    return {"kernel_shape": list(kernel), "strides": list(stride), "pads": [*padding, *padding]}


def _emit(graph: _Graph, module: Module, x: str) -> str:
    """Add a module, and return the name of its result."""
    if isinstance(module, Sequential):
        for part in module:
            x = _emit(graph, part, x)
        return x
    if isinstance(module, (Identity, Dropout)):
        return x
    if isinstance(module, ReLU):
        return graph.node("Relu", x)
    if isinstance(module, Conv2d):
        pairs: Any = (module.kernel_size, module.stride, module.padding)
        arrays = [graph.array(p.data) for p in (module.weight, module.bias) if p is not None]
        return graph.node("Conv", x, *arrays, group=module.groups, **_windows(*pairs))
    if isinstance(module, BatchNorm2d):
        values = (module.weight, module.bias, module.running_mean, module.running_var)
        arrays = [graph.array(v if isinstance(v, np.ndarray) else v.data) for v in values if v is not None]
        return graph.node("BatchNormalization", x, *arrays, epsilon=module.eps)
    if isinstance(module, MaxPool2d):
        stride = module.kernel_size if module.stride is None else module.stride
        sizes: Any = [v if isinstance(v, tuple) else (v, v) for v in (module.kernel_size, stride, module.padding)]
        return graph.node("MaxPool", x, **_windows(*sizes))
    if isinstance(module, AdaptiveAvgPool2d):
        return graph.node("GlobalAveragePool", x)  # to 1×1; the one of VGG-16 changes nothing and is left out
    if isinstance(module, Linear):
        arrays = [graph.array(p.data) for p in (module.weight, module.bias) if p is not None]
        return graph.node("Gemm", x, *arrays, transB=1)
    return _emit_block(graph, module, x)


def _emit_block(graph: _Graph, block: Module, x: str) -> str:
    """Add a residual block: convolutions with their normalisations, the shortcut, the sum."""
    parts = dict(block.named_children())
    depth = sum(name.startswith("conv") for name in parts)
    y = x
    for number in range(1, depth + 1):
        y = _emit(graph, parts[f"bn{number}"], _emit(graph, parts[f"conv{number}"], y))
        y = graph.node("Relu", y) if number < depth else y
    shortcut = _emit(graph, parts["downsample"], x) if "downsample" in parts else x
    return graph.node("Relu", graph.node("Add", y, shortcut))
