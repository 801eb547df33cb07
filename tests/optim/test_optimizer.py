"""What every optimizer must do, tried with each that there is."""

import copy
import tracemalloc

import numpy as np
import pytest

from sevenloops import backends, optim
from sevenloops.autograd import Tensor, is_grad_enabled, no_grad
from sevenloops.errors import ShapeError
from sevenloops.nn import Parameter

MAKERS = {
    "SGD": lambda params, **options: optim.SGD(params, **options),
    "momentum": lambda params, **options: optim.SGD(params, **{"momentum": 0.9, "weight_decay": 0.1} | options),
    "nesterov": lambda params, **options: optim.SGD(params, **{"momentum": 0.9, "nesterov": True} | options),
    "Adam": lambda params, **options: optim.Adam(params, **options),
    "Adam, decayed": lambda params, **options: optim.Adam(params, **{"weight_decay": 0.1} | options),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [Parameter(rng.normal(size=shape).astype(dtype)) for shape in ((3, 2), (5,), ())]


def run(optimizer, params, steps, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params:
            p.grad = rng.normal(size=p.shape).astype(p.dtype)
        optimizer.step()
    return [p.data.copy() for p in params]


def test_each_is_a_record_with_a_kernel():
    for cls in (optim.SGD, optim.Adam):
        assert backends.find(cls.update.name, "step") is cls.update.kernel
        assert backends.backends_of(cls.update.name, "step") == ("numpy",)


@every
def test_parameters_are_changed_in_place(make):
    params = parameters()
    arrays = [p.data for p in params]
    before = [a.copy() for a in arrays]
    run(make(params), params, 2)
    for p, array, old in zip(params, arrays, before, strict=True):
        assert p.data is array
        assert not np.array_equal(array, old)


@every
def test_a_parameter_without_gradient_stays(make):
    first, second = Parameter(np.ones(2)), Parameter(np.ones(2))
    optimizer = make([first, second])
    first.grad = np.ones(2)
    optimizer.step()
    assert (second.data == 1).all()
    assert list(optimizer.state) == [first]
    second.grad = np.ones(2)  # its first step comes later, and is a first step all the same
    optimizer.step()
    fresh = Parameter(np.ones(2))
    fresh.grad = np.ones(2)
    make([fresh]).step()
    np.testing.assert_array_equal(second.data, fresh.data)


@every
@pytest.mark.parametrize("memory", ["fortran", "reversed", "strided", "read-only gradient", "broadcast gradient"])
def test_any_memory(make, memory):
    start, grads = np.random.default_rng(0).normal(size=(4, 6)), np.random.default_rng(1).normal(size=(3, 4, 6))
    if memory == "broadcast gradient":
        grads[:] = grads[:, :1]
    plain, other = Parameter(start), Tensor(start.copy(), requires_grad=True)
    if memory == "fortran":
        other.data = np.asfortranarray(start)
    elif memory == "reversed":
        other.data = start[::-1, ::-1].copy()[::-1, ::-1]
    elif memory == "strided":
        other.data = np.repeat(start, 2, 1)[:, ::2]
    optimizers = make([plain]), make([other])
    for grad in grads:
        plain.grad = grad.copy()
        other.grad = np.broadcast_to(grad[:1], (4, 6)) if memory == "broadcast gradient" else np.asfortranarray(grad)
        if memory == "read-only gradient":
            other.grad.flags.writeable = False
        for optimizer in optimizers:
            optimizer.step()
        np.testing.assert_allclose(other.data, plain.data, rtol=1e-14, atol=1e-15)


@every
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_smaller_dtypes_follow_float64(make, dtype):
    params, wide = parameters(dtype), [Parameter(p.data.astype(np.float64)) for p in parameters(dtype)]
    optimizers = make(params, lr=0.01), make(wide, lr=0.01)
    rng = np.random.default_rng(1)
    for _ in range(10):
        for p, w in zip(params, wide, strict=True):
            p.grad = rng.normal(size=p.shape).astype(dtype)
            w.grad = p.grad.astype(np.float64)
        for optimizer in optimizers:
            optimizer.step()
    for p, w in zip(params, wide, strict=True):
        assert p.data.dtype == dtype
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(p.data, w.data, rtol=0, atol=10 * np.finfo(dtype).eps * 3)


def test_float16_is_computed_in_float32():
    """In float16 Adam's ε of 1e-8 would be 0, and the square of a small gradient too: 0 / 0."""
    p = Parameter(np.ones(2, np.float16))
    optimizer = optim.Adam([p], lr=0.125)
    p.grad = np.array([1e-5, 0], np.float16)
    optimizer.step()
    np.testing.assert_array_equal(p.data, np.array([0.875, 1], np.float16))
    assert optimizer.state[p]["exp_avg_sq"].dtype == np.float32


@every
def test_empty_parameters_are_fine(make):
    p = Parameter(np.zeros((0, 3)))
    p.grad = np.zeros((0, 3))
    optimizer = make([p])
    optimizer.step()
    assert optimizer.state[p]["step"] == 1


@every
def test_no_temporaries_as_large_as_the_parameter(make):
    p = Parameter(np.zeros(100_000))
    p.grad = np.ones(100_000)
    optimizer = make([p])
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50_000


# --- groups ------------------------------------------------------------------------------------------------------


@every
def test_groups_have_options_of_their_own(make):
    together, alone = parameters(), parameters()
    grouped = make([{"params": together[:1], "lr": 0.1}, {"params": iter(together[1:])}], lr=0.5)
    separate = make(alone[:1], lr=0.1), make(alone[1:], lr=0.5)
    for p, q in zip(together, alone, strict=True):
        p.grad = q.grad = np.ones(p.shape)
    grouped.step()
    for optimizer in separate:
        optimizer.step()
    for p, q in zip(together, alone, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    grouped.add_param_group({"params": Parameter(np.ones(1)), "lr": 0.7})
    assert [group["lr"] for group in grouped.param_groups] == [0.1, 0.5, 0.7]
    assert [len(group["params"]) for group in grouped.param_groups] == [1, 2, 1]


@every
def test_options_may_be_changed_between_steps(make):
    p = Parameter(np.ones(3))
    optimizer = make([p], lr=0.1)
    p.grad = np.ones(3)
    optimizer.param_groups[0]["lr"] = np.float64(0)
    optimizer.step()
    assert (p.data == 1).all()
    optimizer.param_groups[0]["lr"] = -1
    with pytest.raises(ValueError, match="lr"):
        optimizer.step()


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ([], ValueError, "empty"),
        (Parameter(np.ones(1)), TypeError, "iterable"),
        ({"params": []}, TypeError, "iterable"),
        ([np.ones(1)], TypeError, r"params\[0\] is a ndarray"),
        ([Tensor(np.arange(3))], TypeError, "int64"),
        ([{"lr": 0.1}], TypeError, '"params"'),
        ([{"params": [Parameter(np.ones(1))], "rate": 0.1}], ValueError, "'rate'"),
        ([{"params": [Parameter(np.ones(1))], "lr": -1}], ValueError, "lr"),
        ([Tensor(np.ones(1), requires_grad=True) * 2.0], ValueError, "leaf"),
    ],
)
def test_what_cannot_be_optimized_is_refused(params, error, words):
    for cls in (optim.SGD, optim.Adam):
        with pytest.raises(error, match=words):
            cls(params)


def test_a_parameter_twice_is_refused():
    p, q = Parameter(np.ones(1)), Parameter(np.ones(1))
    with pytest.raises(ValueError, match=r"params\[1\] is there twice"):
        optim.SGD([p, p])
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": [q, p]})
    assert len(optimizer.param_groups) == 1


# --- gradients and closures --------------------------------------------------------------------------------------


def test_forgetting_gradients():
    params = parameters()
    optimizer = optim.SGD(params)
    for p in params[:2]:
        p.grad = np.ones(p.shape)
    held = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert (params[0].grad == 0).all()
    assert (held == 1).all()
    assert params[2].grad is None
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


def test_a_closure_runs_with_gradients_and_its_result_is_returned():
    p = Parameter(np.array([3.0]))
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        assert is_grad_enabled()
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss.item()

    with no_grad():
        assert optimizer.step(closure) == 9.0
    np.testing.assert_array_equal(p.data, [1.5])
    assert optimizer.step() is None


def test_a_gradient_of_another_shape_is_refused():
    p = Parameter(np.ones((3, 2)))
    p.grad = np.ones(2)  # NumPy would broadcast it
    with pytest.raises(ShapeError, match=r"\(3, 2\).*\(2,\)"):
        optim.SGD([p]).step()
    assert (p.data == 1).all()


# --- state -------------------------------------------------------------------------------------------------------


@every
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(make):
    expected = uninterrupted(make, steps=(3, 4))
    first = parameters()
    optimizer = make(first, lr=0.3)
    run(optimizer, first, 3)
    state = copy.deepcopy(optimizer.state_dict())
    run(optimizer, first, 1)  # what happens later must not reach the state that was kept
    second = parameters()
    for p, value in zip(second, uninterrupted(make, steps=(3,)), strict=True):
        p.data[...] = value
    resumed = make(second, lr=0.9)
    resumed.load_state_dict(state)
    assert resumed.param_groups[0]["lr"] == 0.3
    for got, wanted in zip(run(resumed, second, 4, seed=2), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def uninterrupted(make, steps):
    """Run without interruption: the first steps with one seed, the others with the next."""
    params = parameters()
    optimizer = make(params, lr=0.3)
    for seed, count in enumerate(steps, start=1):
        result = run(optimizer, params, count, seed)
    return result


def test_the_state_is_numbered_and_copied():
    params = parameters()
    optimizer = optim.Adam([{"params": params[1:]}, {"params": params[:1], "lr": 0.5}])
    params[0].grad, params[2].grad = np.ones((3, 2)), np.ones(())
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert list(state["state"]) == [1, 2]
    assert state["state"][2]["step"] == 1
    assert state["state"][2]["exp_avg"].shape == (3, 2)
    state["state"][2]["exp_avg"][...] = 99
    assert not (optimizer.state[params[0]]["exp_avg"] == 99).any()


def test_a_loaded_state_is_copied():
    p = Parameter(np.ones(2))
    optimizer = optim.SGD([p], momentum=0.9)
    buffer = np.full(2, 5.0)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": {0: {"step": 3, "momentum_buffer": buffer}}, "param_groups": groups})
    run(optimizer, [p], 1)
    assert (buffer == 5).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: [], TypeError, "list|dict"),
        (lambda s: {"state": {}}, TypeError, "param_groups"),
        (
            lambda s: s | {"param_groups": s["param_groups"] * 2},
            ValueError,
            r"\[2\] .* \[2, 2\]",
        ),
        (lambda s: s | {"param_groups": [s["param_groups"][0] | {"params": [0]}]}, ValueError, r"\[1\]"),
        (lambda s: s | {"param_groups": [s["param_groups"][0] | {"lr": -1}]}, ValueError, "lr"),
        (lambda s: s | {"param_groups": [{"params": [0, 1], "lr": 1}]}, ValueError, "lacks dampening, momentum"),
        (lambda s: s | {"state": {2: {"step": 1}}}, ValueError, "one is of 2"),
        (lambda s: s | {"state": {0: {"step": -1}}}, ValueError, "step"),
        (lambda s: s | {"state": {0: {"step": 1, "momentum_buffer": np.ones(9)}}}, ShapeError, r"\(9,\)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, words):
    params = [Parameter(np.ones(2)), Parameter(np.ones(3))]
    optimizer = optim.SGD(params, lr=0.5, momentum=0.9)
    run(optimizer, params, 1)
    before = optimizer.state_dict()
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(change(optimizer.state_dict()))
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert after["state"].keys() == before["state"].keys()
    np.testing.assert_array_equal(after["state"][0]["momentum_buffer"], before["state"][0]["momentum_buffer"])


def test_the_repr_lists_the_groups():
    assert repr(optim.SGD([Parameter(np.ones(1))], lr=0.5)) == (
        "SGD (\nParameter Group 0\n    dampening: 0.0\n    lr: 0.5\n    momentum: 0.0\n"
        "    nesterov: False\n    weight_decay: 0.0\n)"
    )
