"""What all schedules share: where they start, how they step, and what they make of changes by others."""

import numpy as np
import pytest

from sevenloops import optim, schedules
from sevenloops.nn import Parameter
from sevenloops.schedules import LRScheduler
from tests.helpers.schedules import ALL, FACTORS


class Halving(LRScheduler):
    def rate(self, base_lr, epoch, group):
        return base_lr / 2**epoch


def optimizer_with(*rates, cls=optim.SGD):
    return cls([{"params": [Parameter(np.zeros(2))], "lr": rate} for rate in rates])


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def test_a_subclass_says_its_rate_and_has_the_rest():
    optimizer = optimizer_with(0.8, 0.4)
    schedule = Halving(optimizer)
    assert (schedule.last_epoch, schedule.base_lrs, rates(optimizer)) == (0, [0.8, 0.4], [0.8, 0.4])
    schedule.step()
    assert (schedule.last_epoch, schedule.get_last_lr(), rates(optimizer)) == (1, [0.4, 0.2], [0.4, 0.2])
    schedule.step(epoch=3)
    assert (schedule.last_epoch, rates(optimizer)) == (3, [0.1, 0.05])
    assert schedule.state_dict().keys() == {"last_epoch", "base_lrs", "_last_lr", "_scales"}


def test_the_last_rates_are_a_copy():
    schedule = Halving(optimizer_with(0.8))
    schedule.get_last_lr()[0] = 7.0
    schedule.step()
    assert schedule.get_last_lr() == [0.4]


def test_a_base_without_a_rate_cannot_be_built():
    with pytest.raises(TypeError, match="rate"):
        LRScheduler(optimizer_with(0.1))


@pytest.mark.parametrize("name", ALL)
def test_every_schedule_keeps_the_initial_rate_in_the_groups(name):
    optimizer = optimizer_with(0.1, 0.3, cls=optim.Adam)
    schedule = ALL[name](np.random.default_rng(0))(schedules, optimizer)
    assert [group["initial_lr"] for group in optimizer.param_groups] == schedule.base_lrs
    assert name == "one_cycle" or schedule.base_lrs == [0.1, 0.3]
    for _ in range(5):
        schedule.step()
        assert schedule.get_last_lr() == rates(optimizer)
        assert all(type(rate) is float for rate in rates(optimizer))
    assert [group["initial_lr"] for group in optimizer.param_groups] == schedule.base_lrs


@pytest.mark.parametrize("name", ALL)
def test_the_rate_is_a_function_of_the_step_alone(name):
    """Neither the way there nor rounding on the way counts."""
    make = ALL[name](np.random.default_rng(1))
    walked, jumped = optimizer_with(0.1, 0.3, cls=optim.Adam), optimizer_with(0.1, 0.3, cls=optim.Adam)
    walker, jumper = make(schedules, walked), make(schedules, jumped)
    for number in range(1, 60):
        walker.step()
        if number % 7 == 0:
            jumper.step(number)
            assert rates(walked) == rates(jumped)
            assert rates(walked) == [walker.rate(base, number, i) for i, base in enumerate(walker.base_lrs)]


@pytest.mark.parametrize("name", FACTORS)
def test_a_schedule_goes_on_where_it_is_told(name):
    """``last_epoch`` is the step before the one that is set, as in PyTorch."""
    make = FACTORS[name](np.random.default_rng(2))
    optimizer = optimizer_with(0.1, 0.3)
    schedule = make(schedules, optimizer)
    for _ in range(9):
        schedule.step()
    other = optimizer_with(5.0, 7.0)
    for group, base in zip(other.param_groups, (0.1, 0.3), strict=True):
        group["initial_lr"] = base
    options = {option: getattr(schedule, option) for option in schedule.options}
    resumed = type(schedule)(other, **options, last_epoch=8)
    assert resumed.last_epoch == 9
    assert rates(other) == rates(optimizer)


