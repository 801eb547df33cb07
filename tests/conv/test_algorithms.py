"""Every algorithm in every direction and dtype, against the definition; new rungs are tested by being registered."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops import runtime
from tests.helpers.cases import Case, conv_cases, seeded_cases
from tests.helpers.checks import (
    ALGORITHMS,
    DIRECTIONS,
    MAY_REFUSE,
    TRANSFORMS,
    assert_close,
    assert_right,
    compute,
    expect,
    must_accept,
    refused,
    to_layout,
    weight_to_layout,
)

#: Without blocks or strips, and too slow for sizes that would need some.
ONE_BY_ONE = ("loops", "loops-window", "einsum-pixel")
DTYPES = ("float64", "float32", "float16")

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)

#: A case with nothing square, nothing equal, a remainder on both axes, and groups.
PLAIN = Case(
    batch=2,
    groups=2,
    group_in=2,
    group_out=3,
    size=(9, 14),
    kernel=(3, 2),
    out=(4, 5),
    stride=(2, 3),
    dilation=(1, 2),
    padding=((0, 1), (2, 0)),
    has_bias=True,
    channels_last=False,
    memory=("contiguous",) * 3,
    seed=0,
)
#: One that Winograd and FFT do too.
DENSE = replace(
    PLAIN,
    groups=1,
    group_in=3,
    group_out=4,
    size=(9, 14),
    kernel=(3, 3),
    out=(9, 13),
    stride=(1, 1),
    dilation=(1, 1),
    padding=((1, 1), (0, 1)),
)


def case_for(algorithm):
    return PLAIN if must_accept(PLAIN, algorithm) else DENSE


# --- right values -------------------------------------------------------------------------------------------------


@every_dtype
@every_direction
@every_algorithm
@settings(max_examples=60)
@given(case=conv_cases())
def test_any_geometry(algorithm, direction, dtype, case):
    if not refused(case, direction, algorithm, dtype):
        assert_right(case, direction, algorithm, dtype)


@every_dtype
@every_direction
@every_algorithm
@settings(max_examples=30)
@given(case=conv_cases(dense=True))
def test_dense_geometry(algorithm, direction, dtype, case):
    if not refused(case, direction, algorithm, dtype):
        assert_right(case, direction, algorithm, dtype)


@every_direction
@every_algorithm
def test_against_loops_in_float64(algorithm, direction):
    compared = 0
    for case in seeded_cases(60, seed=7):
        if not refused(case, direction, algorithm, "float64"):
            arrays = case.arrays("float64")
            loops = compute(case, direction, "loops", arrays)
            _, magnitude = expect(case, direction, arrays)
            assert_close(compute(case, direction, algorithm, arrays), loops, magnitude, algorithm, "float64")
            compared += 1
    assert compared == 60 or (algorithm in MAY_REFUSE and compared >= 5)
    if algorithm == "direct":
        assert compared >= 30


@every_direction
@every_algorithm
def test_refusals_are_exceptions(algorithm, direction):
    """Those that may refuse do accept what they are for; the others accept everything (`refused` sees to it)."""
    dense = list(seeded_cases(100, seed=8, dense=True))
    accepted = sum(not refused(case, direction, algorithm, "float32") for case in dense)
    required = sum(must_accept(case, algorithm) for case in dense)
    assert accepted >= max(required, 15)
    assert required == 100 or algorithm in MAY_REFUSE


@every_direction
@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name not in ONE_BY_ONE])
def test_large_sums(algorithm, direction):
    """Blocks, strips and tiles end in the middle of something once the sizes exceed the cache."""
    case = replace(
        DENSE,
        batch=3,
        group_in=37,
        group_out=41,
        size=(61, 83),
        out=(61, 83),
        padding=((1, 1), (1, 1)),
        has_bias=True,
    )
    for channels_last in (False, True):
        assert_right(replace(case, channels_last=channels_last), direction, algorithm, "float32")


@every_direction
@every_algorithm
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_steps_that_are_never_taken(algorithm, direction, axes):
    """A stride with one window and a dilation with one tap have no effect, however large."""
    far = 2**70
    one = replace(
        PLAIN,
        size=(3,) * axes,
        kernel=(1,) * axes,
        out=(1,) * axes,
        stride=(far,) * axes,
        dilation=(far,) * axes,
        padding=((0, 0),) * axes,
    )
    if not refused(one, direction, algorithm, "float64"):
        arrays = one.arrays("float64")
        same = replace(one, stride=(3,) * axes, dilation=(1,) * axes)
        expected, magnitude = expect(same, direction, arrays)
        assert_close(compute(one, direction, algorithm, arrays), expected, magnitude, algorithm, "float64")


# --- memory -------------------------------------------------------------------------------------------------------


@every_direction
@every_algorithm
def test_memory_nobody_has_written_is_not_read(algorithm, direction, monkeypatch):
    """Every workspace and result starts as NaN instead of what happened to be there."""
    monkeypatch.setattr(runtime, "empty", lambda shape, dtype: np.full(shape, np.nan, dtype))
    for case in seeded_cases(40, seed=9):
        if not refused(case, direction, algorithm, "float32"):
            assert_right(case, direction, algorithm, "float32")


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("direction", ["forward", "input_grad"])
@every_algorithm
def test_result_keeps_the_memory_order(algorithm, direction, channels_last):
    """NumPy's kernels keep both orders; machine code keeps channels-last, and makes it of channels-first."""
    memory = ("channels-last" if channels_last else "contiguous",) * 3
    for layout_last in (False, True):
        case = replace(case_for(algorithm), memory=memory, channels_last=layout_last)
        result = compute(case, direction, algorithm, case.arrays("float32"))
        by_step = sorted(range(4), key=lambda axis: -result.strides[axis])
        x, weight, _, _ = case.arrays("float32")
        plan = sl.plan_conv2d(
            to_layout(x, case),
            weight_to_layout(weight, case),
            direction=direction,
            layout=case.layout,
            algorithm=algorithm,
            **case.parameters,
        )
        assert by_step == ([0, 2, 3, 1] if channels_last or plan.backend == "jit" else [0, 1, 2, 3])


