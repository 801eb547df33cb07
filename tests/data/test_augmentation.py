import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sevenloops.data import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomShift, RandomVerticalFlip
from sevenloops.errors import ShapeError
from tests.helpers.image_batches import STRIDES, strided

SHAPES = st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
DTYPES = st.sampled_from([np.uint8, np.float32, np.float64])
FLIPS = {RandomHorizontalFlip: (3,), RandomVerticalFlip: (2,)}


def rng(seed=0):
    return np.random.default_rng(seed)


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


def source(i, length, mode):
    """Where the pixel at i of an axis comes from, or None for the fill, from the definition of each mode."""
    if 0 <= i < length:
        return i
    if mode == "constant":
        return None
    if mode == "edge":
        return min(max(i, 0), length - 1)
    if length == 1:
        return 0
    # Mirrored over and over: there and back again.
    there_and_back = [*range(length), *reversed(range(1, length - 1) if mode == "reflect" else range(length))]
    return there_and_back[i % len(there_and_back)]


def crop(image, top, left, size, fill, mode):
    """The window of an image (C, H, W) that starts at (top, left), which may be outside."""
    result = np.full((len(image), *size), fill, image.dtype)
    for i, j in itertools.product(*map(range, size)):
        row, column = source(top + i, image.shape[1], mode), source(left + j, image.shape[2], mode)
        if row is not None and column is not None:
            result[:, i, j] = image[:, row, column]
    return result


MARGINS = st.integers(0, 6) | st.tuples(*[st.integers(0, 4) | st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2)


def pairs(padding):
    """Margins as ((top, bottom), (left, right))."""
    per_axis = padding if isinstance(padding, tuple) else (padding, padding)
    return [entry if isinstance(entry, tuple) else (entry, entry) for entry in per_axis]


@given(
    shape=SHAPES,
    dtype=DTYPES,
    padding=MARGINS,
    mode=st.sampled_from(["constant", "edge", "reflect", "symmetric"]),
    size=st.integers(1, 9) | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    how=STRIDES,
    seed=st.integers(0, 2**32),
)
def test_each_crop_is_a_window_of_the_padded_image(shape, dtype, padding, mode, size, how, seed):
    height, width = size if isinstance(size, tuple) else (size, size)
    (top, bottom), (left, right) = pairs(padding)
    places = (shape[2] + top + bottom - height + 1, shape[3] + left + right - width + 1)
    assume(min(places) > 0)
    images = rng(seed).integers(1, 255, shape).astype(dtype)
    transform = RandomCrop(size, padding, fill=255, padding_mode=mode)
    result = transform(strided(images, how), rng(seed))
    assert (result.shape, result.dtype) == ((*shape[:2], height, width), dtype)
    for image, found in zip(images, result):
        assert any(
            np.array_equal(crop(image, i - top, j - left, (height, width), 255, mode), found)
            for i, j in itertools.product(*map(range, places))
        )
    np.testing.assert_array_equal(transform(images, rng(seed)), result)
    assert not np.shares_memory(result, images)


def test_every_place_is_as_likely_and_each_image_has_its_own():
    image = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4)
    result = RandomCrop((3, 2), padding=(1, (1, 0)))(np.broadcast_to(image, (12_000, 1, 3, 4)), rng())
    names = {
        crop(image, top, left, (3, 2), 0, "constant").tobytes(): (top, left)
        for top in (-1, 0, 1)
        for left in (-1, 0, 1, 2)
    }
    counts = Counter(names[found.tobytes()] for found in result)
    # 12 places, 1,000 expected of each, standard deviation 30.
    assert len(counts) == 12
    assert all(abs(count - 1000) < 150 for count in counts.values()), counts


def test_a_crop_of_the_whole_is_a_copy():
    images = rng().integers(0, 256, (3, 2, 4, 5), dtype=np.uint8)
    for mode in ("constant", "reflect"):
        result = RandomCrop((4, 5), padding_mode=mode)(images, rng())
        np.testing.assert_array_equal(result, images)
        assert not np.shares_memory(result, images)
        assert result.flags.writeable


