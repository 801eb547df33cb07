import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.errors import ShapeError


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_layer_is_the_function(axes):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 6, 5)[: axes + 2])
    y, indices = getattr(nn, f"MaxPool{axes}d")(3, 2, 1, return_indices=True)(x)
    layer = getattr(nn, f"MaxUnpool{axes}d")(3, 2, 1)
    function = getattr(sl, f"max_unpool{axes}d")
    np.testing.assert_array_equal(layer(y, indices, x.shape), function(y, indices, 3, 2, 1, x.shape))
    with pytest.raises(ShapeError, match="stride"):
        layer(y, indices, [length + 9 for length in x.shape])


def test_arguments_are_checked_and_shown():
    assert repr(nn.MaxUnpool2d((3, 2), padding=1)) == "MaxUnpool2d(kernel_size=(3, 2), stride=(3, 2), padding=(1, 1))"
    with pytest.raises(ShapeError, match="kernel_size"):
        nn.MaxUnpool1d(0)
