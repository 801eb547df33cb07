import math

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor

X = np.array([[-3.0, -0.5, 0.25], [1.0, 4.0, 30.0]])


def softmax(row):
    terms = [math.exp(v) for v in row]
    return [t / sum(terms) for t in terms]


@pytest.mark.parametrize(
    ("module", "expected", "shown"),
    [
        (nn.ReLU(), [[max(v, 0) for v in row] for row in X], "ReLU()"),
        (nn.LeakyReLU(), [[v if v > 0 else 0.01 * v for v in row] for row in X], "LeakyReLU(negative_slope=0.01)"),
        (nn.LeakyReLU(0.2), [[v if v > 0 else 0.2 * v for v in row] for row in X], "LeakyReLU(negative_slope=0.2)"),
        (nn.Tanh(), [[math.tanh(v) for v in row] for row in X], "Tanh()"),
        (nn.Sigmoid(), [[1 / (1 + math.exp(-v)) for v in row] for row in X], "Sigmoid()"),
        (nn.Softmax(1), [softmax(row) for row in X], "Softmax(dim=1)"),
        (nn.Softmax(dim=0), np.transpose([softmax(row) for row in X.T]), "Softmax(dim=0)"),
        (nn.LogSoftmax(-1), [np.log(softmax(row)) for row in X], "LogSoftmax(dim=-1)"),
    ],
)
def test_the_layer_is_the_function(module, expected, shown):
    np.testing.assert_allclose(module(X), expected, rtol=1e-12, atol=1e-11)
    assert type(module(X)) is np.ndarray
    assert isinstance(module(Tensor(X)), Tensor)
    assert list(module.state_dict()) == []
    assert repr(module) == shown
