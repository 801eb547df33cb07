import itertools

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data import Compose, Normalize, RandomShift
from sevenloops.data.transforms import to_float32
from sevenloops.errors import ShapeError
from tests.helpers.image_batches import STRIDES, strided

BATCHES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=5))


def rng(seed=0):
    return np.random.default_rng(seed)


@given(images=BATCHES, how=STRIDES)
def test_to_float32_divides_bytes_by_255(images, how):
    result = to_float32(strided(images, how))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, images.astype(float) / 255, rtol=1e-7)


def test_to_float32_leaves_floats_as_they_are():
    for dtype in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(to_float32(np.array([0, 2.5, -300], dtype)), np.float32([0, 2.5, -300]))
    with pytest.raises(TypeError, match="int64"):
        to_float32(np.zeros(3, np.int64))


@given(images=BATCHES, how=STRIDES, data=st.data())
def test_normalize_follows_the_definition(images, how, data):
    values = st.lists(st.floats(0.01, 1), min_size=images.shape[1], max_size=images.shape[1])
    mean, std = data.draw(values), data.draw(values)
    result = Normalize(mean, std)(strided(images, how))
    assert result.dtype == np.float32
    for n, c, i, j in itertools.product(*map(range, images.shape)):
        expected = (int(images[n, c, i, j]) / 255 - mean[c]) / std[c]
        assert result[n, c, i, j] == pytest.approx(expected, rel=1e-6, abs=3e-7 / std[c])


def test_normalize_takes_one_value_for_all_channels_and_floats():
    images = rng().random((2, 3, 4, 5), np.float32)
    for dtype in (np.float16, np.float32, np.float64):
        given_images = images.astype(dtype)
        before = given_images.copy()
        result = Normalize(0.25, 2)(given_images, rng())
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, (before.astype(float) - 0.25) / 2, atol=1e-7)
        np.testing.assert_array_equal(given_images, before)


def test_normalize_shows_what_it_was_given():
    transform = Normalize([0.5, np.float32(0.25)], (1, 2))
    assert (transform.mean, transform.std) == ((0.5, 0.25), (1.0, 2.0))
    assert repr(transform) == "Normalize(mean=(0.5, 0.25), std=(1.0, 2.0))"


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (0.5, 0),
        (0.5, -1),
        (0.5, [1, 0]),
        ([0.5, 0.5], [1, 0]),
        ([1, 2], 1),
        (np.nan, 1),
        (0, np.inf),
        ([[0.5]], [[1]]),
    ],
)
def test_normalize_refuses_nonsense(mean, std):
    with pytest.raises(ShapeError, match=r"std"):
        Normalize(mean, std)


def test_normalize_refuses_images_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"\(N, 3, H, W\)"):
        Normalize([0, 0, 0], [1, 1, 1])(np.zeros((2, 1, 4, 4), np.uint8))
    with pytest.raises(ShapeError, match=r"\(4, 4\)"):
        Normalize(0, 1)(np.zeros((4, 4), np.uint8))
    with pytest.raises(TypeError, match="int32"):
        Normalize(0, 1)(np.zeros((2, 1, 4, 4), np.int32))


def test_from_images_gives_mean_0_and_deviation_1():
    images = rng().integers(0, 256, (1500, 2, 3, 4), dtype=np.uint8)
    images[:, 1] //= 3
    transform = Normalize.from_images(images)
    exact = images.astype(float).transpose(1, 0, 2, 3).reshape(2, -1) / 255
    np.testing.assert_allclose(transform.mean, exact.mean(1), rtol=1e-12)
    np.testing.assert_allclose(transform.std, exact.std(1), rtol=1e-12)
    constant = Normalize.from_images(np.full((3, 1, 2, 2), 51, np.uint8))
    assert (constant.mean, constant.std) == ((pytest.approx(0.2),), (1.0,))


def test_from_images_refuses_others():
    with pytest.raises(TypeError, match="float32"):
        Normalize.from_images(np.zeros((3, 1, 2, 2), np.float32))
    for shape in ((3, 2, 2), (0, 1, 2, 2)):
        with pytest.raises(ShapeError, match="at least one"):
            Normalize.from_images(np.zeros(shape, np.uint8))


def test_compose_applies_the_first_first():
    def add(images, _):
        return images + np.float32(1)

    def double(images, _):
        return images * np.float32(2)

    images = np.zeros((1, 1, 2, 2), np.float32)
    assert (Compose([add, double])(images, rng()) == 2).all()
    assert (Compose([double, add])(images, rng()) == 1).all()
    np.testing.assert_array_equal(Compose([])(images, rng()), images)
    both = Compose([RandomShift(2), Normalize(0.1, 0.3)])(np.zeros((2, 1, 4, 4), np.uint8), rng())
    np.testing.assert_allclose(both, -1 / 3, rtol=1e-6)
