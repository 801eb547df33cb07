"""Schedules against PyTorch: random ones of every kind, step by step."""

import zlib

import numpy as np
import pytest

from sevenloops import optim, schedules
from sevenloops.nn import Parameter
from tests.helpers.schedules import ALL, FACTORS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

STEPS = 200
CASES = 8


def optimizers(kind, rates):
    """Ours and PyTorch's, alike, with a group of parameters per rate."""
    keywords = {"momentum": 0.9} if kind != "Adam" else {}
    mine = getattr(optim, kind)([{"params": Parameter(np.zeros(1)), "lr": rate} for rate in rates], **keywords)
    theirs = [{"params": torch.nn.Parameter(torch.zeros(1)), "lr": rate} for rate in rates]
    return mine, getattr(torch.optim, kind)(theirs, **keywords)


def generator(name, case=0):
    return np.random.default_rng([zlib.crc32(name.encode()), case])


def assert_alike(mine, theirs, scale):
    """Rates to 1e-12 of the largest that there was, since recurrences lose where they come near 0; momenta too."""
    for group, peer, largest in zip(mine.param_groups, theirs.param_groups, scale, strict=True):
        assert group["lr"] == pytest.approx(peer["lr"], rel=1e-12, abs=1e-12 * largest)
        assert group["initial_lr"] == peer["initial_lr"]
        for name in ("momentum", "betas"):
            if name in peer:
                assert group[name] == pytest.approx(peer[name], rel=1e-12)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop"])
@pytest.mark.parametrize("name", ALL)
def test_two_hundred_steps(kind, name):
    for case in range(CASES):
        rng = generator(name + kind, case)
        rates = [float(rate) for rate in rng.uniform(0.001, 1, rng.integers(1, 4))]
        mine, theirs = optimizers(kind, rates)
        make = ALL[name](rng)
        ours, peers = make(schedules, mine), make(torch.optim.lr_scheduler, theirs)
        scale = [max(rate, group["lr"]) for rate, group in zip(rates, theirs.param_groups, strict=True)]
        assert_alike(mine, theirs, scale)
        theirs.step()
        for number in range(1, STEPS + 1):
            ours.step()
            peers.step()
            scale = [max(largest, group["lr"]) for largest, group in zip(scale, theirs.param_groups, strict=True)]
            assert_alike(mine, theirs, scale)
            assert ours.get_last_lr() == [group["lr"] for group in mine.param_groups]
            assert ours.last_epoch == number


@pytest.mark.parametrize("seed", range(60))
def test_reduce_on_plateau(seed):
    rng = np.random.default_rng(seed)
    rates = [float(rate) for rate in rng.uniform(0.1, 1, rng.integers(1, 4))]
    mine, theirs = optimizers("SGD", rates)
    options = {
        "mode": str(rng.choice(["min", "max"])),
        "factor": rng.uniform(0, 0.99),
        "patience": int(rng.integers(0, 6)),
        "threshold": float(rng.choice([0, 1e-4, 0.05])),
        "threshold_mode": str(rng.choice(["rel", "abs"])),
        "cooldown": int(rng.integers(0, 5)),
        "min_lr": float(rng.choice([0, 1e-3])) if rng.integers(2) else [1e-3 * n for n in range(len(rates))],
        "eps": float(rng.choice([1e-8, 1e-2])),
    }
    ours = schedules.ReduceLROnPlateau(mine, **options)
    peers = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    theirs.step()
    drift = rng.normal() * 0.02
    for number in range(STEPS):
        metric = float(drift * number + rng.normal()) if number % 17 else float("nan")
        ours.step(metric)
        peers.step(metric)
        assert ours.get_last_lr() == peers.get_last_lr()
        assert (ours.num_bad_epochs, ours.cooldown_counter) == (peers.num_bad_epochs, peers.cooldown_counter)
        assert ours.best == peers.best or ours.best is None


@pytest.mark.parametrize("first", FACTORS)
@pytest.mark.parametrize("second", FACTORS)
def test_two_that_are_stepped_one_after_the_other(first, second):
    """What is not chained by a schedule is chained by the rate that each finds."""
    rng = generator(first + second)
    mine, theirs = optimizers("SGD", [0.3, 0.7])
    makers = FACTORS[first](rng), FACTORS[second](rng)
    ours = [make(schedules, mine) for make in makers]
    peers = [make(torch.optim.lr_scheduler, theirs) for make in makers]
    theirs.step()
    for _ in range(STEPS):
        for schedule in (*ours, *peers):
            schedule.step()
        assert_alike(mine, theirs, [0.3, 0.7])


@pytest.mark.parametrize("name", FACTORS)
def test_a_rate_that_is_changed_by_hand(name):
    mine, theirs = optimizers("SGD", [0.3])
    make = FACTORS[name](generator(name))
    ours, peers = make(schedules, mine), make(torch.optim.lr_scheduler, theirs)
    theirs.step()
    for number in range(STEPS):
        if number % 40 == 20:
            for optimizer in (mine, theirs):
                optimizer.param_groups[0]["lr"] *= 0.5
        ours.step()
        peers.step()
        assert_alike(mine, theirs, [0.3])


def test_restarts_within_an_epoch():
    mine, theirs = optimizers("SGD", [0.3])
    ours = schedules.CosineAnnealingWarmRestarts(mine, 3, 2, 0.01)
    peers = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 3, 2, 0.01)
    theirs.step()
    for number in range(240):
        ours.step(number / 8)
        peers.step(number / 8)
        assert_alike(mine, theirs, [0.3])


def test_one_cycle_of_epochs_and_its_last_step():
    mine, theirs = optimizers("SGD", [0.3])
    options = {"epochs": 4, "steps_per_epoch": 5}
    ours = schedules.OneCycleLR(mine, 0.5, **options)
    peers = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.5, **options)
    theirs.step()
    for _ in range(19):
        ours.step()
        peers.step()
        assert_alike(mine, theirs, [0.5])
    ours.step()
    assert mine.param_groups[0]["lr"] == ours.rate(0.0, 19, 0) == pytest.approx(0.5 / 25 / 1e4)


def test_defaults_and_order_of_arguments():
    import inspect

    for name in schedules.__all__:
        if name == "LRScheduler":
            continue
        theirs = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
        ours = inspect.signature(getattr(schedules, name)).parameters
        assert list(ours) == list(theirs), name
        assert [p.default for p in ours.values()] == [p.default for p in theirs.values()], name