@every_algorithm
def test_weight_grad_is_contiguous_as_written(algorithm):
    case = case_for(algorithm)
    x, weight, _, grad = case.arrays("float32")
    dw = sl.conv2d_weight_grad(grad, x, case.kernel, algorithm=algorithm, **case.parameters)
    assert dw.flags.c_contiguous
    grad, x = np.moveaxis(grad, 1, -1), np.moveaxis(x, 1, -1)
    dw = sl.conv2d_weight_grad(grad, x, case.kernel, algorithm=algorithm, layout="NHWC", **case.parameters)
    assert dw.shape == (*case.kernel, *weight.shape[1::-1])
    assert dw.flags.c_contiguous


# --- NaN and infinity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
@every_direction
@every_algorithm
def test_what_is_not_finite_stays_where_it_belongs(algorithm, direction, value):
    """One bad element reaches each result that has a term with it. Direct sums keep it out of all others."""
    tried = 0
    for number, case in enumerate(seeded_cases(60, seed=10)):
        case = replace(case.contiguous(), has_bias=False)
        if case.batch == 0 or refused(case, direction, algorithm, "float64"):
            continue
        tried += 1
        x, weight, _, grad = case.arrays("float64")
        main = grad if direction == "input_grad" else x
        bad = np.unravel_index(number * 37 % main.size, main.shape)
        mark = np.zeros_like(main)
        mark[bad] = 1
        ones = [np.ones_like(a) for a in (x, weight, grad)]
        marked = (ones[0], ones[1], None, mark) if direction == "input_grad" else (mark, ones[1], None, ones[2])
        reached = expect(case, direction, marked)[0] > 0
        main[bad] = value
        with np.errstate(all="ignore"):
            result = compute(case, direction, algorithm, (x, weight, None, grad))
        assert not np.isfinite(result[reached]).any()
        if algorithm not in TRANSFORMS:
            assert np.isfinite(result[~reached]).all()
    assert tried >= 5


