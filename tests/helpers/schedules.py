"""Random schedules of every kind, as functions that build them for ours or for PyTorch's."""

import math


def step(rng):
    size, gamma = int(rng.integers(1, 30)), rng.uniform(0.5, 1.1)
    return lambda lib, optimizer: lib.StepLR(optimizer, size, gamma)


def multi_step(rng):
    milestones, gamma = [int(m) for m in rng.integers(0, 60, rng.integers(0, 6))], rng.uniform(0.3, 1.1)
    return lambda lib, optimizer: lib.MultiStepLR(optimizer, milestones, gamma)


def exponential(rng):
    gamma = rng.uniform(0.9, 1.01)
    return lambda lib, optimizer: lib.ExponentialLR(optimizer, gamma)


def polynomial(rng):
    total, power = int(rng.integers(1, 80)), rng.uniform(0.3, 3)
    return lambda lib, optimizer: lib.PolynomialLR(optimizer, total, power)


def constant(rng):
    factor, total = rng.uniform(0.1, 1), int(rng.integers(1, 50))
    return lambda lib, optimizer: lib.ConstantLR(optimizer, factor, total)


def linear(rng):
    start, end, total = rng.uniform(0.01, 1), rng.uniform(0, 1), int(rng.integers(1, 60))
    return lambda lib, optimizer: lib.LinearLR(optimizer, start, end, total)


def function(rng):
    slope = rng.uniform(0, 0.1)
    return lambda lib, optimizer: lib.LambdaLR(optimizer, lambda epoch: math.exp(-slope * epoch))


def cosine(rng):
    total, low = int(rng.integers(1, 90)), rng.choice([0.0, rng.uniform(0, 0.01)])
    return lambda lib, optimizer: lib.CosineAnnealingLR(optimizer, total, float(low))


def restarts(rng):
    first, times, low = int(rng.integers(1, 30)), int(rng.integers(1, 4)), rng.uniform(0, 0.01)
    return lambda lib, optimizer: lib.CosineAnnealingWarmRestarts(optimizer, first, times, low)


def one_cycle(rng, steps=200):
    rates = [float(rate) for rate in rng.uniform(0.01, 2, 3)]
    options = {
        "total_steps": int(rng.integers(steps + 1, 2 * steps)),
        "pct_start": rng.uniform(0.05, 0.5),
        "anneal_strategy": str(rng.choice(["cos", "linear"])),
        "cycle_momentum": bool(rng.integers(2)),
        "base_momentum": rng.uniform(0, 0.5),
        "max_momentum": rng.uniform(0.5, 0.99),
        "div_factor": rng.uniform(1, 50),
        "final_div_factor": rng.uniform(1, 1e4),
        "three_phase": bool(rng.integers(2)),
    }
    return lambda lib, optimizer: lib.OneCycleLR(optimizer, rates[: len(optimizer.param_groups)], **options)


#: Those that multiply the rate before them.
FACTORS = {f.__name__: f for f in (step, multi_step, exponential, polynomial, constant, linear)}
SINGLE = {**FACTORS, **{f.__name__: f for f in (function, cosine, restarts, one_cycle)}}


def sequential(rng):
    """Of all but one_cycle, which overwrites what the others start from."""
    names = [name for name in SINGLE if name != "one_cycle"]
    makers = [SINGLE[name](rng) for name in rng.choice(names, rng.integers(1, 4))]
    milestones = sorted(int(m) for m in rng.choice(range(1, 100), len(makers) - 1, replace=False))
    return lambda lib, optimizer: lib.SequentialLR(optimizer, [make(lib, optimizer) for make in makers], milestones)


def chained(rng):
    makers = [FACTORS[name](rng) for name in rng.choice(list(FACTORS), rng.integers(1, 4), replace=False)]
    return lambda lib, optimizer: lib.ChainedScheduler([make(lib, optimizer) for make in makers])


ALL = {**SINGLE, "sequential": sequential, "chained": chained}
