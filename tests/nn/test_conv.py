"""Layers against the definition of the convolution, with the layer's own weight and bias."""

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError, UnknownAlgorithmError
from tests.helpers import oracle
from tests.helpers.checks import ALGORITHMS

LAYERS = {1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d), 3: (nn.Conv3d, nn.ConvTranspose3d)}
# One entry per spatial axis, the first ones are used; all different, so that no axis can pass for another.
KERNEL, STRIDE, DILATION, PADDING, SIZE = (3, 2, 4), (2, 3, 1), (1, 2, 2), (2, 1, 0), (9, 8, 11)


def values(*shape):
    return np.random.default_rng(5).normal(size=shape)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_is_the_convolution(axes, bias):
    layer = LAYERS[axes][0](
        4, 6, KERNEL[:axes], STRIDE[:axes], PADDING[:axes], DILATION[:axes], 2, bias, dtype=np.float64, rng=0
    )
    x = values(2, 4, *SIZE[:axes])
    y = layer(x)
    expected = oracle.forward(
        x,
        layer.weight.data,
        layer.bias.data if bias else None,
        stride=STRIDE[:axes],
        padding=[(p, p) for p in PADDING[:axes]],
        dilation=DILATION[:axes],
        groups=2,
    )
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.data, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer(x[0]).data, expected[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_the_transposed_layer_is_the_transposed_convolution(axes, bias):
    extra = (1, 0, 1)[:axes]
    layer = LAYERS[axes][1](
        4, 6, KERNEL[:axes], STRIDE[:axes], PADDING[:axes], extra, 2, bias, DILATION[:axes], dtype=np.float64, rng=0
    )
    x = values(2, 4, *SIZE[:axes])
    expected = oracle.transposed(
        x,
        layer.weight.data,
        layer.bias.data if bias else None,
        stride=STRIDE[:axes],
        padding=[(p, p) for p in PADDING[:axes]],
        output_padding=extra,
        dilation=DILATION[:axes],
        groups=2,
    )
    np.testing.assert_allclose(layer(x).data, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_parameters_have_pytorchs_names_shapes_and_distribution(axes):
    conv, transposed = LAYERS[axes]
    layer = conv(32, 64, KERNEL[:axes], groups=4, rng=0)
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    assert shapes == {"weight": (64, 8, *KERNEL[:axes]), "bias": (64,)}
    layer_t = transposed(32, 64, KERNEL[:axes], groups=4, rng=0)
    shapes = {name: p.shape for name, p in layer_t.named_parameters()}
    assert shapes == {"weight": (32, 16, *KERNEL[:axes]), "bias": (64,)}
    for each in (layer, layer_t):
        bound = 1 / np.sqrt(each.weight.shape[1] * np.prod(KERNEL[:axes]))  # PyTorch's fan_in: shape[1] · taps
        for parameter in (each.weight.data, each.bias.data):
            assert parameter.dtype == np.float32
            assert np.abs(parameter).max() <= bound * 1.000001
            assert np.abs(parameter).max() > 0.9 * bound
        assert each.weight.data.var() == pytest.approx(bound**2 / 3, rel=0.1)


def test_gradients_reach_weight_bias_and_input():
    layer = nn.Conv2d(2, 3, 3, padding="same", stride=2, dtype=np.float64, rng=0)
    x, g = Tensor(values(2, 2, 7, 6), requires_grad=True), values(2, 3, 4, 3)
    layer(x).backward(g)
    pads = [oracle.same_pads(7, 3, 2, 1), oracle.same_pads(6, 3, 2, 1)]
    how = {"stride": (2, 2), "padding": pads, "dilation": (1, 1), "groups": 1}
    np.testing.assert_allclose(x.grad, oracle.input_grad(g, layer.weight.data, (7, 6), **how), atol=1e-12)
    np.testing.assert_allclose(layer.weight.grad, oracle.weight_grad(g, x.data, (3, 3), **how), atol=1e-12)
    np.testing.assert_allclose(layer.bias.grad, g.sum((0, 2, 3)), atol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_can_be_chosen(algorithm):
    layer = nn.Conv2d(3, 4, 3, algorithm=algorithm, dtype=np.float64, rng=0)
    x = values(2, 3, 6, 7)
    how = {"stride": (1, 1), "padding": [(0, 0)] * 2, "dilation": (1, 1), "groups": 1}
    np.testing.assert_allclose(
        layer(x).data, oracle.forward(x, layer.weight.data, layer.bias.data, **how), rtol=0, atol=1e-10
    )
    assert f"algorithm={algorithm}" in repr(layer)
    assert layer(x).node.attributes["options"].algorithm == algorithm


def test_the_workspace_limit_is_passed_on():
    layer = nn.Conv2d(3, 4, 3, max_workspace=123_456, rng=0)
    assert layer(np.zeros((2, 3, 6, 7), np.float32)).node.attributes["options"].max_workspace == 123_456


@pytest.mark.parametrize(
    ("padding", "pairs"),
    [
        ("valid", [(0, 0), (0, 0)]),
        ("same", [(1, 1), (1, 1)]),
        (2, [(2, 2), (2, 2)]),
        ((1, 0), [(1, 1), (0, 0)]),
        (((1, 2), 0), [(1, 2), (0, 0)]),
        ([(1, 1), (2, 2)], [(1, 1), (2, 2)]),
    ],
)
def test_every_form_of_padding(padding, pairs):
    layer = nn.Conv2d(1, 1, 3, padding=padding, dtype=np.float64, rng=0)
    x = values(1, 1, 5, 6)
    how = {"stride": (1, 1), "padding": pairs, "dilation": (1, 1), "groups": 1}
    np.testing.assert_allclose(
        layer(x).data, oracle.forward(x, layer.weight.data, layer.bias.data, **how), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_output_size_chooses_among_the_sizes_that_a_stride_leaves_open(axes):
    conv, transposed = LAYERS[axes]
    down = conv(3, 5, 3, stride=3, padding=1, rng=0)
    up = transposed(5, 3, 3, stride=3, padding=1, rng=0)
    for size in (7, 8, 9):  # all three become 3
        x = np.zeros((2, 3, *(size,) * axes), np.float32)
        y = down(x)
        assert y.shape[2:] == (3,) * axes
        assert up(y, output_size=size).shape == x.shape
        assert up(y.data[0], (size,) * axes).shape == x.shape[1:]
    for size in (6, 10):
        with pytest.raises(ShapeError, match=rf"from \(7,.* to \(9,.* got \({size},"):
            up(y, output_size=size)


def test_the_repr_shows_what_differs_from_the_defaults():
    assert repr(nn.Conv2d(1, 6, 5)) == "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"
    assert repr(nn.Conv2d(2, 6, (5, 3), 2, (1, 2), 2, 2, False)) == (
        "Conv2d(2, 6, kernel_size=(5, 3), stride=(2, 2), padding=(1, 2), dilation=(2, 2), groups=2, bias=False)"
    )
    assert repr(nn.Conv1d(1, 2, 3, padding="same")) == "Conv1d(1, 2, kernel_size=(3,), stride=(1,), padding=same)"
    assert repr(nn.Conv1d(1, 2, 3, padding=[(1, 0)])).endswith("padding=((1, 0),))")
    assert repr(nn.ConvTranspose2d(4, 2, 3, 2, output_padding=1)) == (
        "ConvTranspose2d(4, 2, kernel_size=(3, 3), stride=(2, 2), output_padding=(1, 1))"
    )


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "words"),
    [
        ((0, 1, 3), {}, ShapeError, "in_channels must be at least 1, but got 0"),
        ((1, 2.0, 3), {}, TypeError, "out_channels"),
        ((1, 1, 0), {}, ShapeError, "kernel_size"),
        ((1, 1, (3, 3, 3)), {}, ShapeError, "kernel_size"),
        ((1, 1, 3, 0), {}, ShapeError, "stride"),
        ((1, 1, 3, 1, -1), {}, ShapeError, "padding"),
        ((1, 1, 3, 1, "full"), {}, ShapeError, "'full'"),
        ((1, 1, 3, 1, 0, 0), {}, ShapeError, "dilation"),
        ((4, 6, 3), {"groups": 4}, ShapeError, "groups must divide out_channels, but 4 does not divide 6"),
        ((3, 6, 3), {"groups": 2}, ShapeError, "groups must divide in_channels, but 2 does not divide 3"),
        ((1, 1, 3), {"bias": "no"}, TypeError, "bias"),
        ((1, 1, 3), {"algorithm": "fastest"}, UnknownAlgorithmError, "'fastest'"),
        ((1, 1, 3), {"max_workspace": -1}, ShapeError, "max_workspace"),
        ((1, 1, 3), {"dtype": np.int64}, TypeError, "int64"),
    ],
)
def test_bad_arguments_are_named_when_the_layer_is_made(arguments, keywords, error, words):
    with pytest.raises(error, match=words):
        nn.Conv2d(*arguments, **keywords)


def test_a_transposed_convolution_has_no_same_padding():
    with pytest.raises(ShapeError, match="'same'"):
        nn.ConvTranspose2d(1, 1, 3, padding="same")
    with pytest.raises(ShapeError, match="output_padding"):
        nn.ConvTranspose2d(1, 1, 3, output_padding=-1)


def test_a_seed_makes_a_layer_repeatable():
    first, second, other = (nn.Conv2d(2, 3, 3, rng=seed).state_dict() for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert not np.array_equal(first[name], other[name])
    generator = np.random.default_rng(1)
    layers = [nn.Conv2d(2, 3, 3, rng=generator).weight.data for _ in range(2)]
    assert not np.array_equal(*layers)
    assert not np.array_equal(nn.Conv2d(2, 3, 3).weight.data, nn.Conv2d(2, 3, 3).weight.data)


# --- other padding than zeros ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
@pytest.mark.parametrize("padding", [PADDING, ((1, 2), (0, 1), (2, 0)), "same", "valid"])
def test_the_input_is_padded_with_itself(axes, mode, numpy_mode, padding):
    given = padding if isinstance(padding, str) else padding[:axes]
    layer = LAYERS[axes][0](
        4, 6, 3, STRIDE[:axes], given, DILATION[:axes], padding_mode=mode, dtype=np.float64, rng=0
    )
    x = values(2, 4, *SIZE[:axes])
    if padding == "same":  # ceil(in / stride) positions, the odd one at the end
        totals = [max((-(-n // s) - 1) * s + 2 * d + 1 - n, 0) for n, s, d in zip(SIZE, STRIDE, DILATION)]
        pads = [(total // 2, total - total // 2) for total in totals[:axes]]
    else:
        pads = [(0, 0) if padding == "valid" else (p, p) if isinstance(p, int) else p for p in padding[:axes]]
    padded = np.pad(x, [(0, 0), (0, 0), *pads], numpy_mode)
    expected = oracle.forward(
        padded,
        layer.weight.data,
        layer.bias.data,
        stride=STRIDE[:axes],
        padding=[(0, 0)] * axes,
        dilation=DILATION[:axes],
        groups=1,
    )
    np.testing.assert_allclose(layer(x).data, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer(x[0]).data, expected[0], rtol=0, atol=1e-12)
    assert f"padding_mode={mode}" in repr(layer)


def test_padding_modes_that_do_not_exist_or_do_not_fit():
    with pytest.raises(ValueError, match=r"padding_mode must be .zeros. or .reflect. or .*, but got .mirror."):
        nn.Conv2d(1, 1, 3, padding_mode="mirror")
    with pytest.raises(ValueError, match="padding_mode must be 'zeros', but got 'reflect'"):
        nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect")
    with pytest.raises(ShapeError, match="mode 'reflect' must not exceed 3 for an axis of 4"):
        nn.Conv1d(1, 1, 3, padding=4, padding_mode="reflect", rng=0)(np.zeros((1, 1, 4), np.float32))
    with pytest.raises(ShapeError, match="must have 4 axes"):
        nn.Conv2d(1, 1, 3, padding="same", padding_mode="reflect", rng=0)(np.zeros(4, np.float32))
