"""What optimizers keep, on its way to a file and back."""

import json

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import optim
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.nn import Parameter
from tests.helpers.optimizers import every, run


def through_files(state, folder):
    """Send arrays through a safetensors file, and the rest through JSON."""
    arrays = {
        f"{number}.{name}": value
        for number, kept in state["state"].items()
        for name, value in kept.items()
        if isinstance(value, np.ndarray)
    }
    sl.save(folder / "state.safetensors", arrays)
    plain = {
        number: {name: value for name, value in kept.items() if not isinstance(value, np.ndarray)}
        for number, kept in state["state"].items()
    }
    text = json.dumps({"state": plain, "param_groups": state["param_groups"]}, allow_nan=False)
    result = json.loads(text)
    for place, array in sl.load(folder / "state.safetensors").items():
        number, name = place.split(".")
        result["state"][number][name] = array
    return result


def build(make, dtype):
    """Two groups, whose parameters have different shapes and orders in memory; the last one is frozen."""
    rng = np.random.default_rng(0)
    params = [
        Tensor(np.array(rng.normal(size=shape), dtype, order=order), requires_grad=True)
        for shape, order in (((3, 2), "C"), ((4, 5), "F"), ((), "C"), ((0, 4), "C"), ((5,), "C"))
    ]
    params[-1].requires_grad = False
    return params, make([{"params": params[:2], "lr": 0.1}, {"params": params[2:]}], lr=0.3)


def go(params, optimizer, steps):
    """Make the steps of these numbers; a gradient is missing now and then, always one of each parameter's first."""
    for step in steps:
        rng = np.random.default_rng(step)
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        for place, p in enumerate(params):
            gradient = np.asarray(rng.normal(size=p.shape)).astype(p.dtype)
            p.grad = gradient if p.requires_grad and (step + place) % 3 else None
        optimizer.step()


@every
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 6])
def test_an_interrupted_run_goes_on_with_the_same_bits(make, dtype, count, tmp_path):
    expected, uninterrupted = build(make, dtype)
    go(expected, uninterrupted, range(2 * count))
    first, optimizer = build(make, dtype)
    go(first, optimizer, range(count))
    state, values = through_files(optimizer.state_dict(), tmp_path), [p.data.copy() for p in first]
    second, resumed = build(make, dtype)
    for p, value in zip(second, values, strict=True):
        p.data[...] = value
    resumed.param_groups[0]["lr"] = 99.0
    resumed.load_state_dict(state)
    go(second, resumed, range(count, 2 * count))
    for got, wanted in zip(second, expected, strict=True):
        np.testing.assert_array_equal(got.data, wanted.data)
    assert_same_state(resumed.state_dict(), uninterrupted.state_dict())


def assert_same_state(got, wanted):
    assert got["param_groups"] == wanted["param_groups"]
    assert got["state"].keys() == wanted["state"].keys()
    for number, kept in wanted["state"].items():
        assert got["state"][number].keys() == kept.keys()
        for name, value in kept.items():
            np.testing.assert_array_equal(got["state"][number][name], value)
            assert type(got["state"][number][name]) is type(value)


@every
def test_what_happens_later_does_not_reach_a_state(make, tmp_path):
    params, optimizer = build(make, np.float64)
    go(params, optimizer, range(3))
    state = optimizer.state_dict()
    text = repr(state)
    go(params, optimizer, range(3, 6))
    assert repr(state) == text
    resumed, other = build(make, np.float64)
    other.load_state_dict(state)
    go(resumed, other, range(3))
    assert repr(state) == text


@every
def test_the_state_has_plain_values_and_arrays_only(make):
    params, optimizer = build(make, np.float32)
    for group in optimizer.param_groups:
        group["lr"] = np.float32(0.1)
    for step in range(1, 4):
        for p in params[:-1]:
            p.grad = np.full(p.shape, step, np.float32)
        optimizer.step()
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        assert {type(value) for value in group.values()} <= {int, float, bool, list, tuple}
    for kept in state["state"].values():
        for name, value in kept.items():
            assert type(value) is (int if name == "step" else np.ndarray), name


def test_the_state_is_numbered_in_the_order_of_the_groups():
    params = [Parameter(np.ones(shape)) for shape in ((3, 2), (5,), ())]
    optimizer = optim.Adam([{"params": params[1:]}, {"params": params[:1], "lr": 0.5}])
    params[0].grad, params[2].grad = np.ones((3, 2)), np.ones(())
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert list(state["state"]) == [1, 2]
    assert state["state"][2]["step"] == 1
    assert state["state"][2]["exp_avg"].shape == (3, 2)


def test_a_parameter_that_has_left_its_group_leaves_the_state():
    params = [Parameter(np.ones(1)), Parameter(np.ones(1))]
    optimizer = optim.Adam(params)
    run(optimizer, params, 1)
    del optimizer.param_groups[0]["params"][0]
    assert list(optimizer.state_dict()["state"]) == [0]


