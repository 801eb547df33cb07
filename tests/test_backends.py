import threading

import pytest

from sevenloops import backends


def slow():
    return "slow"


def fast():
    return "fast"


def other():
    return "other"


@pytest.fixture(autouse=True)
def table(monkeypatch):
    """A table of its own with three backends, and none forced."""
    monkeypatch.setattr(backends, "_TABLE", {})
    monkeypatch.setattr(backends, "PREFERENCE", ("fast", "other", "numpy"))
    monkeypatch.delenv("SEVENLOOPS_BACKEND", raising=False)


@pytest.fixture
def everywhere():
    """One operation on each backend, registered from the least preferred on."""
    for backend, function in (("numpy", slow), ("other", other), ("fast", fast)):
        backends.register("conv", "forward", backend, function)


# --- the table ----------------------------------------------------------------------------------------------------


def test_a_kernel_belongs_to_its_operation_and_direction():
    backends.register("conv", "forward", "numpy", slow)
    backends.register("conv", "input_grad", "numpy", fast)
    backends.register("pool", "forward", "numpy", other)
    assert backends.find("conv", "forward") is slow
    assert backends.find("conv", "input_grad") is fast
    assert backends.find("pool", "forward") is other


def test_the_preferred_backend_comes_first(everywhere):
    assert backends.backends_of("conv", "forward") == ("fast", "other", "numpy")
    assert backends.find("conv", "forward") is fast


def test_a_preferred_backend_that_lacks_the_operation_is_passed_over():
    backends.register("conv", "forward", "numpy", slow)
    backends.register("conv", "forward", "other", other)
    backends.register("conv", "input_grad", "fast", fast)
    assert backends.backends_of("conv", "forward") == ("other", "numpy")
    assert backends.find("conv", "forward") is other


def test_a_place_is_taken_once(everywhere):
    with pytest.raises(ValueError, match=r"^conv \(forward\) already has a numpy kernel; register each one once\.$"):
        backends.register("conv", "forward", "numpy", other)
    with backends.use_backend("numpy"):
        assert backends.find("conv", "forward") is slow


@pytest.mark.parametrize("name", ["cuda", "", "NumPy", None, 3])
def test_unknown_backends_are_refused_with_those_that_exist(name):
    with pytest.raises(ValueError, match=rf"^backend must be one of .*fast, other, numpy, but got {name!r}\.$"):
        backends.register("conv", "forward", name, slow)
    with (
        pytest.raises(ValueError, match=rf"^name must be one of .*fast, other, numpy, but got {name!r}\.$"),
        backends.use_backend(name),
    ):
        pass
    assert backends.backends_of("conv", "forward") == ()
    assert backends.current_backend() is None


def test_an_operation_that_nobody_has():
    assert backends.backends_of("conv", "forward") == ()
    with pytest.raises(ValueError, match=r"conv \(forward\) has no registered kernel; it exists on: no backend\."):
        backends.find("conv", "forward")


def test_a_forced_backend_is_not_replaced_by_another():
    backends.register("conv", "forward", "numpy", slow)
    backends.register("conv", "forward", "other", slow)
    with (
        backends.use_backend("fast"),
        pytest.raises(ValueError, match=r"conv \(forward\) has no fast kernel; it exists on: numpy, other\."),
    ):
        backends.find("conv", "forward")


# --- forcing ------------------------------------------------------------------------------------------------------


def test_the_block_forces_and_ends(everywhere):
    with backends.use_backend("numpy"):
        assert backends.find("conv", "forward") is slow
        with backends.use_backend("other"):
            assert backends.find("conv", "forward") is other
        assert backends.find("conv", "forward") is slow
    assert backends.find("conv", "forward") is fast


def test_the_block_ends_with_an_exception(everywhere):
    with pytest.raises(KeyError), backends.use_backend("numpy"):
        raise KeyError
    assert backends.find("conv", "forward") is fast


def test_another_thread_is_not_forced(everywhere):
    found = {}
    inside, done = threading.Event(), threading.Event()

    def force():
        with backends.use_backend("numpy"):
            inside.set()
            done.wait(20)
            found["there"] = backends.find("conv", "forward")

    thread = threading.Thread(target=force)
    thread.start()
    assert inside.wait(20)
    found["here"] = backends.find("conv", "forward")
    done.set()
    thread.join()
    assert found == {"here": fast, "there": slow}


def test_the_variable_forces(everywhere, monkeypatch):
    monkeypatch.setenv("SEVENLOOPS_BACKEND", "numpy")
    assert backends.current_backend() == "numpy"
    assert backends.find("conv", "forward") is slow
    with backends.use_backend("other"):
        assert backends.find("conv", "forward") is other
    assert backends.find("conv", "forward") is slow


def test_an_empty_variable_forces_nothing(everywhere, monkeypatch):
    monkeypatch.setenv("SEVENLOOPS_BACKEND", "")
    assert backends.current_backend() is None
    assert backends.find("conv", "forward") is fast


def test_an_unknown_name_in_the_variable(everywhere, monkeypatch):
    monkeypatch.setenv("SEVENLOOPS_BACKEND", "cuda")
    with pytest.raises(
        ValueError, match=r"^SEVENLOOPS_BACKEND must be one of .*fast, other, numpy, but got 'cuda'\.$"
    ):
        backends.find("conv", "forward")
    with backends.use_backend("numpy"):  # what is said in the code goes before what is said around it
        assert backends.find("conv", "forward") is slow