def test_random_crop_refuses_nonsense():
    images = np.zeros((1, 1, 4, 4), np.uint8)
    for size in (1.5, "2", None, (2.0, 2)):
        with pytest.raises(TypeError, match="size"):
            RandomCrop(size)
    for size in (0, (1, -1), (1, 2, 3)):
        with pytest.raises(ShapeError, match="size"):
            RandomCrop(size)
    with pytest.raises(TypeError, match="padding"):
        RandomCrop(2, padding=0.5)
    for padding in (-1, (1, 2, 3), "same"):
        with pytest.raises(ShapeError, match="padding"):
            RandomCrop(2, padding)
    with pytest.raises(
        ShapeError, match="padding_mode must be one of constant, edge, reflect, symmetric, but got 'wr"
    ):
        RandomCrop(2, padding_mode="wrap")
    with pytest.raises(ShapeError, match=r"height and width of the padded images, \(4, 6\), but got \(5, 5\)"):
        RandomCrop(5, padding=(0, 1))(images, rng())
    for fill in (-1, 256, 0.5, np.nan):
        with pytest.raises(ShapeError, match="fill"):
            RandomCrop(4, 1, fill)(images, rng())
    with pytest.raises(ShapeError, match="shape"):
        RandomCrop(2)(images[0], rng())
    with pytest.raises(ShapeError, match="at least one pixel"):
        RandomCrop(2, 2, padding_mode="edge")(np.zeros((1, 1, 0, 4), np.uint8), rng())


@given(shape=SHAPES, dtype=DTYPES, how=STRIDES, data=st.data())
def test_a_center_crop_leaves_out_as_much_on_both_sides(shape, dtype, how, data):
    size = tuple(data.draw(st.integers(1, length)) for length in shape[2:])
    images = rng().integers(0, 255, shape).astype(dtype)
    result = CenterCrop(size)(strided(images, how), rng())
    assert (result.shape, result.dtype) == ((*shape[:2], *size), dtype)
    starts = []
    for length, wanted in zip(shape[2:], size):
        before = (length - wanted) / 2
        starts.append(min((round(before - 0.1), round(before + 0.1)), key=lambda n: n % 2 if before % 1 else 0))
    top, left = starts
    np.testing.assert_array_equal(result, images[:, :, top : top + size[0], left : left + size[1]])
    assert not np.shares_memory(result, images)


def test_center_crop_refuses_nonsense():
    with pytest.raises(ShapeError, match=r"height and width of the images, \(4, 6\), but got \(5, 5\)"):
        CenterCrop(5)(np.zeros((1, 1, 4, 6), np.uint8))
    with pytest.raises(ShapeError, match="size"):
        CenterCrop(0)
    with pytest.raises(ShapeError, match="shape"):
        CenterCrop(1)(np.zeros((4, 6), np.uint8))


@pytest.mark.parametrize("kind", FLIPS)
@given(shape=SHAPES, dtype=DTYPES, how=STRIDES, p=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_each_image_is_mirrored_or_not(kind, shape, dtype, how, p, seed):
    images = rng(seed).integers(0, 255, shape).astype(dtype)
    result = kind(p)(strided(images, how), rng(seed))
    assert (result.shape, result.dtype) == (images.shape, images.dtype)
    for image, mirrored, found in zip(images, np.flip(images, FLIPS[kind]), result):
        assert np.array_equal(found, image) or np.array_equal(found, mirrored)
    np.testing.assert_array_equal(kind(p)(images, rng(seed)), result)
    np.testing.assert_array_equal(kind(0)(images, rng(seed)), images)
    np.testing.assert_array_equal(kind(1)(images, rng(seed)), np.flip(images, FLIPS[kind]))
    assert not np.shares_memory(result, images)


@pytest.mark.parametrize("kind", FLIPS)
@pytest.mark.parametrize("p", [0.5, 0.2])
def test_mirrored_as_often_as_asked_for_and_each_image_by_itself(kind, p):
    image = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    result = kind(p)(np.broadcast_to(image, (10_000, 1, 2, 2)), rng())
    mirrored = (result != image).any(axis=(1, 2, 3))
    assert abs(mirrored.mean() - p) < 5 * 0.005  # binomial, standard deviation at most 0.005
    both = (mirrored[1:] & mirrored[:-1]).mean()
    assert abs(both - p * p) < 0.025


@pytest.mark.parametrize("kind", FLIPS)
def test_flips_refuse_nonsense(kind):
    for p in (-0.1, 1.5, np.nan):
        with pytest.raises(ShapeError, match="p must be a probability"):
            kind(p)
    for p in ("0.5", None, True):
        with pytest.raises(TypeError, match="p must be a number"):
            kind(p)
    with pytest.raises(ShapeError, match="shape"):
        kind()(np.zeros((4, 6), np.uint8), rng())


def test_they_say_what_they_are():
    assert repr(RandomHorizontalFlip()) == "RandomHorizontalFlip(p=0.5)"
    assert repr(RandomCrop(32, 4)) == "RandomCrop(size=32, padding=4, fill=0, padding_mode='constant')"
