"""Suites: the layers of the networks as their papers have them, and what a layer costs."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.bench import SUITES, ConvLayer, select, suite
from sevenloops.bench.deepbench import deepbench_layers
from sevenloops.bench.suites import DEEPBENCH_BYTES


def texts(name):
    return [str(layer) for layer in suite(name)]


@pytest.mark.parametrize(
    ("name", "count"), [("small", 6), ("3x3", 13), ("resnet50", 23), ("mobilenetv2", 29), ("deepbench", 90)]
)
def test_how_many_distinct_layers(name, count):
    assert len(suite(name)) == len(set(suite(name))) == count


def test_the_small_ones_end_with_lenet5():
    assert texts("small")[3:] == ["64,1,32,32 -> 6, 5x5", "64,6,14,14 -> 16, 5x5", "64,16,5,5 -> 120, 5x5"]


def test_three_by_three_are_of_both_networks():
    """Of ResNet-50 one per stage; of VGG-16 thirteen layers, of which four are repetitions."""
    assert texts("3x3")[:4] == [
        f"8,{c},{s},{s} -> {c}, 3x3, p1" for c, s in zip((64, 128, 256, 512), (56, 28, 14, 7))
    ]
    assert texts("3x3")[4] == "4,3,224,224 -> 64, 3x3, p1"
    assert texts("3x3")[-1] == "4,512,14,14 -> 512, 3x3, p1"


def test_resnet50_has_the_published_layers():
    layers = suite("resnet50")
    assert str(layers[0]) == "8,3,224,224 -> 64, 7x7, s2, p3"
    for stage, (width, size) in enumerate(zip((64, 128, 256, 512), (56, 28, 14, 7))):
        assert ConvLayer.square(8, width, size, width, 3, padding=1) in layers
        assert ConvLayer.square(8, width, size, 4 * width, 1) in layers
        if stage:
            assert ConvLayer.square(8, 2 * width, 2 * size, 4 * width, 1, stride=2) in layers
            assert ConvLayer.square(8, width, 2 * size, width, 3, stride=2, padding=1) in layers


def test_mobilenet_is_depthwise_and_pointwise():
    layers = suite("mobilenetv2")
    assert all(layer.groups in (1, layer.c) for layer in layers)
    assert all((layer.kernel == (1, 1)) == (layer.groups == 1) for layer in layers)
    assert {layer.c for layer in layers if layer.groups > 1} == {32, 96, 144, 192, 384, 576, 960}


def test_deepbench_within_its_bound():
    """Ninety of its ninety-four are distinct; the first is speech's, (W, H) = (700, 161) with (20, 5) kernels."""
    everything = deepbench_layers(2**60)
    assert len(everything) == 90
    assert str(everything[0]) == "4,1,161,700 -> 32, 5x20, s2"
    assert everything[0].out_shape == (4, 32, 79, 341)  # the next layer's input
    assert set(deepbench_layers(2**24)) == {layer for layer in everything if layer.bytes <= 2**24} != set(everything)
    assert max(layer.bytes for layer in suite("deepbench")) <= DEEPBENCH_BYTES


def test_all_has_each_once():
    everything = suite("all")
    assert set(everything) == {layer for name in SUITES for layer in suite(name)}
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("layer", [*suite("small"), suite("mobilenetv2")[0], suite("deepbench")[0]], ids=str)
def test_flops_shapes_and_bytes(layer):
    """Two operations for each pixel of the output, and each weight that it meets."""
    x, weight, grad = layer.arrays()
    y = sl.conv2d(x[:1], weight, **layer.keywords)
    assert (layer.n, *y.shape[1:]) == layer.out_shape == grad.shape
    n, _, height, width = grad.shape
    assert layer.flops == 2 * n * height * width * weight.size
    assert layer.bytes == x.nbytes + weight.nbytes + grad.nbytes
    assert {a.dtype for a in (x, weight, grad)} == {np.dtype(np.float32)}


def test_a_layer_travels_as_json():
    import json

    for layer in suite("all"):
        assert ConvLayer.from_json(json.loads(json.dumps(layer.to_json()))) == layer


def test_text_of_uneven_layers():
    layer = ConvLayer(1, 4, 9, 8, 6, (3, 2), (2, 1), (1, 0), 2)
    assert str(layer) == "1,4,9,8 -> 6, 3x2, s2x1, p1x0, g2"


def test_selection():
    layers = suite("resnet50")
    assert select(layers, None) == layers
    assert {str(layer).split(", ")[1] for layer in select(layers, "3x3")} == {"3x3"}
    assert [str(layer) for layer in select(layers, "*s2, p3")] == ["8,3,224,224 -> 64, 7x7, s2, p3"]
    assert select(layers, "8,64,56,56 -> 64, 3x3, p1") == (ConvLayer.square(8, 64, 56, 64, 3, padding=1),)
    with pytest.raises(ValueError, match=r"layers must match a layer of the suite.*but got '9x9'"):
        select(layers, "9x9")


def test_unknown_suites_are_refused():
    with pytest.raises(ValueError, match=r"suite must be one of small, 3x3, .*, all, but got 'big'"):
        suite("big")
