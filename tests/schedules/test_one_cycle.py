import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim
from sevenloops.nn import Parameter
from sevenloops.schedules import OneCycleLR


def optimizer_with(groups=1, cls=optim.SGD, **options):
    return cls([{"params": [Parameter(np.zeros(2))]} for _ in range(groups)], **options)


def curve(points, steps, strategy):
    """What goes through points (step, value), interpolated by the definition."""
    values = []
    for step in range(steps):
        index = next((i for i in range(1, len(points)) if step <= points[i][0]), len(points) - 1)
        (first, start), (last, end) = points[index - 1], points[index]
        share = (step - first) / (last - first)
        weight = (1 - math.cos(math.pi * share)) / 2 if strategy == "cos" else share
        values.append((1 - weight) * start + weight * end)
    return values


@given(
    st.integers(10, 60),
    st.floats(0.15, 0.45),
    st.sampled_from(["cos", "linear"]),
    st.booleans(),
    st.floats(0.001, 10),
    st.floats(0.5, 50),
    st.floats(1, 1e5),
    st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
)
def test_rates_and_momenta_go_through_their_points(steps, share, strategy, three, peak, divisor, final, momenta):
    optimizer = optimizer_with(momentum=0.5)
    low, high = momenta
    schedule = OneCycleLR(
        optimizer,
        peak,
        steps,
        pct_start=share,
        anneal_strategy=strategy,
        base_momentum=low,
        max_momentum=high,
        div_factor=divisor,
        final_div_factor=final,
        three_phase=three,
    )
    start, top, back = peak / divisor, share * steps - 1, 2 * share * steps - 2
    end = (steps - 1, start / final)
    rates = [(0, start), (top, peak), (back, start), end] if three else [(0, start), (top, peak), end]
    moments = [(0, high), (top, low), (back, high), (steps - 1, high)] if three else [(0, high), (top, low), end]
    if not three:
        moments[-1] = (steps - 1, high)
    seen = []
    for _ in range(steps):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        schedule.step()
    expected = np.transpose([curve(rates, steps, strategy), curve(moments, steps, strategy)])
    np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-12 * peak)


def test_by_hand():
    """Ten steps of which three rise: 0, 1, 2 | 3 … 9."""
    optimizer = optimizer_with()
    schedule = OneCycleLR(
        optimizer, 1.0, 10, anneal_strategy="linear", div_factor=5.0, final_div_factor=2.0, cycle_momentum=False
    )
    rates = []
    for _ in range(10):
        rates += schedule.get_last_lr()
        schedule.step()
    falling = [1 - 0.9 * n / 7 for n in range(1, 8)]
    np.testing.assert_allclose(rates, [0.2, 0.6, 1.0, *falling], rtol=1e-14)


def test_the_first_beta_is_the_momentum_of_adam():
    optimizer = optimizer_with(2, optim.AdamW, betas=(0.1, 0.77))
    schedule = OneCycleLR(optimizer, 1.0, 10, max_momentum=[0.9, 0.8], base_momentum=[0.6, 0.5])
    assert [group["betas"] for group in optimizer.param_groups] == [(0.9, 0.77), (0.8, 0.77)]
    schedule.step(2)
    assert [group["betas"] for group in optimizer.param_groups] == [(0.6, 0.77), (0.5, 0.77)]


def test_momentum_may_stay_as_it_is():
    optimizer = optimizer_with(momentum=0.123)
    schedule = OneCycleLR(optimizer, 1.0, 10, cycle_momentum=False)
    for _ in range(9):
        schedule.step()
        assert optimizer.param_groups[0]["momentum"] == 0.123


def test_each_group_has_its_peak():
    optimizer = optimizer_with(3, lr=99.0)
    schedule = OneCycleLR(optimizer, [1.0, 2.0, 0.5], 10, div_factor=4.0)
    assert schedule.get_last_lr() == schedule.base_lrs == [0.25, 0.5, 0.125]
    schedule.step(2)
    assert schedule.get_last_lr() == [1.0, 2.0, 0.5]


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_no_part_of_it_may_be_missing(strategy, three, share, steps):
    """Phases of no length are passed over, and after n steps, of which the last is unused, the rate is fine still."""
    optimizer = optimizer_with()
    schedule = OneCycleLR(optimizer, 1.0, steps, pct_start=share, anneal_strategy=strategy, three_phase=three)
    for _ in range(steps):
        assert 0 < optimizer.param_groups[0]["lr"] <= 1
        assert 0.85 <= optimizer.param_groups[0]["momentum"] <= 0.95
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == [schedule.rate(0.0, steps - 1, 0)]
    with pytest.raises(ValueError, match=f"at most its total_steps={steps} steps, but this is step {steps + 1}"):
        schedule.step()


def test_epochs_and_steps_per_epoch_are_the_steps():
    assert OneCycleLR(optimizer_with(), 1.0, epochs=3, steps_per_epoch=7).total_steps == 21


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ValueError, "needs total_steps, or both epochs and steps_per_epoch, but got epochs=None"),
        ({"epochs": 3}, ValueError, "steps_per_epoch=None"),
        ({"epochs": 0, "steps_per_epoch": 3}, ValueError, "epochs must be at least 1"),
        ({"total_steps": 0}, ValueError, "total_steps must be at least 1"),
        ({"total_steps": 2.5}, TypeError, "total_steps must be an integer"),
        ({"total_steps": 5, "pct_start": 1.5}, ValueError, "pct_start must be from 0 to 1"),
        ({"total_steps": 5, "anneal_strategy": "sin"}, ValueError, "anneal_strategy must be one of cos, linear"),
        ({"total_steps": 5, "max_lr": [1.0, 2.0]}, ValueError, r"max_lr must have one entry .* \(1\), but got 2"),
        ({"total_steps": 5, "max_lr": -1}, ValueError, "max_lr"),
        ({"total_steps": 5, "max_momentum": 1}, ValueError, "max_momentum must be at least 0 and less than 1"),
        ({"total_steps": 5, "base_momentum": -0.5}, ValueError, "base_momentum"),
        ({"total_steps": 5, "div_factor": 0}, ValueError, "div_factor must be more than 0"),
        ({"total_steps": 5, "final_div_factor": -1}, ValueError, "final_div_factor"),
        ({"total_steps": 5, "three_phase": 1}, TypeError, "three_phase must be True or False"),
    ],
)
def test_what_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        OneCycleLR(optimizer_with(), **{"max_lr": 1.0} | options)


def test_an_optimizer_without_momentum():
    with pytest.raises(ValueError, match="Adagrad has none; use cycle_momentum=False"):
        OneCycleLR(optimizer_with(cls=optim.Adagrad), 1.0, 10)
    OneCycleLR(optimizer_with(cls=optim.Adagrad), 1.0, 10, cycle_momentum=False).step()
