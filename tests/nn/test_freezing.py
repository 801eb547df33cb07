"""Frozen models: read-only, and what is kept of them is never out of date."""

import gc

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.frozen import freeze_copy, is_frozen


def make():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False, rng=0), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, rng=1)
    )
    model(np.random.default_rng(1).standard_normal((4, 3, 9, 9)).astype("f"))  # statistics
    return model.eval()


X = np.random.default_rng(0).standard_normal((2, 3, 9, 9)).astype("f")


def result(model):
    with sl.no_grad():
        return model(X).numpy()


@pytest.mark.parametrize("backend", [None, "numpy"])
def test_results_are_the_same(backend, monkeypatch):
    if backend:
        monkeypatch.setenv("SEVENLOOPS_BACKEND", backend)
    model = make()
    before = result(model)
    assert nn.utils.freeze(model) is model
    for _ in range(3):
        np.testing.assert_array_equal(result(model), before)
    assert not model.training


def test_nothing_can_be_written():
    model = nn.utils.freeze(make())
    for array in (model[0].weight.data, model[1].running_mean, model[1].weight.data, model[3].bias.data):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_what_was_changed_in_between_is_seen():
    model = nn.utils.freeze(make())
    result(model)
    for change in (
        lambda: model[0].weight.data.__imul__(2),
        lambda: model[1].running_var.__imul__(3),
        lambda: model[1].running_mean.__iadd__(1),
        lambda: model[3].weight.data.__imul__(-1),
    ):
        nn.utils.unfreeze(model)
        change()
        expected = result(model)
        nn.utils.freeze(model)
        np.testing.assert_array_equal(result(model), expected)
        np.testing.assert_array_equal(result(model), expected)


def test_a_new_array_is_seen():
    model = nn.utils.freeze(make())
    before = result(model)
    model[3].weight.data = freeze_copy(model[3].weight.data * 2)
    assert not np.allclose(result(model), before)


def test_layers_of_one_shape_do_not_share_what_is_kept():
    first, second = nn.Conv2d(3, 8, 3, rng=0), nn.Conv2d(3, 8, 3, rng=1)
    expected = result(first), result(second)
    nn.utils.freeze(nn.Sequential(first, second))
    for _ in range(2):
        np.testing.assert_array_equal(result(first), expected[0])
        np.testing.assert_array_equal(result(second), expected[1])


def test_shared_parameters_stay_shared():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    nn.utils.freeze(nn.Sequential(first, second))
    assert second.weight.data is first.weight.data


def test_who_makes_an_array_writable_has_no_frozen_one():
    array = freeze_copy(np.zeros(3))
    assert is_frozen(array)
    array.flags.writeable = True
    assert not is_frozen(array)
    assert not is_frozen(np.zeros(3))
    readonly = np.zeros(3)
    readonly.flags.writeable = False
    assert not is_frozen(readonly)


def test_an_array_that_is_gone_leaves_nothing():
    from sevenloops import frozen

    gc.collect()
    before = len(frozen._frozen)
    arrays = [freeze_copy(np.zeros(3)) for _ in range(10)]
    assert len(frozen._frozen) == before + 10
    del arrays
    gc.collect()
    assert len(frozen._frozen) == before
