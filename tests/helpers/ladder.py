"""A ladder of the test's own: algorithms that cost, refuse and compute what the test says."""

import contextlib
import dataclasses

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.conv import registry, select
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import ConvProblem
from sevenloops.functional.repeated import Repeated
from sevenloops.geometry import ConvGeometry

__all__ = ["changed_ladder", "make_problem", "picky", "rung"]


@contextlib.contextmanager
def changed_ladder(*algorithms, keep=False):
    """Replace the ladder, or with `keep` extend it; at the end it is as before."""
    with pytest.MonkeyPatch.context() as patch:
        kernels = {place: dict(kernels) for place, kernels in backends._TABLE.items()}
        patch.setattr(backends, "_TABLE", kernels if keep else {})
        patch.setattr(registry, "_TABLE", dict(registry._TABLE) if keep else {})
        forget_plans()
        for algorithm in algorithms:
            registry.register(algorithm)
        try:
            yield
        finally:
            forget_plans()


def forget_plans():
    """Rungs of one name may differ between tests."""
    select._select.cache_clear()
    select._candidates.cache_clear()
    Repeated.forget()


def rung(name, seconds=1.0, workspace=0, refusal=None, cost=None, **kernels):
    """An algorithm; kernels are given by direction, the others must not run."""

    def never(*arguments):
        raise AssertionError(f"{name} ran")

    return registry.ConvAlgorithm(
        name=name,
        summary="a test's",
        **{direction: kernels.get(direction, never) for direction in ("forward", "input_grad", "weight_grad")},
        cost=cost or (lambda problem: Cost(seconds, workspace=workspace)),
        refusal=lambda problem: refusal,
    )


def picky(refused):
    """Add the algorithm "picky", which is `loops` but for one direction that it refuses."""
    loops = registry.get("loops")
    algorithm = dataclasses.replace(
        loops, name="picky", refusal=lambda problem: "it is picky" if problem.direction == refused else None
    )
    return changed_ladder(algorithm, keep=True)


def make_problem(
    x_shape=(2, 3, 9, 8),
    weight_shape=(4, 3, 3, 2),
    *,
    direction="forward",
    dtype="float32",
    channels_last=False,
    threads=1,
    max_workspace=None,
    usable=("numpy",),
    **parameters,
):
    geometry = ConvGeometry.forward(x_shape, weight_shape, **parameters)
    return ConvProblem(geometry, direction, np.dtype(dtype), channels_last, threads, max_workspace, usable)
