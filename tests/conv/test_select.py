"""The choice, on ladders of the test's own and on the real one."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops import backends
from sevenloops.conv import registry
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import DIRECTIONS
from sevenloops.conv.select import _bytes, _seconds, select
from sevenloops.errors import UnknownAlgorithmError, UnsupportedGeometryError
from tests.helpers.checks import ALGORITHMS
from tests.helpers.ladder import changed_ladder, make_problem, rung

PROBLEMS = {
    "small": make_problem(),
    "padded": make_problem((8, 16, 30, 31), (24, 16, 3, 3), padding=1, threads=2),
    "grouped": make_problem((2, 6, 9, 8), (4, 3, 3, 2), groups=2, stride=2),
    "one axis": make_problem((2, 3, 50), (4, 3, 7), dilation=3),
    "three axes": make_problem((2, 3, 7, 9, 8), (4, 3, 2, 3, 1), channels_last=True, dtype="float64"),
    "no images": make_problem((0, 3, 9, 8)),
}

every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


# --- which one ----------------------------------------------------------------------------------------------------

rungs = st.tuples(st.sampled_from([0.0, 1e-3, 2e-3, 5.0]), st.integers(0, 3), st.sampled_from([None, "it is odd"]))


@given(ladder=st.lists(rungs, min_size=1, max_size=6), bound=st.none() | st.integers(0, 3))
def test_auto_is_the_cheapest_that_can(ladder, bound):
    problem = make_problem(max_workspace=bound)
    algorithms = [rung(f"rung-{i}", *values) for i, values in enumerate(ladder)]
    fits = {
        f"rung-{i}": seconds
        for i, (seconds, workspace, refusal) in enumerate(ladder)
        if refusal is None and (bound is None or workspace <= bound)
    }
    with changed_ladder(*algorithms):
        if not fits:
            with pytest.raises(UnsupportedGeometryError, match="No algorithm can compute this forward"):
                select(problem, "auto")
            return
        plan = select(problem, "auto")
        table = str(plan)
    cheapest = [name for name, seconds in fits.items() if seconds == min(fits.values())]
    assert plan.algorithm == cheapest[-1]  # of equals the higher rung
    assert plan.requested == "auto"
    assert plan.problem is problem
    assert table.count("chosen: predicted fastest") == 1
    assert table.count("cannot: ") == len(ladder) - len(fits)


@given(ladder=st.lists(rungs, min_size=1, max_size=6), bound=st.none() | st.integers(0, 3), data=st.data())
def test_a_name_is_obeyed_or_refused_with_the_reason(ladder, bound, data):
    number = data.draw(st.integers(0, len(ladder) - 1))
    _, workspace, refusal = ladder[number]
    problem = make_problem(max_workspace=bound, direction="weight_grad")
    name = f"rung-{number}"
    with changed_ladder(*(rung(f"rung-{i}", *values) for i, values in enumerate(ladder))):
        if refusal is None and (bound is None or workspace <= bound):
            plan = select(problem, name)
            assert (plan.algorithm, plan.requested) == (name, name)
            assert re.search(rf"^\* +{name} .*  chosen: asked for by name$", str(plan), re.M)
            assert "predicted fastest\n" not in str(plan)
            return
        reason = refusal or f"its workspace of {workspace} bytes exceeds max_workspace of {bound} bytes"
        with pytest.raises(
            UnsupportedGeometryError,
            match=rf'^{name} cannot compute this weight_grad: {reason}; use algorithm="auto"\.$',
        ):
            select(problem, name)


def test_nobody_can():
    with (
        changed_ladder(rung("small", workspace=2_000), rung("odd", refusal="the kernel is 2×3, not 3×3")),
        pytest.raises(UnsupportedGeometryError) as caught,
    ):
        select(make_problem(max_workspace=1_999, direction="input_grad"), "auto")
    message = str(caught.value)
    assert message.startswith("No algorithm can compute this input_grad: ")
    assert "odd: the kernel is 2×3, not 3×3" in message
    assert "small: its workspace of 2,000 bytes exceeds max_workspace of 1,999 bytes" in message


@pytest.mark.parametrize("name", ["winnograd", "", "AUTO"])
def test_unknown_names(name):
    with pytest.raises(UnknownAlgorithmError, match=f"loops.*{name!r}"):
        select(make_problem(), name)


def test_who_refuses_is_not_asked_for_its_cost():
    def cost(problem):
        raise AssertionError("asked")

    with changed_ladder(rung("odd", refusal="it is odd", cost=cost), rung("even")):
        assert select(make_problem(), "auto").algorithm == "even"
        with pytest.raises(UnsupportedGeometryError, match="it is odd"):
            select(make_problem(), "odd")


def test_without_images_algorithms_are_asked_about_one():
    asked = []

    def cost(problem):
        asked.append(problem)
        return Cost(1.0, workspace=10)

    problem = PROBLEMS["no images"]
    one = replace(problem, geometry=replace(problem.geometry, batch=1))
    with changed_ladder(rung("new", cost=cost)):
        plan = select(problem, "auto")
        assert asked == [one]
        assert plan.problem is problem
        with pytest.raises(UnsupportedGeometryError, match="10 bytes exceeds max_workspace of 9 bytes"):
            select(replace(problem, max_workspace=9), "new")


# --- what the choice depends on -----------------------------------------------------------------------------------


def test_threads_decide():
    one, many = rung("one", 0.6), rung("many", cost=lambda problem: Cost(1.0).over(problem.threads))
    with changed_ladder(one, many):
        assert select(make_problem(threads=1), "auto").algorithm == "one"
        assert select(make_problem(threads=4), "auto").algorithm == "many"


def test_the_workspace_decides():
    with changed_ladder(rung("small", 3.0, 10), rung("middle", 2.0, 1_000), rung("large", 1.0, 10_000)):
        chosen = {
            bound: select(make_problem(max_workspace=bound), "auto").algorithm
            for bound in (10, 999, 1_000, 9_999, 10_000)
        }
    assert chosen == {10: "small", 999: "small", 1_000: "middle", 9_999: "middle", 10_000: "large"}


@pytest.mark.parametrize("usable", sorted({("numpy",), backends.usable()}), ids="+".join)
@every_direction
def test_the_workspace_decides_on_the_real_ladder(direction, usable):
    problem = make_problem((8, 16, 30, 31), (24, 16, 3, 3), padding=1, direction=direction, usable=usable)
    free = select(problem, "auto")
    able = [candidate for candidate in free.candidates if not candidate.refusal]
    assert len(able) >= len(ALGORITHMS) - (usable == ("numpy",))
    for candidate in able:
        bound = candidate.cost.workspace
        plan = select(replace(problem, max_workspace=bound), "auto")
        chosen = next(c for c in plan.candidates if c.name == plan.algorithm)
        assert chosen.cost.workspace <= bound
        assert chosen.cost.seconds <= candidate.cost.seconds * (1 + 1e-12)  # the candidate itself was allowed
    assert select(replace(problem, max_workspace=0), "auto").algorithm == "loops"
    assert free.algorithm != "loops"


# --- plans are kept -----------------------------------------------------------------------------------------------


def test_equal_problems_share_a_plan():
    one, other = make_problem(padding=1), make_problem(padding=((1, 1), 1), dtype=np.float32)
    assert one is not other
    assert select(one, "auto") is select(other, "auto")
    assert select(one, "im2col") is select(other, "im2col")
    assert select(one, "im2col") != select(one, "auto")


def test_algorithms_are_asked_once_for_each_problem():
    asked = []

    def cost(problem):
        asked.append(problem)
        return Cost(1.0)

    with changed_ladder(rung("one", cost=cost), rung("two", cost=cost)):
        for _ in range(3):
            str(select(make_problem(), "auto"))
        assert len(asked) == 2
        select(make_problem(threads=2), "auto")
        assert len(asked) == 4


def test_an_algorithm_registered_later_is_considered_too():
    """Also for a problem that has a plan already; and no longer once it is gone."""
    x, weight = np.ones((2, 3, 9, 8)), np.ones((4, 3, 3, 2))
    before = sl.plan_conv2d(x, weight)
    assert before.algorithm in registry.names()

    def forward(x, weight, out, problem, epilogue):
        out[...] = 7

    with changed_ladder(keep=True):
        str(sl.plan_conv2d(x, weight))
        registry.register(rung("new", seconds=1e-12, forward=forward))
        plan = sl.plan_conv2d(x, weight)
        assert plan.algorithm == "new"
        assert plan.candidates[0].name == "new"
        assert (sl.conv2d(x, weight) == 7).all()
        assert (sl.conv2d(x, weight, algorithm="new") == 7).all()
        assert sl.plan_conv2d(x, weight, algorithm="loops").algorithm == "loops"
    assert sl.plan_conv2d(x, weight) == before
    assert (sl.conv2d(x, weight) == 18).all()
    with pytest.raises(UnknownAlgorithmError):
        sl.conv2d(x, weight, algorithm="new")


# --- the table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [None, 0, 20_000, 10**12])
@every_direction
@every_problem
def test_every_algorithm_has_a_row_with_a_reason(problem, direction, bound):
    plan = select(replace(problem, direction=direction, max_workspace=bound), "auto")
    lines = str(plan).splitlines()
    empty = lines.index("")
    header, rows = lines[empty + 1], lines[empty + 2 :]
    assert header.split() == ["algorithm", "on", "predicted", "measured", "GFLOP", "moved", "workspace"]
    by_name = {row.split()[1 if row[0] in "*-" else 0]: row for row in rows}
    assert sorted(by_name) == sorted(registry.names())
    assert len(rows) == len(registry.names())
    assert {candidate.name for candidate in plan.candidates} == set(registry.names())
    for candidate in plan.candidates:
        row = by_name[candidate.name]
        if candidate.refusal:
            assert row[0] == "-"
            assert row.endswith(f"cannot: {candidate.refusal}")
        elif candidate.name == plan.algorithm:
            assert row[0] == "*"
            assert row.endswith("chosen: predicted fastest")
        else:
            assert row[0] == " "
            assert re.search(r"  [\d.,]+ times the predicted fastest's time$", row)
    able = [candidate.cost.seconds for candidate in plan.candidates if not candidate.refusal]
    assert able == sorted(able)
    assert all(candidate.refusal for candidate in plan.candidates[len(able) :])


def test_the_head_of_the_table_says_what_was_planned():
    problem = make_problem(
        (2, 6, 9, 8), (4, 3, 3, 2), groups=2, stride=(2, 1), padding=(1, (0, 2)), channels_last=True, threads=3
    )
    first, second = str(select(replace(problem, max_workspace=3 << 20), "auto")).splitlines()[:2]
    assert first == (
        "forward: x (2, 6, 9, 8), weight (4, 3, 3, 2) -> (2, 4, 5, 9), stride (2, 1), padding ((1, 1), (0, 2)), "
        "dilation (1, 1), groups 2"
    )
    assert second == (
        "float32, channels-last memory, 3 thread(s), 1.3e-05 GFLOP by definition, workspace at most 3 MiB"
    )
    other = str(select(replace(problem, channels_last=False, dtype=np.dtype(np.float64)), "loops"))
    assert other.splitlines()[1] == "float64, channels-first memory, 3 thread(s), 1.3e-05 GFLOP by definition"


def test_a_row_says_what_was_predicted():
    algorithms = (
        rung("one", cost=lambda problem: Cost(2e-3, 3e9, 5 * 2**20, 1536)),
        rung("two", cost=lambda problem: Cost(5.0, 1234e9, 0, 2**40)),
    )
    with changed_ladder(*algorithms):
        rows = str(select(make_problem(), "two")).splitlines()[4:]
    assert " ".join(rows[0].split()) == "one numpy 2 ms 3 5 MiB 1.5 KiB 1 times the predicted fastest's time"
    assert " ".join(rows[1].split()) == "* two numpy 5 s 1,234 0 B 1,024 GiB chosen: asked for by name"
    assert rows[0].index("2 ms") + 4 == rows[1].index("5 s") + 3  # right-aligned


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1023.7 * 1024, "1,024 KiB"),
        (2**20, "1 MiB"),
        (1000 * 2**20, "1,000 MiB"),
        (2.5 * 2**30, "2.5 GiB"),
        (2**42, "4,096 GiB"),
    ],
)
def test_bytes(count, text):
    assert _bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.23456e-6, "1.23 µs"),
        (999.7e-6, "1,000 µs"),
        (1e-3, "1 ms"),
        (0.0456789, "45.7 ms"),
        (1.0, "1 s"),
        (74.4, "74.4 s"),
        (123456.7, "123,457 s"),
    ],
)
def test_seconds(seconds, text):
    assert _seconds(seconds) == text