def test_numbers_of_parameters_may_be_any():
    """What counts is their order in the groups, as in PyTorch."""
    params = [Parameter(np.ones(1)), Parameter(np.ones(2))]
    optimizer = optim.Adam(params)
    state = optimizer.state_dict()
    state["param_groups"][0]["params"] = [7, 3]
    kept = {"step": 2, "exp_avg": np.ones(2), "exp_avg_sq": np.ones(2)}
    optimizer.load_state_dict(state | {"state": {3: kept}})
    assert list(optimizer.state) == [params[1]]


def test_steps_may_be_arrays_and_what_is_none_is_missing():
    """As a state of PyTorch has them; SGD's momentum is None there before the first step."""
    p = Parameter(np.ones(1))
    adam, sgd = optim.Adam([p]), optim.SGD([p], momentum=0.5)
    ones = np.ones(1, np.float32)
    kept = {"step": np.array(3.0, np.float32), "exp_avg": ones, "exp_avg_sq": ones}
    adam.load_state_dict(adam.state_dict() | {"state": {0: kept}})
    assert adam.state[p]["step"] == 3
    assert type(adam.state[p]["step"]) is int
    sgd.load_state_dict(sgd.state_dict() | {"state": {0: {"momentum_buffer": None}}})
    run(sgd, [p], 1)
    np.testing.assert_array_equal(sgd.state[p]["momentum_buffer"], p.grad)


def test_a_parameter_that_is_not_in_the_state_begins_anew():
    params = [Parameter(np.ones(1)), Parameter(np.ones(1))]
    optimizer = optim.Adam(params)
    run(optimizer, params, 2)
    state = optimizer.state_dict()
    del state["state"][0]
    optimizer.load_state_dict(state)
    assert list(optimizer.state) == [params[1]]


def test_entries_that_are_no_options_are_left_out_but_for_the_initial_rate():
    p = Parameter(np.ones(1))
    optimizer = optim.SGD([p], lr=0.1)
    state = optimizer.state_dict()
    state["param_groups"][0] |= {"initial_lr": 0.7, "foreach": None, "fused": None, "max_lr": 3.0}
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["initial_lr"] == 0.7
    assert optimizer.param_groups[0].keys().isdisjoint({"foreach", "fused", "max_lr"})


GROUP = {"params": [0, 1], "lr": 1}
LACKS = r"it lacks dampening, maximize, momentum, nesterov, weight_decay\.$"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: [], TypeError, "list|dict"),
        (lambda s: {"state": {}}, TypeError, "param_groups"),
        (lambda s: s | {"param_groups": 3}, TypeError, '"params"'),
        (lambda s: s | {"param_groups": [{}]}, TypeError, '"params"'),
        (lambda s: s | {"state": [1]}, TypeError, '"state"'),
        (lambda s: s | {"state": {0: 1}}, TypeError, "parameter 0 must be a dict"),
        (lambda s: s | {"param_groups": s["param_groups"] * 2}, ValueError, r"\[2\] .* \[2, 2\]"),
        (lambda s: s | {"param_groups": [s["param_groups"][0] | {"params": [0]}]}, ValueError, r"\[1\]"),
        (lambda s: s | {"param_groups": [s["param_groups"][0] | {"lr": -1}]}, ValueError, "lr"),
        (lambda s: s | {"param_groups": [s["param_groups"][0] | {"initial_lr": "x"}]}, TypeError, "initial_lr"),
        (lambda s: s | {"param_groups": [GROUP]}, ValueError, LACKS),
        (lambda s: s | {"state": {2: {}}}, ValueError, "one of 2 parameters, but one is of 2"),
        (lambda s: s | {"state": {0: {"step": -1}}}, ValueError, "step"),
        (lambda s: s | {"state": {0: {"step": 1.5}}}, ValueError, "step"),
        (lambda s: s | {"state": {0: {"step": np.inf}}}, ValueError, "step"),
        (lambda s: s | {"state": {0: {"step": np.ones(2)}}}, ValueError, "step"),
        (lambda s: s | {"state": {0: {"momentum_buffer": np.ones(9)}}}, ShapeError, r"\(9,\)"),
        (lambda s: s | {"state": {0: {"momentum_buffer": "text"}}}, TypeError, "momentum_buffer must be an array"),
        (lambda s: s | {"state": {0: {"momentum_buffer": np.ones(2) * 1j}}}, TypeError, "momentum_buffer"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, words):
    params = [Parameter(np.ones(2)), Parameter(np.ones(3))]
    optimizer = optim.SGD(params, lr=0.5, momentum=0.9)
    run(optimizer, params, 1)
    before = optimizer.state_dict()
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(change(optimizer.state_dict()))
    assert_same_state(optimizer.state_dict(), before)


@every
def test_a_state_that_lacks_what_was_gathered_is_refused(make):
    """Rather than to start the averages anew, in the middle of a run."""
    params = [Parameter(np.ones(2))]
    optimizer = make(params)
    run(optimizer, params, 2)
    state = optimizer.state_dict()
    for name in state["state"].get(0, {}):
        if optimizer.update.counts:
            less = {key: value for key, value in state["state"][0].items() if key != name}
            with pytest.raises(ValueError, match=f"lacks {name}"):
                optimizer.load_state_dict(state | {"state": {0: less}})
