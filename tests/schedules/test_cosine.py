import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import nn, optim
from sevenloops.schedules import CosineAnnealingLR, CosineAnnealingWarmRestarts


def optimizer_with(*rates):
    return optim.SGD([{"params": [nn.Parameter(np.zeros(2))], "lr": rate} for rate in rates])


def rates_of(schedule, steps):
    rates = [schedule.get_last_lr()]
    for _ in range(steps):
        schedule.step()
        rates.append(schedule.get_last_lr())
    return rates


def test_quarters_of_the_way_by_hand():
    schedule = CosineAnnealingLR(optimizer_with(0.2), 4, eta_min=0.1)
    half = math.sqrt(0.5)
    expected = [0.2, 0.1 + 0.05 * (1 + half), 0.15, 0.1 + 0.05 * (1 - half), 0.1]
    np.testing.assert_allclose(np.ravel(rates_of(schedule, 4)), expected, rtol=1e-12)


@given(st.integers(2, 40), st.floats(1e-4, 10), st.floats(0, 1e-4))
def test_it_is_the_solution_of_the_recurrence(steps, base, low):
    # lr(t+1) = low + (lr(t) - low) · (1 + cos((t+1)π/T)) / (1 + cos(tπ/T)): each rate follows from the one before.
    rates = np.ravel(rates_of(CosineAnnealingLR(optimizer_with(base), steps, low), steps - 1))
    expected = [base]
    for t in range(steps - 1):
        ratio = (1 + math.cos((t + 1) * math.pi / steps)) / (1 + math.cos(t * math.pi / steps))
        expected.append(low + (expected[-1] - low) * ratio)
    np.testing.assert_allclose(rates, expected, rtol=1e-9)


@given(st.integers(1, 30), st.floats(1e-4, 10))
def test_it_falls_to_the_end_and_then_rises_the_way_it_came(steps, base):
    rates = np.ravel(rates_of(CosineAnnealingLR(optimizer_with(base), steps), 2 * steps))
    assert (np.diff(rates[: steps + 1]) < 0).all()
    assert rates[steps] == 0
    np.testing.assert_allclose(rates, rates[::-1], rtol=1e-9, atol=1e-15 * base)


def test_each_group_falls_from_its_own_rate():
    schedule = CosineAnnealingLR(optimizer_with(0.1, 0.4), 2)
    schedule.step()
    np.testing.assert_allclose(schedule.get_last_lr(), [0.05, 0.2])
    assert schedule.last_epoch == 1


def test_the_optimizer_steps_by_the_rate_of_now():
    parameter = nn.Parameter(np.array([1.0]))
    optimizer = optim.SGD([parameter], lr=0.5)
    schedule = CosineAnnealingLR(optimizer, 2)
    for _ in range(2):
        parameter.grad = np.array([1.0])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(parameter.data, [1 - 0.5 - 0.25])


@pytest.mark.parametrize(("steps", "low", "error"), [(0, 0, ValueError), (2.0, 0, TypeError), (2, -1, ValueError)])
def test_what_is_refused(steps, low, error):
    with pytest.raises(error, match=r"(T_max|eta_min) must be"):
        CosineAnnealingLR(optimizer_with(0.1), steps, low)


@given(st.integers(1, 6), st.integers(1, 3), st.floats(1e-4, 10), st.floats(0, 1e-4))
def test_restarts_are_cosines_one_after_the_other(first, times, base, low):
    expected, period = [], first
    while len(expected) < 40:
        falling = rates_of(CosineAnnealingLR(optimizer_with(base), period, low), period - 1)
        expected += [rate for (rate,) in falling]
        period *= times
    rates = np.ravel(rates_of(CosineAnnealingWarmRestarts(optimizer_with(base), first, times, low), 39))
    np.testing.assert_array_equal(rates, expected[:40])


def test_restarts_may_fall_within_an_epoch():
    schedule = CosineAnnealingWarmRestarts(optimizer_with(0.2), 2, 2)
    for epoch, share in ((0.5, 0.25), (1.0, 0.5), (1.5, 0.75), (2.0, 0.0), (5.0, 0.75), (6.0, 0.0)):
        schedule.step(epoch)
        np.testing.assert_allclose(schedule.get_last_lr(), [0.1 * (1 + math.cos(math.pi * share))], rtol=1e-12)
    schedule.step()
    assert schedule.last_epoch == 7


@pytest.mark.parametrize(
    ("arguments", "error"), [((0,), ValueError), ((1, 0), ValueError), ((1.5,), TypeError), ((1, 1, -1), ValueError)]
)
def test_what_restarts_refuse(arguments, error):
    with pytest.raises(error, match=r"(T_0|T_mult|eta_min) must be"):
        CosineAnnealingWarmRestarts(optimizer_with(0.1), *arguments)
