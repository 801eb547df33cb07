"""The kernels of the activations: they write where they are told to, and there is one for each backend's table."""

import numpy as np
import pytest

from sevenloops import activations, backends

OPTIONS = {
    "leaky_relu": {"negative_slope": 0.1},
    "hardtanh": {"min_val": -0.5, "max_val": 0.6},
    "threshold": {"threshold": 0.2, "value": 7.0},
    "softshrink": {"lambd": 0.3},
    "hardshrink": {"lambd": 0.3},
    "softplus": {"beta": 2.0, "threshold": 1.0},
    "elu": {"alpha": 1.5, "scale": 2.0, "rate": 0.5},
    "softmax": {"dim": 1},
    "softmin": {"dim": 1},
    "log_softmax": {"dim": 1},
}
NAMES = (
    *("relu", "leaky_relu", "hardtanh", "threshold", "softshrink", "hardshrink", "hardsigmoid", "hardswish"),
    *("tanh", "tanhshrink", "softsign", "sigmoid", "logsigmoid", "softplus", "elu", "silu", "mish"),
    *("gelu", "gelu_tanh", "erf", "softmax", "softmin", "log_softmax"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(3, 4), (300, 400)])
def test_forward_may_write_over_its_input(name, shape):
    x = np.random.default_rng(0).standard_normal(shape)
    out = np.full_like(x, np.nan)
    kernel = activations.kernel(name, "forward")
    kernel(x.copy(), out, **OPTIONS.get(name, {}))
    kernel(x, x, **OPTIONS.get(name, {}))
    np.testing.assert_array_equal(x, out)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("over", ["grad", "kept"])
@pytest.mark.parametrize("shape", [(3, 4), (300, 400)])
def test_gradients_may_write_over_either_input(name, over, shape):
    rng = np.random.default_rng(0)
    grad, kept = rng.standard_normal(shape), rng.uniform(0.1, 0.9, shape)
    out = np.full_like(grad, np.nan)
    kernel = activations.kernel(name, "gradient")
    kernel(grad.copy(), kept.copy(), out, **OPTIONS.get(name, {}))
    place = grad if over == "grad" else kept
    kernel(grad, kept, place, **OPTIONS.get(name, {}))
    np.testing.assert_array_equal(place, out)


@pytest.mark.parametrize("name", [*NAMES, "prelu", "glu", "dropout", "alpha_dropout"])
@pytest.mark.parametrize("direction", ["forward", "gradient"])
def test_each_is_in_the_table_of_backends(name, direction):
    assert "numpy" in backends.backends_of(name, direction)
