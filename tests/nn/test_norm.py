"""Normalisation layers; their values are those of the functions, tested in tests/functional."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError

BATCH = [(nn.BatchNorm1d, (4, 3)), (nn.BatchNorm1d, (4, 3, 5)), (nn.BatchNorm2d, (4, 3, 5, 2)),
         (nn.BatchNorm3d, (4, 3, 2, 3, 2))]  # fmt: skip
INSTANCE = [(nn.InstanceNorm1d, (4, 3, 5)), (nn.InstanceNorm2d, (4, 3, 5, 2)), (nn.InstanceNorm3d, (4, 3, 2, 3, 2))]


def batches(shape, count=3):
    rng = np.random.default_rng(0)
    return [rng.normal(i + 1, 2, shape) for i in range(count)]


def moments(x):
    values = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    return values.mean(1), values.var(1, ddof=1)


@pytest.mark.parametrize(("layer", "shape"), BATCH)
@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_running_statistics(layer, shape, momentum):
    norm = layer(3, momentum=momentum, dtype=np.float64)
    expected = np.zeros(3), np.ones(3)
    for number, x in enumerate(batches(shape), 1):
        share = 1 / number if momentum is None else momentum
        expected = tuple((1 - share) * old + share * new for old, new in zip(expected, moments(x)))
        norm(x)
        np.testing.assert_allclose(norm.running_mean, expected[0])
        np.testing.assert_allclose(norm.running_var, expected[1])
        assert norm.num_batches_tracked == number
    before = {name: array.copy() for name, array in norm.state_dict().items()}
    norm.eval()
    y = norm(x).numpy()
    channel = (slice(None), *[None] * (x.ndim - 2))
    np.testing.assert_allclose(y, (x - expected[0][channel]) / np.sqrt(expected[1][channel] + 1e-5))
    for name, array in norm.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    norm.reset_running_stats()
    assert (norm.running_mean.tolist(), norm.running_var.tolist()) == ([0] * 3, [1] * 3)
    assert norm.num_batches_tracked == 0


@pytest.mark.parametrize(("layer", "shape"), BATCH + INSTANCE)
def test_without_running_statistics_evaluation_is_as_training(layer, shape):
    norm = layer(3, track_running_stats=False, dtype=np.float64)
    (x,) = batches(shape, 1)
    y = norm(x)
    np.testing.assert_array_equal(norm.eval()(x), y)
    assert norm.running_mean is norm.running_var is norm.num_batches_tracked is None


@pytest.mark.parametrize(("layer", "shape"), INSTANCE)
def test_instances(layer, shape):
    norm = layer(3, affine=True, track_running_stats=True, dtype=np.float64)
    norm.weight.data[:], norm.bias.data[:] = [1, 2, 3], [4, 5, 6]
    (x,) = batches(shape, 1)
    y = norm(x).numpy()
    np.testing.assert_allclose(y, sl.instance_norm(x, None, None, norm.weight.data, norm.bias.data))
    np.testing.assert_allclose(norm(x[1]).numpy(), y[1], rtol=1e-12)
    assert norm.num_batches_tracked == 0
    norm.eval()
    expected = sl.batch_norm(x, norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data)
    np.testing.assert_allclose(norm(x).numpy(), expected)
    np.testing.assert_allclose(norm(Tensor(x[1])).numpy(), expected[1])


@pytest.mark.parametrize(("layer", "shape"), BATCH + INSTANCE)
def test_a_batch_that_is_refused_is_not_counted(layer, shape):
    norm = layer(3, track_running_stats=True, momentum=0.1)
    refused = [
        ((2, 2, 2, 2, 2, 2), "axes"),
        ((shape[0], 4, *shape[2:]), "3 channels, but the input has 4"),
        ((1, 3, *[1] * (len(shape) - 2)), "more than 1 value"),
    ]
    for wrong, message in refused:
        with pytest.raises(ShapeError, match=message):
            norm(np.ones(wrong, np.float32))
    assert norm.num_batches_tracked == 0
    assert norm.running_mean.tolist() == [0] * 3


@pytest.mark.parametrize(("make", "names"), [
    (lambda: nn.BatchNorm2d(3), ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]),
    (lambda: nn.BatchNorm2d(3, affine=False), ["running_mean", "running_var", "num_batches_tracked"]),
    (lambda: nn.BatchNorm2d(3, bias=False, track_running_stats=False), ["weight"]),
    (lambda: nn.InstanceNorm2d(3), []),
    (lambda: nn.LayerNorm((3, 4)), ["weight", "bias"]),
    (lambda: nn.LayerNorm((3, 4), bias=False), ["weight"]),
    (lambda: nn.LayerNorm((3, 4), elementwise_affine=False), []),
    (lambda: nn.GroupNorm(1, 3), ["weight", "bias"]),
    (lambda: nn.GroupNorm(1, 3, affine=False), []),
    (lambda: nn.RMSNorm(3), ["weight"]),
    (lambda: nn.LocalResponseNorm(3), []),
])  # fmt: skip
def test_names_of_the_state(make, names):
    module = make()
    state = module.state_dict()
    assert list(state) == names
    for name, array in state.items():
        if name == "num_batches_tracked":
            assert (array.dtype, array.shape) == (np.int64, ())
        else:
            assert array.dtype == np.float32
            assert np.unique(array).tolist() == ([1] if name in ("weight", "running_var") else [0])
    make().load_state_dict(state)


def test_group_layer_rms_and_local_norm_are_their_functions():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 4))
    group, layer, rms = nn.GroupNorm(3, 6, 0.1, dtype=np.float64), nn.LayerNorm((6, 4), 0.1, dtype=np.float64), None
    rms = nn.RMSNorm(4, 0.1, dtype=np.float64)
    for module in (group, layer, rms):
        for parameter in module.parameters():
            parameter.data[...] = rng.standard_normal(parameter.shape)
    w, b = group.weight.data, group.bias.data
    np.testing.assert_array_equal(group(x).numpy(), sl.group_norm(x, 3, w, b, 0.1))
    np.testing.assert_array_equal(layer(x).numpy(), sl.layer_norm(x, (6, 4), layer.weight.data, layer.bias.data, 0.1))
    np.testing.assert_array_equal(rms(x).numpy(), sl.rms_norm(x, 4, rms.weight.data, 0.1))
    local = nn.LocalResponseNorm(3, 0.5, 0.6, 2.0)
    np.testing.assert_array_equal(local(x), sl.local_response_norm(x, 3, 0.5, 0.6, 2.0))


def test_both_parameters_and_the_input_get_gradients():
    norm = nn.BatchNorm2d(3, dtype=np.float64)
    x = Tensor(batches((4, 3, 5, 2), 1)[0], requires_grad=True)
    g = np.random.default_rng(1).standard_normal(x.shape)
    norm(x).backward(g)
    normal = (x.data - x.data.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.data.var((0, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(norm.bias.grad, g.sum((0, 2, 3)))
    np.testing.assert_allclose(norm.weight.grad, (g * normal).sum((0, 2, 3)))
    np.testing.assert_allclose(x.grad.sum((0, 2, 3)), 0, atol=1e-12)


@pytest.mark.parametrize(("make", "error"), [
    (lambda: nn.BatchNorm2d(0), ShapeError), (lambda: nn.BatchNorm2d(3, eps="x"), TypeError),
    (lambda: nn.BatchNorm2d(3, affine=1), TypeError), (lambda: nn.BatchNorm2d(3, dtype=np.int64), TypeError),
    (lambda: nn.InstanceNorm2d(3, momentum=None), TypeError), (lambda: nn.GroupNorm(2, 3), ShapeError),
    (lambda: nn.LayerNorm(()), ShapeError), (lambda: nn.LocalResponseNorm(0), ShapeError),
    (lambda: nn.BatchNorm1d(3, momentum=np.nan), ValueError),
])  # fmt: skip
def test_wrong_arguments(make, error):
    with pytest.raises(error):
        make()


def test_a_layer_after_another():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.InstanceNorm1d(3), nn.Flatten(0, 1), nn.Unflatten(0, (2, 3)))
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32), requires_grad=True)
    model(x).backward(np.ones((2, 3, 4), np.float32))
    assert x.grad.shape == x.shape
