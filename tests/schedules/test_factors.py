"""The schedules that multiply, against products that are formed step by step."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim, schedules
from sevenloops.nn import Parameter

BASE = (0.4, 0.07)


def optimizer():
    return optim.SGD([{"params": [Parameter(np.zeros(2))], "lr": rate} for rate in BASE])


def assert_factors(schedule, factors):
    """Walk through the steps; `factors` are exact."""
    for number, factor in enumerate(factors):
        if number:
            schedule.step()
        expected = [float(Fraction(base) * Fraction(factor)) for base in BASE]
        np.testing.assert_allclose(schedule.get_last_lr(), expected, rtol=1e-13, atol=1e-17)


shares = st.floats(0.01, 1)
counts = st.integers(1, 20)


@given(counts, st.floats(0.1, 1.5))
def test_step(size, gamma):
    factors = [Fraction(1)]
    for number in range(1, 40):
        factors.append(factors[-1] * (Fraction(gamma) if number % size == 0 else 1))
    assert_factors(schedules.StepLR(optimizer(), size, gamma), factors)


@given(st.lists(st.integers(0, 30), max_size=5), st.floats(0.1, 1.5))
def test_multi_step(milestones, gamma):
    factors, factor = [], Fraction(1)
    for number in range(40):
        factor *= Fraction(gamma) ** milestones.count(number)
        factors.append(factor)
    assert_factors(schedules.MultiStepLR(optimizer(), iter(milestones), gamma), factors)


@given(st.floats(0.5, 1.1))
def test_exponential(gamma):
    assert_factors(schedules.ExponentialLR(optimizer(), gamma), [Fraction(gamma) ** number for number in range(40)])


@given(counts, st.integers(0, 4))
def test_polynomial(total, power):
    left = [Fraction(max(total - number, 0), total) for number in range(40)]
    assert_factors(schedules.PolynomialLR(optimizer(), total, power), [share**power for share in left])


@given(counts, st.floats(0, 1))
def test_constant(total, factor):
    factors = [Fraction(factor)] * total + [1] * 10
    assert_factors(schedules.ConstantLR(optimizer(), factor, total), factors)


@given(counts, shares, st.floats(0, 1))
def test_linear(total, start, end):
    slope = (Fraction(end) - Fraction(start)) / total
    factors = [Fraction(start) + slope * min(number, total) for number in range(40)]
    assert_factors(schedules.LinearLR(optimizer(), start, end, total), factors)


def test_the_end_of_a_line_is_exact():
    for total in range(1, 200):
        schedule = schedules.LinearLR(optimizer(), 1 / 3, 0.7, total)
        assert schedule.rate(1.0, total, 0) == schedule.rate(1.0, total + 5, 0) == 0.7


def test_any_function_for_all_groups_or_one_each():
    assert_factors(schedules.LambdaLR(optimizer(), lambda epoch: 1 / (1 + epoch)), [1 / (1 + n) for n in range(9)])
    schedule = schedules.LambdaLR(optimizer(), [lambda epoch: 2.0**epoch, lambda epoch: np.float32(0.5)])
    schedule.step()
    assert schedule.get_last_lr() == [0.8, 0.035]


def test_long_runs_do_not_drift():
    """A million multiplications by 1 - 1e-6 would lose 1e-11; the power does not."""
    schedule = schedules.ExponentialLR(optimizer(), 1 - 1e-6)
    for _ in range(10):
        schedule.step(schedule.last_epoch + 100_000)
    expected = BASE[0] * math.exp(1_000_000 * math.log1p(-1e-6))
    assert schedule.get_last_lr()[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda o: schedules.StepLR(o, 0), ValueError, "step_size must be at least 1, but got 0"),
        (lambda o: schedules.StepLR(o, 2.0), TypeError, "step_size must be an integer"),
        (lambda o: schedules.StepLR(o, 2, -0.1), ValueError, "gamma"),
        (lambda o: schedules.StepLR(o, 2, "0.1"), TypeError, "gamma"),
        (lambda o: schedules.MultiStepLR(o, 3), TypeError, "milestones must be integers, but got 3"),
        (lambda o: schedules.MultiStepLR(o, "123"), TypeError, "milestones"),
        (lambda o: schedules.MultiStepLR(o, [1, -2]), ValueError, r"milestones\[1\] must be at least 0, but got -2"),
        (lambda o: schedules.ExponentialLR(o, math.nan), ValueError, "gamma .* nan"),
        (lambda o: schedules.PolynomialLR(o, 0), ValueError, "total_iters"),
        (lambda o: schedules.PolynomialLR(o, 5, -1), ValueError, "power"),
        (lambda o: schedules.ConstantLR(o, 1.1), ValueError, "factor must be from 0 to 1, but got 1.1"),
        (lambda o: schedules.ConstantLR(o, 0.5, 0), ValueError, "total_iters"),
        (lambda o: schedules.LinearLR(o, 0.0), ValueError, "start_factor must be more than 0"),
        (lambda o: schedules.LinearLR(o, 1.5), ValueError, "start_factor"),
        (lambda o: schedules.LinearLR(o, 0.5, -0.1), ValueError, "end_factor"),
        (lambda o: schedules.LambdaLR(o, 0.5), TypeError, "lr_lambda must be a function"),
        (lambda o: schedules.LambdaLR(o, [abs]), ValueError, r"lr_lambda must have one entry .* \(2\), but got 1"),
        (lambda o: schedules.LambdaLR(o, [abs, None]), TypeError, r"lr_lambda\[1\] must be a function"),
        (lambda o: schedules.LambdaLR(o, lambda epoch: "x"), TypeError, "lr_lambda must be a number, but got 'x'"),
    ],
)
def test_what_is_refused(build, error, words):
    with pytest.raises(error, match=words):
        build(optimizer())
