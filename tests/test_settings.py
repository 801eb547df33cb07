"""The switches of the process: their start values, where they hold, and what they do to "auto"."""

import subprocess
import sys

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import settings
from sevenloops.conv import registry
from sevenloops.errors import UnsupportedGeometryError
from tests.helpers.ladder import changed_ladder, rung
from tests.helpers.threads import from_many_threads, run

SWITCHES = {
    "autotune": (sl.autotune, settings.is_autotuning, "SEVENLOOPS_AUTOTUNE"),
    "exact": (sl.use_exact_algorithms, settings.is_exact, "SEVENLOOPS_EXACT"),
}
every_switch = pytest.mark.parametrize(("switch", "is_on", "variable"), SWITCHES.values(), ids=SWITCHES)


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for switch, _, variable in SWITCHES.values():
        monkeypatch.setattr(switch, "_value", None)
        monkeypatch.delenv(variable, raising=False)
    settings._at_start.cache_clear()
    yield
    settings._at_start.cache_clear()


@every_switch
def test_off_at_first_and_on_when_it_is_made(switch, is_on, variable):
    assert not is_on()
    switch()
    assert is_on()
    switch(False)
    assert not is_on()
    switch(True)
    assert is_on()


@every_switch
def test_a_block_restores_what_was_before(switch, is_on, variable):
    with switch():
        assert is_on()
        with switch(False):
            assert not is_on()
            with switch():
                assert is_on()
            assert not is_on()
        assert is_on()
    assert not is_on()
    switch()
    with switch(False):
        assert not is_on()
    assert is_on()


@every_switch
def test_an_error_in_the_block_passes_and_the_switch_is_restored(switch, is_on, variable):
    with pytest.raises(KeyError), switch():
        raise KeyError
    assert not is_on()


@every_switch
def test_a_switch_can_be_entered_later_and_again(switch, is_on, variable):
    once = switch()
    assert is_on()
    for _ in range(2):
        with once:
            assert is_on()
        assert not is_on()


@every_switch
def test_the_block_does_not_freeze_the_start_value(switch, is_on, variable, monkeypatch):
    with switch():
        pass
    monkeypatch.setenv(variable, "1")
    settings._at_start.cache_clear()
    assert is_on()


@every_switch
@pytest.mark.parametrize("wrong", [1, 0, None, "1", "yes", 1.0, np.True_, []], ids=repr)
def test_what_is_no_bool_is_refused_in_a_sentence(switch, is_on, variable, wrong):
    with pytest.raises(TypeError) as caught:
        switch(wrong)
    assert str(caught.value) == f"enabled must be True or False, but got {wrong!r}."
    assert not is_on()


def test_switches_are_two():
    with sl.autotune():
        assert not settings.is_exact()
        with sl.use_exact_algorithms():
            assert settings.is_autotuning()
        assert settings.is_autotuning()


@every_switch
@pytest.mark.parametrize(("text", "value"), [("", False), ("0", False), ("1", True)])
def test_the_variable(switch, is_on, variable, monkeypatch, text, value):
    monkeypatch.setenv(variable, text)
    assert is_on() is value
    with switch(not value):
        assert is_on() is not value
    assert is_on() is value


@every_switch
@pytest.mark.parametrize("text", ["2", "yes", "true", "on", " 1", "01", "-1"])
def test_another_variable_is_refused_every_time_until_it_is_overruled(switch, is_on, variable, monkeypatch, text):
    monkeypatch.setenv(variable, text)
    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            sl.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1)))
        assert str(caught.value) == f"{variable} must be 0 or 1, but is {text!r}; unset it for 0."
    with switch(False):
        sl.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1)))


def test_a_process_starts_with_them(tmp_path):
    code = (
        "import numpy as np, sevenloops as sl; p = sl.plan_conv2d(np.ones((1, 2, 5, 5)), np.ones((2, 2, 3, 3)));"
        "print(p.problem.exact, bool(p.measured))"
    )
    common = {"SEVENLOOPS_CACHE": str(tmp_path), "SEVENLOOPS_BACKEND": "numpy"}
    assert run(code, SEVENLOOPS_AUTOTUNE="1", SEVENLOOPS_EXACT="1", **common) == ["True", "True"]
    assert run(code, SEVENLOOPS_AUTOTUNE="0", SEVENLOOPS_EXACT="", **common) == ["False", "False"]


def test_the_import_does_not_look_at_them():
    for variable in ("SEVENLOOPS_AUTOTUNE", "SEVENLOOPS_EXACT"):
        assert run("import sevenloops; print('here')", **{variable: "nonsense"}) == ["here"]


# --- exact algorithms ---------------------------------------------------------------------------------------------

X, W = np.ones((1, 64, 32, 32), np.float32), np.ones((64, 64, 3, 3), np.float32)


def test_winograd_is_not_taken_but_can_be_asked_for():
    with sl.use_exact_algorithms():
        plan = sl.plan_conv2d(X, W, padding=1)
        assert plan.algorithm != "winograd"
        row = next(line for line in str(plan).splitlines() if " winograd " in line)
        assert row.endswith("not taken: exact algorithms were asked for, and it rounds more")
        named = sl.plan_conv2d(X, W, padding=1, algorithm="winograd")
        assert named.algorithm == "winograd"
        assert "chosen: asked for by name" in str(named)
        np.testing.assert_allclose(sl.conv2d(X, W, algorithm="winograd"), 576, rtol=1e-4)
    assert "not taken" not in str(sl.plan_conv2d(X, W, padding=1))


def test_only_those_that_round_more_are_ruled_out():
    assert [name for name in registry.names() if registry.get(name).rounds_more] == ["winograd"]


def ladder():
    import dataclasses

    rough = dataclasses.replace(rung("rough", 1.0, forward=lambda *arguments: None), rounds_more=True)
    return rough, rung("exact", 2.0, forward=lambda *arguments: None)


@pytest.mark.parametrize("tunes", [False, True])
def test_the_rule_on_a_ladder(tunes, tmp_path, monkeypatch):
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(tmp_path))
    with changed_ladder(*ladder()), sl.autotune(tunes):
        assert tunes or sl.plan_conv2d(X, W).algorithm == "rough"
        with sl.use_exact_algorithms():
            plan = sl.plan_conv2d(X, W)
            assert plan.algorithm == "exact"
            assert "rough" not in dict(plan.measured)
            assert sl.plan_conv2d(X, W, algorithm="rough").algorithm == "rough"
    with changed_ladder(ladder()[0]), sl.use_exact_algorithms():
        with pytest.raises(UnsupportedGeometryError, match="rough: it rounds more than exact algorithms"):
            sl.plan_conv2d(X, W)
        assert sl.plan_conv2d(X, W, algorithm="rough").algorithm == "rough"


def test_many_threads_plan_while_it_is_switched():
    def plans():
        for _ in range(20):
            with sl.use_exact_algorithms():
                sl.plan_conv2d(X[:, :, :5, :5], W)

    from_many_threads(plans, 4)


def test_wrong_values_leave_no_trace_on_the_command_line():
    code = "import numpy as np, sevenloops as sl; sl.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1)))"
    import os

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "SEVENLOOPS_EXACT": "2"}
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: SEVENLOOPS_EXACT must be 0 or 1, but is '2'; unset it for 0."
