"""VGG-16, the residual networks and MobileNetV2: their published sizes and names, and their gradients."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.errors import UnknownAlgorithmError
from sevenloops.nn.models import VGG16, MobileNetV2, ResNet18, ResNet50, vgg16_features

#: The class, how many parameters torchvision's documentation gives it, and the size of its last maps' features.
NETWORKS = {
    "vgg16": (VGG16, 138_357_544),
    "resnet18": (ResNet18, 11_689_512),
    "resnet50": (ResNet50, 25_557_032),
    "mobilenet_v2": (MobileNetV2, 3_504_872),
}
#: Names that must be there with these shapes, from files of torchvision's weights.
NAMED = {
    "vgg16": {
        "features.0.weight": (64, 3, 3, 3),
        "features.7.bias": (128,),
        "features.28.weight": (512, 512, 3, 3),
        "classifier.0.weight": (4096, 25088),
        "classifier.6.bias": (1000,),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "layer1.0.conv1.weight": (64, 64, 3, 3),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.num_batches_tracked": (),
        "layer4.1.bn2.bias": (512,),
        "fc.weight": (1000, 512),
    },
    "resnet50": {
        "layer1.0.conv3.weight": (256, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer3.5.conv2.weight": (256, 256, 3, 3),
        "layer4.2.bn3.weight": (2048,),
        "fc.bias": (1000,),
    },
    "mobilenet_v2": {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.2.conv.0.1.bias": (96,),
        "features.17.conv.3.running_var": (320,),
        "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
    },
}
#: How many arrays a state has: with the running statistics and counters of normalisation.
ENTRIES = {"vgg16": 32, "resnet18": 122, "resnet50": 320, "mobilenet_v2": 314}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_as_many_and_named_as_published(name):
    make, count = NETWORKS[name]
    model = make(rng=0)
    assert sum(parameter.size for parameter in model.parameters()) == count
    state = {key: array.shape for key, array in model.state_dict().items()}
    assert {key: state.get(key) for key in NAMED[name]} == NAMED[name]
    assert len(state) == ENTRIES[name]


def test_the_form_for_small_images():
    state = ResNet18(10, small_images=True, rng=0).state_dict()
    assert state["conv1.weight"].shape == (64, 3, 3, 3)
    assert sum(a.size for n, a in state.items() if "running" not in n and "num_batches" not in n) == 11_173_962


def sizes_of_maps(model, images):
    """Return the height of every convolution's result, in the order of the calls."""
    heights = []
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    handles = [c.register_forward_hook(lambda _m, _a, y: heights.append(y.shape[2])) for c in convolutions]
    with sl.no_grad():
        model(images)
    for handle in handles:
        handle.remove()
    assert len(heights) == len(convolutions)
    return heights


def test_where_the_maps_get_smaller():
    images = np.zeros((1, 3, 64, 64), np.float32)
    assert sizes_of_maps(vgg16_features(rng=0), images) == [64] * 2 + [32] * 2 + [16] * 3 + [8] * 3 + [4] * 3
    large = sizes_of_maps(ResNet18(rng=0), images)
    assert large == [32] + [16] * 4 + [8] * 5 + [4] * 5 + [2] * 5
    small = sizes_of_maps(ResNet18(small_images=True, rng=0), images)
    assert small == [64] + [64] * 4 + [32] * 5 + [16] * 5 + [8] * 5
    bottlenecks = sizes_of_maps(ResNet50(rng=0), images)
    assert bottlenecks[11:15] == [16, 8, 8, 8]  # the 1×1 before the stride, the 3×3 with it, the 1×1, the shortcut
    mobile = sizes_of_maps(MobileNetV2(rng=0), images)
    assert (mobile[0], mobile[-1], mobile.count(32)) == (32, 2, 4)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "vgg16_features"])
def test_gradients_are_the_slopes(name):
    """The loss's change along a random direction in all parameters, in float64, against the gradients' sum."""
    rng = np.random.default_rng(0)
    if name == "vgg16_features":
        model, shape = vgg16_features(rng=0, dtype=np.float64), (2, 3, 32, 32)
    else:
        small = {"small_images": True} if "resnet" in name else {"dropout": 0.0}
        model, shape = NETWORKS[name][0](5, rng=0, dtype=np.float64, **small), (3, 3, 16, 16)
    if name == "mobilenet_v2":
        model.eval()  # one pixel is left: statistics of three numbers are often those of three zeros
    images = rng.standard_normal(shape)
    weights = rng.standard_normal(model(images).shape)

    def loss():
        return (model(images) * weights).sum()

    loss().backward()
    parameters = list(model.parameters())
    assert all(parameter.grad is not None for parameter in parameters)
    directions = [rng.standard_normal(p.shape) * np.abs(p.data).max() for p in parameters]
    slope = sum(float((p.grad * d).sum()) for p, d in zip(parameters, directions))
    step, values = 1e-8, []
    for sign in (1, -1):
        for parameter, direction in zip(parameters, directions):
            parameter.data += sign * step * direction
        with sl.no_grad():
            values.append(float(loss().data))
        for parameter, direction in zip(parameters, directions):
            parameter.data -= sign * step * direction
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("make", [ResNet18, ResNet50, MobileNetV2, vgg16_features])
def test_seed_dtype_and_algorithm_reach_every_layer(make):
    first, same, other = (make(rng=seed).state_dict() for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, same[name])
        if array.ndim > 1:
            assert not np.array_equal(array, other[name]), name
    kinds = {array.dtype for name, array in make(dtype=np.float64).state_dict().items() if "num_batches" not in name}
    assert kinds == {np.dtype(np.float64)}
    layers = [module for module in make(algorithm="im2col").modules() if isinstance(module, nn.Conv2d)]
    assert {layer.algorithm for layer in layers} == {"im2col"}
    with pytest.raises(UnknownAlgorithmError):
        make(algorithm="fastest")


@pytest.mark.parametrize("make", [ResNet18, MobileNetV2])
def test_signals_keep_their_size_at_the_start(make):
    images = np.random.default_rng(0).standard_normal((8, 3, 64, 64)).astype(np.float32)
    assert 0.01 < make(rng=0)(images).data.std() < 10
