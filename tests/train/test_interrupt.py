import os
import signal
import threading

import pytest

from sevenloops.train import Interrupts, Stopped

HANDLED = [signal.SIGINT, *([signal.SIGTERM] if os.name == "posix" else [])]


@pytest.fixture(autouse=True)
def handlers():
    before = {signum: signal.getsignal(signum) for signum in HANDLED}
    yield before
    assert {signum: signal.getsignal(signum) for signum in HANDLED} == before


@pytest.mark.parametrize("signum", HANDLED)
def test_a_signal_waits_for_the_check(signum):
    with Interrupts(quiet=True) as interrupts:
        interrupts.check()
        signal.raise_signal(signum)
        with pytest.raises(Stopped) as caught:
            interrupts.check()
    assert caught.value.signum == signum
    assert isinstance(caught.value, KeyboardInterrupt)


def test_the_second_signal_acts_at_once():
    with Interrupts(quiet=True):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signal.SIGINT)
    assert not isinstance(caught.value, Stopped)


def test_it_says_what_happens_unless_quiet(capfd):
    for quiet in (True, False):
        with Interrupts(quiet=quiet):
            signal.raise_signal(signal.SIGINT)
        assert ("Stopping after this step" in capfd.readouterr().err) == (not quiet)


def test_signals_that_are_ignored_or_handled_elsewhere_stay_so():
    for handler in (signal.SIG_IGN, lambda *_: None):
        before = signal.signal(signal.SIGINT, handler)
        try:
            with Interrupts(quiet=True) as interrupts:
                signal.raise_signal(signal.SIGINT)
                interrupts.check()
        finally:
            signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_handled():
    errors = []

    def work():
        try:
            with Interrupts() as interrupts:
                interrupts.check()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
