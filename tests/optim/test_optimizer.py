"""What every optimizer must do, tried with each that there is."""

import numpy as np
import pytest

from sevenloops import backends, optim
from sevenloops.autograd import Tensor, is_grad_enabled, no_grad
from sevenloops.errors import ShapeError
from sevenloops.nn import Parameter
from tests.helpers.optimizers import every, parameters, run

CLASSES = [getattr(optim, name) for name in optim.__all__ if isinstance(getattr(optim, name), type)]
CLASSES = [cls for cls in CLASSES if issubclass(cls, optim.Optimizer) and cls is not optim.Optimizer]


@pytest.mark.parametrize("cls", CLASSES)
def test_each_is_a_record_with_a_kernel(cls):
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
        assert not array.size or not np.array_equal(array, old)


@every
def test_a_parameter_without_gradient_stays(make):
    first, second = Parameter(np.ones(2)), Parameter(np.ones(2))
    optimizer = make([first, second])
    first.grad = np.ones(2)
    optimizer.step()
    assert (second.data == 1).all()
    assert second not in optimizer.state
    second.grad = np.ones(2)  # its first step comes later, and is a first step all the same
    optimizer.step()
    fresh = Parameter(np.ones(2))
    fresh.grad = np.ones(2)
    make([fresh]).step()
    np.testing.assert_array_equal(second.data, fresh.data)


@every
def test_a_frozen_parameter_stays(make):
    x, w = Parameter(np.ones(2)), Parameter(np.full(2, 3.0))
    x.requires_grad = False
    optimizer = make([x, w])
    (x * w).sum().backward()
    optimizer.step()
    assert (x.data == 1).all()
    assert (w.data != 3).all()


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows_where_it_was_and_nowhere_else(make, bad):
    """Without a warning: whoever looks for it looks at the values."""
    p, clean = Parameter(np.ones(4)), Parameter(np.ones(4))
    for parameter, value in ((p, bad), (clean, 0.5)):
        optimizer = make([parameter])
        for _ in range(2):
            parameter.grad = np.array([0.5, value, 0.5, 0.5])
            optimizer.step()
    assert not np.isfinite(p.data[1])
    np.testing.assert_array_equal(p.data[[0, 2, 3]], clean.data[[0, 2, 3]])


@every
def test_maximize_climbs_as_the_negative_falls(make):
    up, down = parameters(), parameters()
    sign = -1.0 if make(up).param_groups[0]["maximize"] else 1.0
    optimizers = make(up, maximize=True), make(down, maximize=False)
    rng = np.random.default_rng(0)
    for _ in range(3):
        for p, q in zip(up, down, strict=True):
            p.grad = np.asarray(sign * rng.normal(size=p.shape))
            q.grad = np.asarray(-p.grad)
        for optimizer in optimizers:
            optimizer.step()
    for p, q in zip(up, down, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


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
    assert [len(group["params"]) for group in grouped.param_groups] == [1, 3, 1]


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
    for cls in CLASSES:
        with pytest.raises(error, match=words):
            cls(params)


def test_parameters_may_move_between_groups():
    """What a parameter has gathered stays its own."""
    moved, alone = parameters(), parameters()
    optimizer = optim.Adam([{"params": moved[:2], "lr": 0.1}, {"params": moved[2:], "lr": 0.5}])
    separate = [optim.Adam([p], lr=0.1 if i < 2 else 0.5) for i, p in enumerate(alone)]
    for step in range(4):
        if step == 2:
            first, second = (group["params"] for group in optimizer.param_groups)
            first[1], second[0] = second[0], first[1]
            separate[1].param_groups[0]["lr"], separate[2].param_groups[0]["lr"] = 0.5, 0.1
        for p, q in zip(moved, alone, strict=True):
            p.grad = q.grad = np.full(p.shape, 0.3 + step)
        for each in (optimizer, *separate):
            each.step()
    for p, q in zip(moved, alone, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_group_may_bring_the_rate_that_schedules_start_from():
    p = Parameter(np.ones(1))
    optimizer = optim.SGD([{"params": [p], "initial_lr": 0.5}], lr=0.1)
    assert optimizer.param_groups[0]["initial_lr"] == 0.5
    with pytest.raises(ValueError, match="initial_lr must be at least 0"):
        optim.SGD([{"params": [p], "initial_lr": -1}])


def test_a_parameter_twice_is_refused():
    p, q = Parameter(np.ones(1)), Parameter(np.ones(1))
    with pytest.raises(ValueError, match=r"params\[1\] is there twice"):
        optim.SGD([p, p])
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": [q, p]})
    assert len(optimizer.param_groups) == 1


# --- gradients and closures --------------------------------------------------------------------------------------


@every
def test_a_step_between_the_passes_is_noticed_where_its_parameter_was_kept(make):
    x, w = Parameter(np.ones(2)), Parameter(np.full(2, 3.0))
    optimizer = make([w])
    product = x * w
    product.sum().backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(
        RuntimeError, match=r"a leaf of shape \(2,\) has been changed since multiply kept it, by an opt"
    ):
        product.sum().backward()
    offset = w + x
    optimizer.step()
    offset.sum().backward()  # a sum keeps no operand


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
    first = Parameter(np.ones(2))
    first.grad = np.ones(2)
    with pytest.raises(ShapeError, match=r"\(3, 2\).*\(2,\)"):
        optim.SGD([first, p]).step()
    assert (p.data == 1).all()
    assert (first.data == 1).all()  # all gradients are looked at before anything is changed


@pytest.mark.parametrize("gradient", [Tensor(np.ones(2)), [1.0, 1.0]])
def test_a_gradient_that_is_no_array_is_refused(gradient):
    p = Parameter(np.ones(2))
    p.grad = gradient
    said = f"is a {type(gradient).__name__}; assign an array to .grad"
    with pytest.raises(TypeError, match=r"must be an array, but that of a parameter of shape \(2,\) " + said):
        optim.SGD([p]).step()
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        with pytest.raises(TypeError, match=r"must be arrays, but that of parameters\[0\] " + said):
            clip([p], 1.0)


def test_the_repr_lists_the_groups():
    assert repr(optim.SGD([Parameter(np.ones(1))], lr=0.5)) == (
        "SGD (\nParameter Group 0\n    dampening: 0.0\n    lr: 0.5\n    maximize: False\n    momentum: 0.0\n"
        "    nesterov: False\n    weight_decay: 0.0\n)"
    )
