"""Measuring with real processes: what is right is timed, what is wrong, dies or refuses is noted, and all go on."""

import os
import signal
import time

import numpy as np
import pytest

from sevenloops.bench import CONTESTANTS, Contestant, ContestantError, ConvLayer, Effort, conv_tasks, run
from sevenloops.bench.measure import Runner, largest_error, measure, measure_peak
from sevenloops.bench.run import NoContestantError
from sevenloops.bench.serving import run_turn, wait_until_idle

LAYER = ConvLayer.square(2, 3, 8, 4, 3, padding=1)
SHORT = Effort(0.002, 4, 2, attempts=1)


def tasks(*passes, layer=LAYER):
    return conv_tasks([layer], passes or ("forward", "input_grad", "weight_grad"))


def nothing(*_):
    pass


def measured(*arguments, **keywords):
    return run("conv", "test", *arguments, **{"threads": 1, "effort": SHORT, "note": nothing, **keywords})


# --- errors ------------------------------------------------------------------------------------------------------


def test_the_largest_error_is_relative_to_the_largest_value():
    right = np.array([[1.0, -8.0], [2.0, 0.0]])
    assert largest_error([right + np.array([[0, 0.4], [0.2, 0]])], [right]) == pytest.approx(0.05)
    assert largest_error([right, right * 1.5], [right, right]) == pytest.approx(0.5)
    assert largest_error([right], [right]) == 0
    assert largest_error([np.zeros(0)], [np.zeros(0)]) == 0
    assert largest_error([np.full(2, 0.1)], [np.zeros(2)]) == pytest.approx(0.1)


@pytest.mark.parametrize("results", [[], [np.zeros((3, 2))], [np.zeros(4)], [np.zeros((2, 2))] * 2])
def test_other_shapes_are_wrong_altogether(results):
    assert largest_error(results, [np.zeros((2, 2))]) == float("inf")


@pytest.mark.parametrize("place", [0, 1])
def test_nan_is_never_lost(place):
    results = [np.zeros(2), np.zeros(2)]
    results[place][0] = np.nan
    assert np.isnan(largest_error(results, [np.ones(2), np.ones(2)]))


# --- with processes ----------------------------------------------------------------------------------------------


def test_all_passes_of_two_contestants(peer):
    peer()
    seen = []
    results = measured(
        tasks(), ["torch"], note=lambda results, row, number: seen.append((row and row.direction, number))
    )
    assert seen == [(None, 0), ("forward", 1), ("input_grad", 2), ("weight_grad", 3)]
    assert not results.interrupted
    assert results.contestants["torch"] == {"version": "7.0"}
    assert results.contestants["sevenloops"]["threads"] == 1
    assert results.peak.gflops > 0.1
    for row in results.rows:
        assert row.failures == []
        assert [(entry.contestant, entry.variant) for entry in row.entries] == [
            ("sevenloops", "channels-first"),
            ("sevenloops", "channels-last"),
            ("torch", "channels-first"),
            ("torch", "channels-last"),
        ]
        for entry in row.entries:
            assert entry.timing.runs >= SHORT.runs
            assert 0 < entry.timing.low <= entry.timing.median <= entry.timing.high
            assert 0 <= entry.error < 1e-5
            assert entry.notes["algorithm"]
            assert entry.notes["workspace"] >= 0
        assert row.ratio("torch") > 0


WRONG = """
    import sevenloops as sl
    from sevenloops.bench.contestants.ours import Ours

    class Peer(Ours):
        def prepare(self, task, variant):
            right = super().prepare(task, variant)
            if variant == "channels-first" or task["kind"] == "product":
                return right

            def results():
                array = right.results()[0].copy()
                array.flat[0] {change}
                return [array]

            return Prepared(right.call, results)
"""


@pytest.mark.parametrize("change", ["+= 0.02", "= float('nan')", "= float('inf')"])
def test_a_wrong_output_is_a_failure_and_is_not_timed(peer, change):
    peer(WRONG.format(change=change))
    (row,) = measured(tasks("forward"), ["torch"]).rows
    right, wrong = row.entries[2:]
    assert wrong.timing is None
    assert [entry.is_wrong for entry in row.entries] == [False, False, False, True]
    assert wrong.failure.startswith("is wrong: its error is ")
    assert row.failures == [f"{LAYER}, forward: torch (channels-last) {wrong.failure}."]
    assert wrong.error is None if "float" in change else 1e-4 < wrong.error < 0.1
    assert right.timing is not None
    assert row.best("torch") is right


DYING = """
    import os, signal
    from sevenloops.bench.contestants.ours import Ours

    class Peer(Ours):
        def prepare(self, task, variant):
            if task.get("pass") == "input_grad" and variant == "channels-last":
                os.kill(os.getpid(), signal.SIGKILL)
            return super().prepare(task, variant)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_contestant_that_dies_is_started_again(peer):
    peer(DYING)
    forward, inputs, weights = measured(tasks(), ["torch"]).rows
    assert forward.failures == weights.failures == []
    assert inputs.entries[3].failure == "cannot: the process was killed by signal 9"
    assert inputs.entries[2].failure.endswith("what was prepared has gone with the process that had died")
    assert inputs.best("sevenloops") is not None


REFUSING = """
    from sevenloops.bench.contestants.ours import Ours

    class Peer(Ours):
        def prepare(self, task, variant):
            print("chatter that a library prints")
            if task.get("pass") == "weight_grad":
                raise Refused("it only runs networks")
            if task.get("pass") == "input_grad":
                raise ZeroDivisionError("deep inside")
            return super().prepare(task, variant)
