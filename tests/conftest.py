"""Settings of every test."""

import os
import signal

from hypothesis import HealthCheck, settings

# Two threads wherever the tests run: thread pools are tested on one core too, and plans do not depend on the machine.
os.environ.setdefault("SEVENLOOPS_NUM_THREADS", "2")

# A shell lets what it runs in the background ignore Ctrl-C, and the processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure. In CI the examples are the same in every run.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None, print_blob=True)
# The variable CI chooses the profile and is taken away, from the workers too: with it pytest would look for the whole
# difference of two large values, for hours.
if os.environ.pop("CI", None):
    os.environ["HYPOTHESIS_PROFILE"] = "ci"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
