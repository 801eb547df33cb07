"""Fans and gains by hand; distributions by their bounds and moments on tensors large enough to tell them apart."""

import numpy as np
import pytest

from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.nn import init

SHAPE = (64, 32, 5, 3)  # fan_in = 32·15 = 480, fan_out = 64·15 = 960
RANDOM = [
    init.uniform_,
    init.normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.lecun_uniform_,
    init.lecun_normal_,
]


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((7, 3), (3, 7)), ((4, 3, 5), (15, 20)), ((4, 3, 2, 5), (30, 40)), ((2, 3, 2, 2, 2), (24, 16))],
)
def test_fans(shape, fans):
    assert init.fan_in_and_fan_out(shape) == fans


@pytest.mark.parametrize("shape", [(), (5,)])
def test_a_vector_has_no_fan(shape):
    for fill in (init.kaiming_uniform_, init.xavier_normal_, init.lecun_uniform_):
        with pytest.raises(ShapeError, match="2 axes"):
            fill(np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "param", "squared"),
    [
        ("linear", None, 1),
        ("sigmoid", None, 1),
        ("conv2d", None, 1),
        ("conv_transpose3d", None, 1),
        ("tanh", None, 25 / 9),
        ("relu", None, 2),
        ("selu", None, 9 / 16),
        ("leaky_relu", None, 2 / 1.0001),
        ("leaky_relu", 0, 2),
        ("leaky_relu", 3, 0.2),
    ],
)
def test_gains(name, param, squared):
    assert init.calculate_gain(name, param) ** 2 == pytest.approx(squared, rel=1e-14)


# For each rule the variance that it promises: gain² / fan, or 2·gain² / (fan_in + fan_out).
@pytest.mark.parametrize(
    ("fill", "variance"),
    [
        (lambda w, rng: init.kaiming_uniform_(w, rng=rng), 2 / 480),
        (lambda w, rng: init.kaiming_uniform_(w, 2.0, rng=rng), 2 / 5 / 480),
        (lambda w, rng: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu", rng=rng), 2 / 960),
        (lambda w, rng: init.xavier_uniform_(w, rng=rng), 2 / (480 + 960)),
        (lambda w, rng: init.xavier_uniform_(w, 3.0, rng=rng), 9 * 2 / (480 + 960)),
        (lambda w, rng: init.lecun_uniform_(w, rng=rng), 1 / 480),
        (lambda w, rng: init.uniform_(w, -0.3, 0.3, rng=rng), 0.6**2 / 12),
    ],
)
def test_even_distributions(fill, variance):
    w = fill(np.zeros(SHAPE), 1)
    bound = np.sqrt(3 * variance)
    assert np.abs(w).max() <= bound
    assert np.abs(w).max() > 0.999 * bound
    assert abs(w.mean()) < 0.02 * bound
    assert w.var() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize(
    ("fill", "variance"),
    [
        (lambda w, rng: init.kaiming_normal_(w, rng=rng), 2 / 480),
        (lambda w, rng: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh", rng=rng), 25 / 9 / 960),
        (lambda w, rng: init.xavier_normal_(w, 2.0, rng=rng), 4 * 2 / (480 + 960)),
        (lambda w, rng: init.lecun_normal_(w, rng=rng), 1 / 480),
        (lambda w, rng: init.normal_(w, std=0.5, rng=rng), 0.25),
    ],
)
def test_normal_distributions(fill, variance):
    w = fill(np.zeros(SHAPE), 1)
    assert abs(w.mean()) < 0.02 * np.sqrt(variance)
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert (w**4).mean() == pytest.approx(3 * variance**2, rel=0.05)  # what tells it from an even distribution: 1.8


def test_parameters_of_the_plain_distributions():
    w = init.uniform_(np.zeros(10_000), 2.0, 5.0, rng=0)
    assert w.min() >= 2.0
    assert w.max() < 5.0
    assert w.mean() == pytest.approx(3.5, rel=0.01)
    assert init.normal_(np.zeros(10_000), mean=-4.0, rng=0).mean() == pytest.approx(-4, rel=0.02)
    np.testing.assert_array_equal(init.constant_(np.zeros((2, 3), np.float16), 0.25), np.full((2, 3), 0.25))
    np.testing.assert_array_equal(init.zeros_(np.ones(3)), np.zeros(3))
    np.testing.assert_array_equal(init.ones_(np.zeros(3)), np.ones(3))


@pytest.mark.parametrize("fill", RANDOM)
def test_one_seed_gives_the_same_weights_in_every_dtype_and_memory_order(fill):
    expected = fill(np.zeros((6, 5, 2)), rng=7)
    for dtype in (np.float16, np.float32):
        np.testing.assert_array_equal(fill(np.zeros((6, 5, 2), dtype), rng=7), expected.astype(dtype))
    np.testing.assert_array_equal(fill(np.zeros((6, 5, 2), order="F"), rng=7), expected)
    np.testing.assert_array_equal(fill(np.zeros((6, 5, 4))[:, :, ::2], rng=7), expected)
    np.testing.assert_array_equal(fill(np.zeros((6, 5, 2)), rng=np.random.default_rng(7)), expected)


@pytest.mark.parametrize("fill", RANDOM)
def test_a_generator_goes_on_and_none_is_fresh(fill):
    generator = np.random.default_rng(7)
    first, second = (fill(np.zeros((6, 5)), rng=generator) for _ in range(2))
    assert not np.array_equal(first, second)
    assert not np.array_equal(fill(np.zeros((6, 5))), fill(np.zeros((6, 5))))


def test_the_global_random_state_is_not_touched():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for fill in RANDOM:
        fill(np.zeros((6, 5)))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("fill", [*RANDOM, init.zeros_, init.ones_])
def test_what_is_filled_is_returned(fill):
    array, tensor = np.full((3, 4), 7.0), Tensor(np.full((3, 4), 7.0), requires_grad=True)
    data = tensor.data
    assert fill(array) is array
    assert fill(tensor) is tensor
    assert tensor.data is data
    assert not (data == 7).any()


def test_bad_arguments_are_named():
    w = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"nonlinearity must be one of .*'swish'"):
        init.kaiming_uniform_(w, nonlinearity="swish")
    with pytest.raises(ValueError, match=r"mode must be .*'fan'"):
        init.kaiming_normal_(w, mode="fan")
    with pytest.raises(ValueError, match=r"a=2\.0 and b=1\.0"):
        init.uniform_(w, 2, 1)
    with pytest.raises(ValueError, match=r"std .* -1"):
        init.normal_(w, std=-1)
    with pytest.raises(ValueError, match="gain must be finite"):
        init.xavier_uniform_(w, np.inf)
    for fill in (*RANDOM, init.zeros_):
        with pytest.raises(TypeError, match="list"):
            fill([[1.0, 2.0]])


@pytest.mark.parametrize("initialise", [init.zeros_, init.xavier_uniform_, init.orthogonal_, init.kaiming_normal_])
def test_initialising_between_the_passes_is_noticed(initialise):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    square = x * x
    initialise(x)
    with pytest.raises(RuntimeError, match="has been changed since multiply kept it, by an optimizer's step, load_"):
        square.sum().backward()
