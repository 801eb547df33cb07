"""Dropout layers: a generator of their own, nothing in evaluation, functions otherwise."""

import copy
import pickle

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn

LAYERS = [
    (nn.Dropout, sl.dropout, (6, 5)),
    (nn.Dropout1d, sl.dropout1d, (6, 5, 2)),
    (nn.Dropout2d, sl.dropout2d, (6, 5, 2, 3)),
    (nn.Dropout3d, sl.dropout3d, (6, 5, 2, 1, 2)),
    (nn.AlphaDropout, lambda x, p, rng: sl.alpha_dropout(x, p, True, rng=rng), (6, 5)),
]


@pytest.mark.parametrize(("kind", "function", "shape"), LAYERS)
def test_the_layer_is_the_function_with_one_generator(kind, function, shape):
    x = np.random.default_rng(0).standard_normal(shape)
    layer, rng = kind(0.3, rng=7), np.random.default_rng(7)
    results = [layer(x) for _ in range(4)]
    for result in results:
        np.testing.assert_array_equal(result, function(x, 0.3, rng=rng))
    assert any((results[0] != other).any() for other in results[1:])
    assert isinstance(layer.generator, np.random.Generator)
    assert layer.generator.bit_generator.state == rng.bit_generator.state
    assert repr(layer) == f"{kind.__name__}(p=0.3)"
    assert list(layer.state_dict()) == []


@pytest.mark.parametrize(("kind", "function", "shape"), LAYERS)
def test_evaluation_returns_the_input_itself(kind, function, shape):
    layer = kind(0.5, rng=0).eval()
    before = layer.generator.bit_generator.state
    x = np.ones(shape)
    t = sl.Tensor(x, requires_grad=True)
    assert layer(x) is x
    assert layer(t) is t
    assert layer.generator.bit_generator.state == before
    assert (layer.train()(x) != x).any()


def test_the_state_of_the_generator_continues_a_run():
    layer, x = nn.Dropout(rng=0), np.ones(1000)
    layer(x)
    state = layer.generator.bit_generator.state
    expected = layer(x)
    other = nn.Dropout(rng=99)
    other.generator.bit_generator.state = state
    np.testing.assert_array_equal(other(x), expected)


def test_copies_continue_on_their_own():
    layer, x = nn.Dropout(rng=0), np.ones(1000)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    expected = layer(x)
    for other in copies:
        np.testing.assert_array_equal(other(x), expected)


def test_layers_may_share_a_generator():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Dropout(rng=rng), nn.Dropout(rng=rng))
    assert model[0].generator is model[1].generator is rng


def test_without_a_seed_layers_differ():
    x = np.ones(1000)
    assert (nn.Dropout()(x) != nn.Dropout()(x)).any()


def test_wrong_probability():
    with pytest.raises(ValueError, match=r"p must be from 0 to 1, but got 2\.0"):
        nn.Dropout(2)
    with pytest.raises(TypeError, match="p must be a number"):
        nn.Dropout2d(None)
