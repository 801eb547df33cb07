"""The states of all schedules, on their way to JSON and back."""

import json
import math

import numpy as np
import pytest

from sevenloops import optim, schedules
from sevenloops.nn import Parameter
from tests.helpers.schedules import ALL


def nested(rng):
    parts = [ALL[name](rng) for name in ("chained", "cosine", "sequential")]
    return lambda lib, o: lib.SequentialLR(o, [part(lib, o) for part in parts], [7, 25])


def plateau(rng):
    mode = str(rng.choice(["min", "max"]))
    return lambda lib, o: lib.ReduceLROnPlateau(o, mode, 0.7, patience=1, cooldown=2, min_lr=[0.001, 0.0])


def momentum(rng):
    return lambda lib, o: lib.OneCycleLR(o, 1.0, 60, max_momentum=0.9, base_momentum=[0.4, 0.7])


KINDS = {**ALL, "nested": nested, "plateau": plateau, "one cycle of momentum": momentum}


def optimizer_with(cls=optim.Adam):
    return cls([{"params": [Parameter(np.zeros(2))], "lr": rate} for rate in (0.1, 0.37)])


def place(optimizer):
    """All that a schedule may set."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def walk(schedule, first, last):
    """Step, with changes by hand now and then; return all that was set."""
    seen = []
    for number in range(first, last):
        if number % 13 == 5:
            schedule.optimizer.param_groups[1]["lr"] *= 0.7
        if isinstance(schedule, schedules.ReduceLROnPlateau):
            schedule.step(math.sin(number) + 0.02 * number)
        else:
            schedule.step()
        seen.append((place(schedule.optimizer), schedule.get_last_lr(), schedule.last_epoch))
    return seen


def through_json(state):
    return json.loads(json.dumps(state, allow_nan=False))


@pytest.mark.parametrize("order", ["optimizer first", "schedule first", "schedule only"])
@pytest.mark.parametrize("count", [0, 1, 17, 20])
@pytest.mark.parametrize("cls", [optim.Adam, optim.SGD, optim.RMSprop])
@pytest.mark.parametrize("name", KINDS)
def test_an_interrupted_run_goes_on_with_the_same_bits(name, cls, count, order):
    make = KINDS[name](np.random.default_rng(3))
    expected = walk(make(schedules, optimizer_with(cls)), 0, 2 * count)
    optimizer = optimizer_with(cls)
    schedule = make(schedules, optimizer)
    seen = walk(schedule, 0, count)
    states = through_json(schedule.state_dict()), through_json(optimizer.state_dict())
    other = optimizer_with(cls)
    resumed = make(schedules, other)
    if order == "optimizer first":
        other.load_state_dict(states[1])
    resumed.load_state_dict(states[0])
    if order == "schedule first":
        other.load_state_dict(states[1])
    assert place(other) == place(optimizer)
    assert resumed.get_last_lr() == schedule.get_last_lr()
    assert seen + walk(resumed, count, 2 * count) == expected


@pytest.mark.parametrize("name", KINDS)
def test_a_change_by_others_right_before_the_state_is_taken_is_kept(name):
    make = KINDS[name](np.random.default_rng(4))
    optimizers = [optimizer_with(), optimizer_with(), optimizer_with()]
    kept, first, second = (make(schedules, o) for o in optimizers)
    for schedule in (kept, first):
        walk(schedule, 0, 3)
        schedule.optimizer.param_groups[0]["lr"] *= 0.3
    second.load_state_dict(through_json(first.state_dict()))
    assert place(optimizers[2]) == place(optimizers[1])
    assert walk(second, 3, 9) == walk(kept, 3, 9)


@pytest.mark.parametrize("name", KINDS)
def test_a_state_is_a_copy(name):
    schedule = KINDS[name](np.random.default_rng(0))(schedules, optimizer_with())
    walk(schedule, 0, 4)
    state = schedule.state_dict()
    text = json.dumps(state)
    walk(schedule, 4, 8)
    assert json.dumps(state) == text
    schedule.load_state_dict(state)
    walk(schedule, 4, 8)
    assert json.dumps(state) == text


def test_the_options_are_part_of_the_state():
    """A state goes on as its run would have, whatever the schedule was built with that it is loaded into."""
    kept = schedules.CosineAnnealingLR(optimizer_with(), 50, eta_min=0.01)
    walk(kept, 0, 4)
    other = schedules.CosineAnnealingLR(optimizer_with(), 7)
    other.load_state_dict(kept.state_dict())
    assert (other.T_max, other.eta_min) == (50, 0.01)
    assert walk(other, 4, 9) == walk(kept, 4, 9)


def test_functions_are_no_part_of_the_state():
    schedule = schedules.LambdaLR(optimizer_with(), lambda epoch: 0.5**epoch)
    assert schedule.state_dict().keys() == {"last_epoch", "_last_lr", "base_lrs", "_scales"}


CHANGES = {
    "a list": (lambda s: [s], TypeError, "must be a dict"),
    "nothing": (lambda s: {}, ValueError, "it lacks"),
    "an entry too few": (lambda s: {k: v for k, v in s.items() if k != "base_lrs"}, ValueError, "lacks base_lrs"),
    "an entry too many": (lambda s: s | {"T_0": 3}, ValueError, "has also T_0"),
    "a wrong option": (lambda s: s | {"T_max": 0}, ValueError, "T_max must be at least 1, but got 0"),
    "a wrong type": (lambda s: s | {"eta_min": "low"}, TypeError, "eta_min must be a number"),
    "a rate too few": (lambda s: s | {"base_lrs": [0.1]}, ValueError, r"base_lrs .* \(2\), but got 1"),
    "a rate that is none": (lambda s: s | {"_last_lr": [0.1, math.nan]}, ValueError, r"_last_lr\[1\] must be finite"),
    "a step before the first": (lambda s: s | {"last_epoch": -3}, ValueError, "last_epoch must be at least 0"),
}


@pytest.mark.parametrize(("change", "error", "words"), CHANGES.values(), ids=CHANGES)
def test_a_state_that_does_not_fit_changes_nothing(change, error, words):
    for cover in (False, True):
        optimizer = optimizer_with()
        schedule = inner = schedules.CosineAnnealingLR(optimizer, 10)
        if cover:
            schedule = schedules.SequentialLR(optimizer, [schedules.StepLR(optimizer, 3), inner], [4])
        walk(schedule, 0, 6)
        before, rates = json.dumps(schedule.state_dict()), place(optimizer)
        state = schedule.state_dict()
        if cover:
            state["last_epoch"] = 2  # which is fine, but not taken over either
            state["_schedulers"][1] = change(state["_schedulers"][1])
        else:
            state = change(state)
        with pytest.raises(error, match=words) as caught:
            schedule.load_state_dict(state)
        assert "\n" not in str(caught.value)
        assert json.dumps(schedule.state_dict()) == before
        assert place(optimizer) == rates


def test_states_of_composed_schedules_that_do_not_fit():
    optimizer = optimizer_with()
    parts = [schedules.StepLR(optimizer, 3), schedules.ExponentialLR(optimizer, 0.5)]
    schedule = schedules.SequentialLR(optimizer, parts, [4])
    state = schedule.state_dict()
    for wrong, error, words in (
        (7, TypeError, '"_schedulers"'),
        (state | {"_schedulers": None}, TypeError, '"_schedulers"'),
        (state | {"_schedulers": state["_schedulers"][:1]}, ValueError, "of 2 schedules, but it is of 1"),
        (state | {"_schedulers": state["_schedulers"][::-1]}, ValueError, "StepLR .* lacks step_size"),
        (state | {"milestones": []}, ValueError, "milestones must be one less"),
        (state | {"milestones": [-4]}, ValueError, r"milestones\[0\]"),
    ):
        with pytest.raises(error, match=words):
            schedule.load_state_dict(wrong)


def test_a_plateau_that_has_seen_nothing_is_json_too():
    schedule = schedules.ReduceLROnPlateau(optimizer_with())
    assert through_json(schedule.state_dict())["best"] is None
    with pytest.raises(ValueError, match="best must be finite"):
        schedule.load_state_dict(schedule.state_dict() | {"best": math.inf})