# --- threads ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[1, 4])
def threads(request):
    before = sl.get_num_threads()
    sl.set_num_threads(request.param)
    yield request.param
    sl.set_num_threads(before)


@every_direction
@every_algorithm
def test_threads_get_the_bits_of_one_call_after_another(algorithm, direction, threads):
    base = case_for(algorithm)
    if algorithm not in ONE_BY_ONE:  # enough for several strips
        base = replace(DENSE, batch=6, group_in=16, group_out=16, size=(30, 31), out=(30, 30))
    cases = [replace(base, seed=seed, channels_last=bool(seed % 2)) for seed in range(4)]
    inputs = [case.arrays("float32") for case in cases]

    def run(index):
        return compute(cases[index], direction, algorithm, inputs[index])

    alone = [run(index).tobytes() for index in range(4)]
    assert [run(index).tobytes() for index in range(4)] == alone
    together = [None] * 8
    start = threading.Barrier(8)

    def work(place):
        start.wait()
        together[place] = run(place % 4).tobytes()

    workers = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert together == alone * 2


# --- the case generator itself ------------------------------------------------------------------------------------


def test_cases_cover_what_they_should():
    """A generator that has lost a corner would make every test above easier without failing any."""
    cases = [*seeded_cases(400, seed=11)]
    corners = {
        "no images": lambda c: c.batch == 0,
        "one image": lambda c: c.batch == 1,
        "one channel": lambda c: c.x_shape[1] == 1,
        "one filter": lambda c: c.out_shape[1] == 1,
        "one position": lambda c: set(c.size) == {1},
        "not square": lambda c: len(set(c.size)) > 1 and len(set(c.kernel)) > 1,
        "depthwise": lambda c: c.groups > 1 and c.group_in == c.group_out == 1,
        "groups": lambda c: c.groups > 1 and c.group_in > 1 and c.group_out > 1,
        "unequal padding": lambda c: any(before != after for before, after in c.padding),
        "padding beyond the kernel": lambda c: any(
            min(pad) > (k - 1) * d + 1 for pad, k, d in zip(c.padding, c.kernel, c.dilation)
        ),
        "stride beyond the kernel": lambda c: any(
            s > (k - 1) * d + 1 for s, k, d in zip(c.stride, c.kernel, c.dilation)
        ),
        "dilation": lambda c: any(d > 1 and k > 1 for k, d in zip(c.kernel, c.dilation)),
        "unequal strides": lambda c: len(set(c.stride)) > 1,
        "a remainder": lambda c: any(
            (o - 1) * s + (k - 1) * d + 1 < n + sum(p)
            for n, k, o, s, d, p in zip(c.size, c.kernel, c.out, c.stride, c.dilation, c.padding)
        ),
        "both layouts": lambda c: c.channels_last,
    }
    for name, holds in corners.items():
        assert sum(map(holds, cases)) >= 8, name
    assert {c.axes for c in cases} == {1, 2, 3}
    assert len({m for c in cases for m in c.memory}) == 10


@given(case=conv_cases(), data=st.data())
def test_cases_obey_the_definition(case, data):
    """Window `out - 1` fits into the padded axis, window `out` does not."""
    axis = data.draw(st.integers(0, case.axes - 1))
    padded = case.size[axis] + sum(case.padding[axis])
    covered = (case.kernel[axis] - 1) * case.dilation[axis] + 1
    assert (case.out[axis] - 1) * case.stride[axis] + covered <= padded
    assert case.out[axis] * case.stride[axis] + covered > padded
