"""The kernels of the activations: they write where they are told to, and there is one for each backend's table."""

import numpy as np
import pytest

from sevenloops import activations, backends

OPTIONS = {"leaky_relu": {"negative_slope": 0.1}, "softmax": {"dim": 1}, "log_softmax": {"dim": 1}}
NAMES = ("relu", "leaky_relu", "tanh", "sigmoid", "softmax", "log_softmax")


@pytest.mark.parametrize("name", NAMES)
def test_forward_may_write_over_its_input(name):
    x = np.random.default_rng(0).standard_normal((3, 4))
    out = np.full_like(x, np.nan)
    kernel = activations.kernel(name, "forward")
    kernel(x.copy(), out, **OPTIONS.get(name, {}))
    kernel(x, x, **OPTIONS.get(name, {}))
    np.testing.assert_array_equal(x, out)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("over", ["grad", "kept"])
def test_gradients_may_write_over_either_input(name, over):
    rng = np.random.default_rng(0)
    grad, kept = rng.standard_normal((3, 4)), rng.uniform(0.1, 0.9, (3, 4))
    out = np.full_like(grad, np.nan)
    kernel = activations.kernel(name, "gradient")
    kernel(grad.copy(), kept.copy(), out, **OPTIONS.get(name, {}))
    place = grad if over == "grad" else kept
    kernel(grad, kept, place, **OPTIONS.get(name, {}))
    np.testing.assert_array_equal(place, out)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", ["forward", "gradient"])
def test_each_is_in_the_table_of_backends(name, direction):
    assert "numpy" in backends.backends_of(name, direction)
