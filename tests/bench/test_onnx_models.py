"""The ONNX models that other engines are given, run by onnx's own evaluator."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.bench import ConvLayer
from sevenloops.bench.contestants.onnx_models import convolution_model, network_model
from sevenloops.bench.reference import reference
from sevenloops.bench.serving import Refused
from sevenloops.nn.models import VGG16, LeNet5, ResNet18, ResNet50

onnx = pytest.importorskip("onnx")


def evaluated(model, x):
    from onnx.reference import ReferenceEvaluator

    loaded = onnx.load_from_string(model)
    onnx.checker.check_model(loaded, full_check=True)
    return ReferenceEvaluator(loaded).run(None, {"x": x})[0]


LAYERS = [
    ConvLayer.square(2, 3, 9, 4, 3, stride=2, padding=1),
    ConvLayer(2, 4, 7, 6, 6, (3, 2), (2, 1), (1, 2), 2),
    ConvLayer.square(1, 6, 8, 6, 3, padding=1, groups=6),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_convolutions(layer):
    x, weight, _ = layer.arrays()
    np.testing.assert_allclose(
        evaluated(convolution_model(layer, weight), x), reference(layer, "forward"), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: ResNet18(5, small_images=True, rng=0), 8),
        (lambda: ResNet18(5, rng=0), 32),
        (lambda: ResNet50(5, rng=0), 32),
    ],
)
def test_residual_networks(make, size):
    network = make().eval()
    for number, (name, buffer) in enumerate(network.named_buffers()):
        if "running" in name:
            buffer[...] = np.random.default_rng(number).uniform(0.5, 2, buffer.shape)
    x = np.random.default_rng(0).standard_normal((2, 3, size, size), dtype=np.float32)
    with sl.no_grad():
        expected = network(x).data
    found = evaluated(network_model(network, x.shape), x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_vgg16_as_a_graph():
    """Running it takes the evaluator too long: its nodes, and the arrays' shapes in their order."""
    network = VGG16(5, rng=0)
    model = onnx.load_from_string(network_model(network, (1, 3, 224, 224)))
    kinds = [node.op_type for node in model.graph.node]
    convolutions = ["Conv", "Relu"]
    blocks = [2, 2, 3, 3, 3]
    expected = [kind for depth in blocks for kind in [*convolutions * depth, "MaxPool"]]
    assert kinds == [*expected, "Flatten", "Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    shapes = [tuple(tensor.dims) for tensor in model.graph.initializer]
    assert shapes == [parameter.shape for parameter in network.parameters()]


def test_other_networks_are_refused():
    with pytest.raises(Refused, match="LeNet5 is not written"):
        network_model(LeNet5(rng=0), (1, 1, 28, 28))
    model = VGG16.__new__(VGG16)
    with pytest.raises(Refused, match="224x224"):
        network_model(model, (1, 3, 64, 64))
