"""The switch for recording: nesting, exceptions, decorators and threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import sevenloops as sl


def test_nesting_and_exceptions_restore_the_mode():
    def nested():
        seen.append(sl.is_grad_enabled())
        with sl.enable_grad():
            seen.append(sl.is_grad_enabled())
            with sl.no_grad():
                seen.append(sl.is_grad_enabled())
        seen.append(sl.is_grad_enabled())
        raise KeyError

    seen = [sl.is_grad_enabled()]
    with pytest.raises(KeyError), sl.no_grad():
        nested()
    assert [*seen, sl.is_grad_enabled()] == [True, False, True, False, False, True]


def test_one_switch_can_be_entered_again():
    off = sl.no_grad()
    with off, sl.enable_grad(), off:
        assert not sl.is_grad_enabled()
    assert sl.is_grad_enabled()


def test_as_a_decorator():
    @sl.no_grad()
    def quiet(depth):
        """Say so."""
        return (not sl.is_grad_enabled()) and (depth == 0 or quiet(depth - 1))

    @sl.enable_grad()
    def loud():
        return sl.is_grad_enabled()

    assert quiet(3)
    assert quiet.__doc__ == "Say so."
    with sl.no_grad():
        assert loud()
    assert sl.is_grad_enabled()


def test_a_decorated_function_runs_in_several_threads_at_once():
    """The first to enter is the first to leave, which one shared stack of modes would not survive."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    @sl.no_grad()
    def quiet(entered, leave):
        entered.set()
        assert leave.wait(10)
        return not sl.is_grad_enabled()

    def first():
        inside = quiet(first_is_in, second_is_in)
        first_is_out.set()
        return inside, sl.is_grad_enabled()

    def second():
        assert first_is_in.wait(10)
        return quiet(second_is_in, first_is_out), sl.is_grad_enabled()

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(first), pool.submit(second)]
        assert [call.result() for call in calls] == [(True, True)] * 2


def test_functions_that_suspend_are_not_decorated():
    def numbers():
        yield 1

    async def later():
        return 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match=f"no_grad can decorate plain functions only, but {function.__name__}"):
            sl.no_grad()(function)