"""


def test_refusals_and_faults_are_noted(peer):
    peer(REFUSING, variants=("channels-first",))
    forward, inputs, weights = measured(tasks(), ["torch"]).rows
    assert forward.failures == []
    assert inputs.entries[2].failure == "cannot: ZeroDivisionError: deep inside"
    assert (weights.entries[2].failure, weights.entries[2].refusal) == (None, "it only runs networks")
    assert weights.failures == []
    assert weights.is_refused("torch")
    assert not inputs.is_refused("torch")


def test_without_a_reference_the_others_go_on(peer, monkeypatch):
    peer()

    def too_large(layer, direction):
        raise MemoryError("so many bytes")

    broken, whole = tasks("forward"), tasks("input_grad")
    object.__setattr__(broken[0], "reference", lambda: too_large(None, None))
    first, second = measured([*broken, *whole], ["torch"]).rows
    assert first.failure == "there is no reference: MemoryError: so many bytes"
    assert second.failures == []


def test_who_is_missing_is_said(peer):
    peer("import no_such_library", remedy="install it")
    with pytest.raises(NoContestantError, match=r"A Peer .*\(--against none measures sevenloops alone\.\)"):
        measured(tasks("forward"), ["torch"])
    lazy = """
    class Peer:
        def __init__(self):
            import no_such_library
"""
    peer(lazy)
    peer(name="openvino")
    results = measured(tasks("forward"), ["torch", "openvino"])
    assert results.missing == ["A Peer is not installed (no_such_library is missing); install it."]
    assert results.peers == ["openvino"]
    assert results.rows[0].failures == []


def test_alone():
    results = measured(tasks("forward"), [])
    assert (results.peers, results.missing) == ([], [])
    assert results.rows[0].best("sevenloops").timing.runs >= 4


def test_ctrl_c_keeps_what_there_is(peer):
    peer()

    def note(results, row, number):
        if number == 2:
            raise KeyboardInterrupt

    results = measured(tasks(), ["torch"], note=note)
    assert results.interrupted
    assert [row.direction for row in results.rows] == ["forward", "input_grad"]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_contestants_outlive_ctrl_c_and_end_with_their_parent():
    with Contestant("sevenloops", CONTESTANTS["sevenloops"].command, 1) as contestant:
        contestant.introduce()
        process = contestant._process
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert contestant.introduce()["threads"] == 1
    assert process.poll() is not None


def test_what_has_not_been_prepared_cannot_be_timed():
    with (
        Contestant("sevenloops", CONTESTANTS["sevenloops"].command, 1) as contestant,
        pytest.raises(ContestantError, match="what was prepared has gone"),
    ):
        contestant.time("channels-first", 0.1, 1)


def test_the_peak_is_the_fastest_product(peer):
    known = peer(REFUSING.replace('task.get("pass") == "weight_grad"', 'task["kind"] == "product"'))
    ours = Runner(Contestant("sevenloops", CONTESTANTS["sevenloops"].command, 1), ("channels-first",))
    refusing = Runner(Contestant("peer", known.command, 1), ("channels-first",))
    with ours.contestant, refusing.contestant:
        assert measure_peak([refusing], SHORT) is None
        assert measure_peak([refusing, ours], SHORT).contestant == "sevenloops"


def test_both_memory_orders_are_used(peer):
    """The peer says in its notes what it is given."""
    peer(
        """
    from sevenloops.bench.contestants import ours

    class Peer(ours.Ours):
        def prepare(self, task, variant):
            made = super().prepare(task, variant)
            if task["kind"] == "product":
                return made
            x = ours._ordered(ours._arrays(ours.ConvLayer.from_json(task["layer"]))[0], variant)
            return Prepared(made.call, made.results, {"strides": x.strides})
"""
    )
    (row,) = measured(tasks("forward"), ["torch"]).rows
    first, last = (entry.notes["strides"] for entry in row.entries[2:])
    assert first == [4 * 3 * 64, 4 * 64, 4 * 8, 4]
    assert last == [4 * 3 * 64, 4, 4 * 24, 4 * 3]


# --- turns -------------------------------------------------------------------------------------------------------


def test_a_turn_lasts_as_long_and_has_as_many_runs_as_it_should():
    calls = []
    assert len(run_turn(lambda: calls.append(1), 0, 3)) == 3
    assert len(calls) == 4  # one to warm up
    times = run_turn(lambda: time.sleep(0.002), 0.03, 1)
    assert 1 <= len(times) <= 16
    assert all(seconds >= 0.002 for seconds in times)


def test_waiting_until_no_thread_runs():
    import threading

    stop = time.perf_counter() + 0.15
    busy = threading.Thread(target=lambda: [None for _ in iter(lambda: time.perf_counter() < stop, False)])
    busy.start()
    wait_until_idle()
    assert time.perf_counter() >= stop
    busy.join()


def test_rounds_alternate(monkeypatch):
    """No contestant is measured twice before all others have been."""

    class Fake:
        def __init__(self, name):
            self.name = name

        def prepare(self, task, variant):
            return [LAYER.arrays()[0]], {}

        def time(self, variant, seconds, runs):
            order.append((self.name, variant, round(seconds, 3), runs))
            return [1.0] * runs

        def forget(self):
            pass

        process_id = None

    order = []
    (task,) = tasks("forward")
    object.__setattr__(task, "reference", lambda: [LAYER.arrays()[0]])
    runners = [Runner(Fake("a"), ("x", "y")), Runner(Fake("b"), ("z",))]
    row = measure(task, runners, Effort(0.3, 7, 3, attempts=1))
    assert order == [("a", "x", 0.1, 3), ("a", "y", 0.1, 3), ("b", "z", 0.1, 3)] * 3
    assert [entry.timing.runs for entry in row.entries] == [9, 9, 9]
