"""plan_conv*: the choice before it is made, as an object to read and to print."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops import backends
from sevenloops.errors import ShapeError, UnknownAlgorithmError, UnsupportedGeometryError
from tests.helpers.cases import conv_cases
from tests.helpers.checks import ALGORITHMS, DIRECTIONS, must_accept, to_layout, weight_to_layout
from tests.helpers.refusals import assert_refused

X = np.ones((8, 16, 30, 28), np.float32)
W = np.ones((24, 16, 3, 3), np.float32)


def test_algorithms_are_in_the_order_of_the_ladder():
    ladder = [
        "loops",
        "loops-window",
        "einsum-pixel",
        "einsum-windows",
        "offset-matmul",
        "im2col-index",
        "im2col",
        "im2col-lazy",
        "winograd",
        "fft",
        "direct",
    ]
    assert list(sl.algorithms()) == [name for name in ladder if name in sl.algorithms()]
    assert isinstance(sl.algorithms(), tuple)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_table(direction):
    """One line per algorithm with its figures, or why it cannot; one of them is chosen, the predicted fastest."""
    plan = sl.plan_conv2d(X, W, padding=1, direction=direction)
    text = str(plan)
    head, numbers, blank, titles, *rows = text.splitlines()
    assert direction in head
    assert "(8, 16, 30, 28)" in head
    assert "(24, 16, 3, 3)" in head
    assert "(8, 24, 30, 28)" in head
    assert "float32" in numbers
    assert f"{2 * 8 * 24 * 30 * 28 * 16 * 9 / 1e9:.3g} GFLOP" in numbers
    assert not blank
    assert titles.split() == ["algorithm", "on", "predicted", "measured", "GFLOP", "moved", "workspace"]
    names = [row[3:].split()[0] for row in rows]
    assert sorted(names) == sorted(sl.algorithms())
    (chosen,) = (row for row in rows if row.startswith("*"))
    assert chosen is rows[0]
    assert chosen.endswith("chosen: predicted fastest")
    assert names[0] == plan.algorithm == plan.candidates[0].name
    seconds = [c.cost.seconds for c in plan.candidates if not c.refusal]
    assert seconds == sorted(seconds)
    assert min(seconds) > 0
    assert chosen[3:].split()[1] == plan.backend == plan.candidates[0].backend


def test_the_table_says_what_runs_each_algorithm():
    """Machine code where there is some, else NumPy; the forced backend where one is forced."""
    usable = backends.usable()
    x = np.ones((2, 3, 20, 20), np.float32)
    w = np.ones((4, 3, 5, 5), np.float32)
    for forced in (None, *usable):
        with backends.use_backend(forced) if forced else contextlib.nullcontext():
            plan = sl.plan_conv2d(x, w)
            rows = {row[3:].split()[0]: row for row in str(plan).splitlines()[4:]}
        for candidate in plan.candidates:
            if candidate.refusal is None:
                assert candidate.backend in (usable if forced is None else (forced,))
                assert rows[candidate.name][3:].split()[1] == candidate.backend
            else:
                assert rows[candidate.name].startswith("-")
                assert candidate.backend == ""
        able = {c.name: c.backend for c in plan.candidates if not c.refusal}
        assert ("direct" in able) == ("jit" in usable and forced != "numpy")
        assert able.get("direct", "jit") == "jit"
        assert ("loops" in able) == (forced != "jit")


def test_why_not():
    plan = sl.plan_conv2d(X, W, max_workspace=0)
    assert "workspace at most 0 B" in str(plan)
    for candidate in plan.candidates:
        if candidate.refusal is None:
            assert candidate.cost.workspace == 0
        else:
            line = next(row for row in str(plan).splitlines() if row[3:].split()[:1] == [candidate.name])
            assert line.startswith("-")
            assert f"cannot: {candidate.refusal}" in line


def test_asked_for_by_name():
    for name in ALGORITHMS:
        if name not in ("winograd", "fft"):
            plan = sl.plan_conv2d(X, W, stride=2, algorithm=name)
            assert (plan.algorithm, plan.requested) == (name, name)
            (chosen,) = (row for row in str(plan).splitlines() if row.startswith("*"))
            assert chosen[3:].split()[0] == name
            assert chosen.endswith("chosen: asked for by name")


@settings(max_examples=50)
@given(case=conv_cases(), direction=st.sampled_from(DIRECTIONS), dtype=st.sampled_from(["float16", "float64"]))
def test_any_problem_has_a_readable_plan(case, direction, dtype):
    x, weight, bias, _ = case.arrays(dtype)
    plan = getattr(sl, f"plan_conv{case.axes}d")(
        to_layout(x, case),
        weight_to_layout(weight, case),
        bias,
        layout=case.layout,
        direction=direction,
        **case.parameters,
    )
    assert plan.algorithm in sl.algorithms()
    assert len(str(plan).splitlines()) == 4 + len(sl.algorithms())
    assert not any(must_accept(case, c.name) for c in plan.candidates if c.refusal)
    assert all(c.cost.seconds >= 0 and c.cost.flops >= 0 and c.cost.workspace >= 0 for c in plan.candidates)


def test_equal_calls_share_a_plan():
    plan = sl.plan_conv2d(X, W, padding=1)
    assert sl.plan_conv2d(X + 1, W + 1, padding=[[1, 1], (1, 1)]) is plan
    assert sl.plan_conv2d(X, W, padding=1).candidates is plan.candidates


def test_whatever_matters_makes_another_plan():
    """A plan that is found again for a problem that differs in anything would be a wrong one."""
    threads = sl.get_num_threads()
    channels_last = np.ascontiguousarray(np.moveaxis(X, 1, -1))
    calls = [
        {},
        {"padding": 1},
        {"padding": (1, 0)},
        {"padding": (0, 1)},
        {"padding": ((1, 0), 0)},
        {"padding": ((0, 1), 0)},
        {"stride": 2},
        {"stride": (2, 1)},
        {"stride": (1, 2)},
        {"dilation": 2},
        {"max_workspace": 10**7},
        {"max_workspace": 10**6},
        {"algorithm": "im2col"},
        {"algorithm": "loops"},
        {"direction": "input_grad"},
        {"direction": "weight_grad"},
        {"x": X[:7]},
        {"x": X[:, :, 1:]},
        {"x": X[:, :, :, 1:]},
        {"x": X.astype(np.float64), "weight": W.astype(np.float64)},
        {"x": np.moveaxis(channels_last, -1, 1)},
        {"weight": W[:23]},
        {"weight": W[:, :8], "groups": 2},
        {"weight": W[:, :, 1:]},
        {"weight": W[:, :, :, 1:]},
    ]
    plans = [sl.plan_conv2d(**{"x": X, "weight": W, **call}) for call in calls]
    sl.set_num_threads(threads + 1)
    try:
        plans += [sl.plan_conv2d(**{"x": X, "weight": W, **call}) for call in calls]
    finally:
        sl.set_num_threads(threads)
    assert len(set(plans)) == 2 * len(calls)


def test_layout_does_not_matter_memory_does():
    """NHWC arrays and channels-last memory in NCHW shape are one problem."""
    last = np.ascontiguousarray(np.moveaxis(X, 1, -1))
    w = np.moveaxis(W, (1, 0), (-2, -1))
    plan = sl.plan_conv2d(last, w, layout="NHWC")
    assert plan.problem.channels_last
    assert sl.plan_conv2d(np.moveaxis(last, -1, 1), W) is plan
    assert not sl.plan_conv2d(X, W).problem.channels_last
    assert sl.plan_conv2d(np.moveaxis(X, 1, -1), w, layout="NHWC") is sl.plan_conv2d(X, W)


def test_tensors_and_dimensions():
    assert sl.plan_conv2d(sl.Tensor(X), sl.Tensor(W)) is sl.plan_conv2d(X, W)
    assert sl.plan_conv1d(X[:, :, 0], W[:, :, 0]).problem.geometry.axes == 1
    assert sl.plan_conv3d(X[:, :, None], W[:, :, None]).problem.geometry.axes == 3
    assert sl.plan_conv2d(X[0], W).problem.geometry.batch == 1
    assert sl.plan_conv2d(X[:0], W).algorithm in sl.algorithms()


def test_planning_computes_nothing():
    """A terabyte, as broadcast views: planned in no time and no memory."""
    x = np.broadcast_to(np.float32(1), (64, 256, 4096, 4096))
    w = np.broadcast_to(np.float32(1), (512, 256, 5, 5))
    for direction in DIRECTIONS:
        for bound in (None, 10**6):
            assert sl.plan_conv2d(x, w, padding=2, direction=direction, max_workspace=bound).algorithm


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (ValueError, {"direction": "backward"}, ["direction", "forward, input_grad, weight_grad", "'backward'"]),
        (ValueError, {"direction": None}, ["direction", "None"]),
        (ShapeError, {"stride": 0}, ["stride", "at least 1", "got 0"]),
        (TypeError, {"x": X.astype(int)}, ["x", "float16, float32 or float64", "int64"]),
        (TypeError, {"x": None}, ["x must be an array", "None"]),
        (UnknownAlgorithmError, {"algorithm": "best"}, ["algorithm", "loops", "'best'"]),
        (UnsupportedGeometryError, {"algorithm": "im2col", "max_workspace": 1}, ["im2col", "workspace", "1 bytes"]),
        (ShapeError, {"bias": np.ones(3, np.float32)}, ["bias", "(24,)", "(3,)"]),
    ],
    ids=lambda v: str(v)[:30] if type(v) is dict else "",
)
def test_what_is_refused(kind, changed, said):
    assert_refused(kind, lambda: sl.plan_conv2d(**{"x": X, "weight": W, **changed}), *said)
