import itertools

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data import Compose, Normalize, RandomShift
from sevenloops.data.transforms import to_float32
from sevenloops.errors import ShapeError

BATCHES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=5))


def rng(seed=0):
    return np.random.default_rng(seed)


def strided(images, how):
    """The same images with other strides, read-only."""
    if how == "channels-last":
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    elif how == "reversed":
        images = images[..., ::-1].copy()[..., ::-1]
    else:
        images = images.copy(order=how)
    images.flags.writeable = False
    return images


STRIDES = st.sampled_from(["C", "F", "channels-last", "reversed"])


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


def moved(image, dy, dx, fill):
    """Image (C, H, W) moved by (dy, dx), from the definition."""
    result = np.full_like(image, fill)
    _, height, width = image.shape
    for i, j in itertools.product(range(height), range(width)):
        if 0 <= i - dy < height and 0 <= j - dx < width:
            result[:, i, j] = image[:, i - dy, j - dx]
    return result


@given(
    shape=st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    dtype=st.sampled_from([np.uint8, np.float32]),
    margin=st.integers(0, 7),
    how=STRIDES,
    seed=st.integers(0, 2**32),
)
def test_each_image_is_moved_as_a_whole(shape, dtype, margin, how, seed):
    images = rng(seed).integers(1, 255, shape).astype(dtype)
    result = RandomShift(margin, fill=255)(strided(images, how), rng(seed))
    assert (result.shape, result.dtype) == (images.shape, images.dtype)
    amounts = range(-margin, margin + 1)
    for image, found in zip(images, result):
        assert any(np.array_equal(moved(image, dy, dx, 255), found) for dy in amounts for dx in amounts)
    same = RandomShift(margin, fill=255)(images, rng(seed))
    np.testing.assert_array_equal(result, same)


def test_every_shift_is_as_likely_and_each_image_has_its_own():
    image = np.arange(1, 50, dtype=np.uint8).reshape(1, 7, 7)
    result = RandomShift(2)(np.broadcast_to(image, (10_000, 1, 7, 7)), rng())
    names = {moved(image, dy, dx, 0).tobytes(): (dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}
    counts = dict.fromkeys(names.values(), 0)
    for found in result:
        counts[names[found.tobytes()]] += 1
    # 25 shifts, 400 expected of each, standard deviation 20.
    assert all(abs(count - 400) < 100 for count in counts.values()), counts


def test_a_shift_of_nothing_is_a_copy():
    images = rng().integers(0, 256, (3, 1, 4, 4), dtype=np.uint8)
    result = RandomShift(0)(images, rng())
    np.testing.assert_array_equal(result, images)
    assert not np.shares_memory(result, images)
    assert result.flags.writeable


def test_random_shift_refuses_nonsense():
    with pytest.raises(TypeError, match="max_pixels"):
        RandomShift(1.5)
    with pytest.raises(ShapeError, match="max_pixels"):
        RandomShift(-1)
    with pytest.raises(ShapeError, match="shape"):
        RandomShift(1)(np.zeros((4, 4), np.uint8), rng())
    for fill in (-1, 256, 0.5, np.nan):
        with pytest.raises(ShapeError, match="fill"):
            RandomShift(1, fill)(np.zeros((1, 1, 4, 4), np.uint8), rng())


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