def test_going_on_needs_the_initial_rate():
    with pytest.raises(ValueError, match=r'"initial_lr", but one has none; load the optimizer\'s state'):
        Halving(optimizer_with(0.1), last_epoch=3)
    with pytest.raises(ValueError, match="last_epoch must be at least -1, but got -2"):
        Halving(optimizer_with(0.1), last_epoch=-2)


def test_a_rate_that_others_change_scales_what_follows():
    optimizer = optimizer_with(0.8, 0.8)
    schedule = Halving(optimizer)
    schedule.step()
    optimizer.param_groups[1]["lr"] = 4.0  # ten times
    schedule.step()
    assert rates(optimizer) == [0.2, 2.0]
    schedule.step()
    assert rates(optimizer) == [0.1, 1.0]


def test_a_step_that_fails_changes_nothing():
    optimizer = optimizer_with(0.8, 0.8)
    schedule = schedules.LambdaLR(optimizer, [lambda epoch: 0.5**epoch, lambda epoch: 1 / (2 - epoch)])
    schedule.step()
    before = schedule.state_dict()
    for bad, error in ((2, ZeroDivisionError), (-1, ValueError), ("3", TypeError), (float("nan"), ValueError)):
        with pytest.raises(error):
            schedule.step(bad)
        assert schedule.state_dict() == before
        assert rates(optimizer) == before["_last_lr"]


def test_a_rate_of_zero_has_no_proportion():
    optimizer = optimizer_with(0.8)
    schedule = schedules.ConstantLR(optimizer, 0.0, total_iters=3)
    optimizer.param_groups[0]["lr"] = 4.0
    schedule.step()
    assert rates(optimizer) == [0.0]
    schedule.step(3)
    assert rates(optimizer) == [0.8]


def test_two_schedules_of_one_optimizer_multiply():
    optimizer = optimizer_with(0.8)
    pair = Halving(optimizer), schedules.LinearLR(optimizer, 0.5, total_iters=2)
    seen = [rates(optimizer)[0]]
    for _ in range(3):
        for schedule in pair:
            schedule.step()
        seen += rates(optimizer)
    np.testing.assert_allclose(seen, [0.4, 0.3, 0.2, 0.1], rtol=1e-15)


def test_a_plateau_beside_a_warm_up_keeps_its_reductions():
    optimizer = optimizer_with(0.8)
    warmup = schedules.LinearLR(optimizer, 0.5, total_iters=2)
    plateau = schedules.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for loss in (3.0, 3.0, 2.0, 2.0):
        warmup.step()
        plateau.step(loss)
    assert rates(optimizer) == pytest.approx([0.2])


@pytest.mark.parametrize("name", [*ALL, "plateau"])
def test_further_groups_are_refused(name):
    optimizer = optimizer_with(0.1, cls=optim.Adam)
    schedule = build(name, optimizer)
    optimizer.add_param_group({"params": [Parameter(np.zeros(1))]})
    with pytest.raises(ValueError, match=r"built for \(1\), but now there are 2; build it after"):
        schedule.step(*([1.0] if name == "plateau" else []))


def build(name, optimizer):
    if name == "plateau":
        return schedules.ReduceLROnPlateau(optimizer)
    return ALL[name](np.random.default_rng(0))(schedules, optimizer)


@pytest.mark.parametrize("bad", [None, [0.1], "SGD", optim.SGD])
def test_a_schedule_needs_an_optimizer(bad):
    for cls, arguments in (
        (Halving, ()),
        (schedules.StepLR, (3,)),
        (schedules.LambdaLR, (abs,)),
        (schedules.OneCycleLR, (0.1, 10)),
        (schedules.ReduceLROnPlateau, ()),
        (schedules.SequentialLR, ([Halving(optimizer_with(0.1))], [])),
    ):
        with pytest.raises((TypeError, ValueError), match=r"Optimizer|one optimizer"):
            cls(bad, *arguments)
