import math

import numpy as np
import pytest

from sevenloops import optim
from sevenloops.autograd import Tensor
from sevenloops.nn import Parameter
from sevenloops.schedules import ReduceLROnPlateau


def optimizer_with(*rates):
    return optim.SGD([{"params": [Parameter(np.zeros(2))], "lr": rate} for rate in rates])


def walk(metrics, base=1.0, **options):
    """Return the rate after each metric."""
    schedule = ReduceLROnPlateau(optimizer_with(base), **options)
    rates = []
    for metric in metrics:
        schedule.step(metric)
        rates += schedule.get_last_lr()
    return rates


def test_it_waits_for_as_many_steps_as_it_has_patience():
    assert walk([3, 2, 2, 2, 2, 2], factor=0.5, patience=2) == [1, 1, 1, 1, 0.5, 0.5]
    assert walk([3, 2, 2, 2, 2, 2], factor=0.5, patience=0) == [1, 1, 0.5, 0.25, 0.125, 0.0625]


def test_what_gets_better_starts_the_count_anew():
    assert walk([3, 3, 2, 2, 1, 1], factor=0.5, patience=1) == [1] * 6


def test_after_a_reduction_the_cooldown_does_not_count():
    rates = walk([1] * 8, factor=0.5, patience=1, cooldown=2)
    # one good, two bad, two that do not count, two bad
    assert rates == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("options", "best", "enough"),
    [
        ({"mode": "min", "threshold_mode": "rel"}, 8.0, 6.0),
        ({"mode": "max", "threshold_mode": "rel"}, 8.0, 10.0),
        ({"mode": "min", "threshold_mode": "abs"}, 8.0, 7.75),
        ({"mode": "max", "threshold_mode": "abs"}, 8.0, 8.25),
        ({"mode": "min", "threshold_mode": "abs"}, -8.0, -8.25),
    ],
)
def test_better_is_by_more_than_the_threshold(options, best, enough):
    for metric, better in ((enough, False), (math.nextafter(enough, math.copysign(math.inf, enough - best)), True)):
        schedule = ReduceLROnPlateau(optimizer_with(1.0), threshold=0.25, **options)
        schedule.step(best)
        schedule.step(metric)
        assert schedule.best == (metric if better else best)
        assert schedule.num_bad_epochs == (not better)


def test_rates_have_a_floor_each_and_small_reductions_are_left_out():
    schedule = ReduceLROnPlateau(optimizer_with(1.0, 1.0), factor=0.5, patience=0, min_lr=[0.3, 0.0], eps=0.06)
    seen = []
    for _ in range(6):
        schedule.step(1.0)
        seen.append(schedule.get_last_lr())
    # 0.5, then the floor; the other one halves until a half would be 0.0625 less, and then 0.03125
    assert seen == [[1, 1], [0.5, 0.5], [0.3, 0.25], [0.3, 0.125], [0.3, 0.0625], [0.3, 0.0625]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_is_not_finite_is_not_better(bad, mode):
    schedule = ReduceLROnPlateau(optimizer_with(1.0), mode=mode, factor=0.5, patience=1)
    schedule.step(bad)
    assert (schedule.best, schedule.num_bad_epochs) == (None, 1)
    schedule.step(3.0)
    assert (schedule.best, schedule.num_bad_epochs) == (3.0, 0)
    schedule.step(bad)
    schedule.step(bad)
    assert schedule.get_last_lr() == [0.5]


def test_metrics_may_be_of_one_element():
    schedule = ReduceLROnPlateau(optimizer_with(1.0))
    for metric in (np.float32(0.5), np.array(0.25), Tensor(np.array(0.125)), 0):
        schedule.step(metric)
        assert schedule.best == float(metric)
    with pytest.raises(TypeError, match="metrics must be a number, but got 'low'"):
        schedule.step("low")
    assert schedule.last_epoch == 4


def test_a_rate_that_others_have_changed_is_the_one_to_reduce():
    optimizer = optimizer_with(1.0)
    schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    schedule.step(1.0)
    optimizer.param_groups[0]["lr"] = 0.3
    schedule.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.15


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mode": "low"}, ValueError, "mode must be one of min, max, but got 'low'"),
        ({"threshold_mode": "both"}, ValueError, "threshold_mode must be one of rel, abs"),
        ({"factor": 1.0}, ValueError, "factor must be less than 1, but got 1.0"),
        ({"factor": -0.1}, ValueError, "factor"),
        ({"patience": -1}, ValueError, "patience"),
        ({"patience": 1.5}, TypeError, "patience"),
        ({"cooldown": -1}, ValueError, "cooldown"),
        ({"threshold": -1}, ValueError, "threshold"),
        ({"eps": math.nan}, ValueError, "eps"),
        ({"min_lr": [0.1, 0.1]}, ValueError, r"min_lr must have one entry .* \(1\), but got 2"),
        ({"min_lr": -1}, ValueError, "min_lr"),
    ],
)
def test_what_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        ReduceLROnPlateau(optimizer_with(1.0), **options)
