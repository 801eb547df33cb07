"""The kernels of the losses of each element: in the table, in any memory, over no input."""

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.losses import kernel, pointwise


def pointwise_names():
    return [name for name in pointwise.__all__ if not name.endswith("_grad")]


OPTIONS = {"huber_loss": {"delta": 0.5}, "smooth_l1_loss": {"beta": 0.5}}


@pytest.mark.parametrize("name", pointwise_names())
def test_pointwise_losses_write_to_no_input_and_all_of_their_result(name):
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 0.9, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))]
    if name == "binary_cross_entropy_with_logits":
        arrays.append(rng.uniform(0.5, 2, 4))
    for array in arrays:
        array.flags.writeable = False
    for direction, more in (("forward", []), ("input_grad", [np.full((3, 4), 2.0)])):
        assert "numpy" in backends.backends_of(name, direction)
        for memory in ("C", "F"):
            out = np.full((3, 4), np.nan, order=memory)
            kernel(name, direction)(*more, *arrays, out, **OPTIONS.get(name, {}))
            assert np.all(np.isfinite(out))


def test_squared_error():
    x, target, out = np.array([3.0, 1.0]), np.array([1.0, 2.0]), np.empty(2)
    kernel("mse_loss", "forward")(x, target, out)
    assert out.tolist() == [4, 1]
    kernel("mse_loss", "input_grad")(np.array([1.0, 10.0]), x, target, out)
    assert out.tolist() == [4, -20]
