import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data import Loader, Normalize, RandomShift
from sevenloops.data.transforms import to_float32
from sevenloops.errors import ShapeError


def numbered(count):
    """Images that say which one they are, and labels that follow from it."""
    images = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1) * np.ones((1, 2, 3, 4), np.uint8)
    return images, np.arange(count) % 7 + 100


def numbers(images):
    assert (images == images[:, :1, :1, :1]).all()
    return np.rint(images[:, 0, 0, 0] * 255).astype(int).tolist()


def epoch(loader):
    """The numbers of an epoch's images in their order, with every batch checked."""
    visited = []
    for images, labels in loader:
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert images.shape == (len(labels), 2, 3, 4)
        found = numbers(images)
        assert labels.tolist() == [number % 7 + 100 for number in found]
        visited.append(found)
    return visited


@given(
    count=st.integers(0, 60),
    batch_size=st.integers(1, 20),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_each_image_once_per_epoch(count, batch_size, shuffle, drop_last, seed):
    loader = Loader(*numbered(count), batch_size, shuffle=shuffle, rng=seed, drop_last=drop_last)
    for _ in range(2):
        batches = epoch(loader)
        assert len(batches) == len(loader)
        visited = [number for batch in batches for number in batch]
        assert len(set(visited)) == len(visited)
        if not drop_last:
            assert sorted(visited) == list(range(count))
        assert all(len(batch) == batch_size for batch in batches[:-1])
        rest = count - len(visited)
        assert 0 <= rest < batch_size if drop_last else rest == 0
        if batches and drop_last:
            assert len(batches[-1]) == batch_size
        if not shuffle:
            assert visited == list(range(len(visited)))


def flat(loader):
    return [number for batch in epoch(loader) for number in batch]


def test_the_order_differs_by_epoch_and_by_seed():
    orders = [flat(loader) for seed in (0, 1) for loader in [Loader(*numbered(50), 8, shuffle=True, rng=seed)] * 3]
    assert len(set(map(tuple, orders))) == 6
    assert list(range(50)) not in orders


def test_every_place_is_as_likely():
    loader = Loader(*numbered(5), 5, shuffle=True, rng=0)
    counts = np.zeros((5, 5))
    for _ in range(2000):
        for place, number in enumerate(flat(loader)):
            counts[place, number] += 1
    assert abs(counts - 400).max() < 5 * 18  # binomial, p = 1/5


def test_the_same_seed_gives_the_same_batches():
    def batches(rng, prefetch=0):
        loader = Loader(*numbered(20), 6, shuffle=True, rng=rng, transform=RandomShift(2), prefetch=prefetch)
        return [images for _ in range(2) for images, _ in loader]

    for other in ((3,), (np.random.default_rng(3),), (3, 1), (3, 3), (3, 50)):
        for a, b in zip(batches(3), batches(*other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(batches(3), batches(4)))
    assert any((a != b).any() for a, b in zip(batches(None), batches(None)))


def test_a_generator_is_drawn_from_once():
    rng = np.random.default_rng(0)
    loader = Loader(*numbered(20), 6, shuffle=True, rng=rng, transform=RandomShift(1))
    before = rng.bit_generator.state
    epoch_images = [images for images, _ in loader]
    assert len(epoch_images) == 4
    assert rng.bit_generator.state == before


@given(
    count=st.integers(0, 30),
    batch_size=st.integers(1, 12),
    drop_last=st.booleans(),
    shuffle=st.booleans(),
    handed_out=st.integers(0, 60),
    prefetches=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_a_restored_loader_continues_with_the_next_batch(
    count, batch_size, drop_last, shuffle, handed_out, prefetches
):
    options = {"shuffle": shuffle, "drop_last": drop_last, "transform": RandomShift(2)}
    loader, restored = (Loader(*numbered(count), batch_size, prefetch=depth, **options) for depth in prefetches)
    per_epoch = len(loader)
    epochs, batch = divmod(handed_out, per_epoch) if per_epoch else (handed_out % 5, 0)
    for _ in range(epochs):
        list(loader)
    rest = iter(loader) if batch else iter(())
    for _ in range(batch):
        next(rest)
    state = json.loads(json.dumps(loader.state_dict()))
    assert (state["epoch"], state["batch"]) == (epochs, batch)
    restored.load_state_dict(state)
    assert restored.state_dict() == state
    assert (restored.epoch, restored.batch, len(restored)) == (epochs, batch, per_epoch)
    for expected in (*([rest] if batch else []), loader, loader):
        for (a, labels_a), (b, labels_b) in zip(expected, restored, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(labels_a, labels_b)
            assert restored.state_dict() == loader.state_dict()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_the_state_counts_what_was_handed_out(prefetch):
    loader = Loader(*numbered(9), 4, prefetch=prefetch)
    places = [(loader.epoch, loader.batch)]
    for _ in range(2):
        places += [(loader.epoch, loader.batch) for _ in loader]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


def test_a_new_iterator_in_mid_epoch_begins_a_new_epoch():
    loader, whole = (Loader(*numbered(20), 6, shuffle=True, rng=5, transform=RandomShift(1)) for _ in range(2))
    first, second = list(whole), list(whole)
    left = iter(loader)
    next(left)
    again = iter(loader)
    assert (loader.epoch, loader.batch) == (1, 0)
    next(left)  # no longer counts
    assert (loader.epoch, loader.batch) == (1, 0)
    np.testing.assert_array_equal(next(again)[0], second[0][0])
    assert (loader.epoch, loader.batch) == (1, 1)
    loader.load_state_dict(loader.state_dict() | {"epoch": 0, "batch": 3})
    for iterator in (left, again):
        next(iterator)
        assert (loader.epoch, loader.batch) == (0, 3)
    (rest,) = loader
    np.testing.assert_array_equal(rest[0], first[3][0])
    assert len(list(loader)) == 4


def test_a_state_of_another_seed_does_not_disturb_an_iterator():
    loader, whole = (Loader(*numbered(20), 6, shuffle=True, rng=5, transform=RandomShift(1)) for _ in range(2))
    iterator = iter(loader)
    next(iterator)
    loader.load_state_dict({"seed": 1, "epoch": 0, "batch": 0})
    for (a, _), (b, _) in zip(iterator, list(whole)[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_that_fails_is_not_counted():
    def fail_once(images, _):
        if failures and numbers(to_float32(images))[0] == 4:
            raise failures.pop()
        return images

    for prefetch in (0, 3):
        failures = [OSError("gone")]
        loader = Loader(*numbered(9), 2, transform=fail_once, prefetch=prefetch)
        with pytest.raises(OSError, match="gone"):
            list(loader)
        assert (loader.epoch, loader.batch) == (0, 2)
        loader.load_state_dict(loader.state_dict())
        assert flat(loader) == [4, 5, 6, 7, 8]


def test_a_state_that_is_none_is_refused():
    loader = Loader(*numbered(3), 1)
    state = loader.state_dict()
    with pytest.raises(ShapeError, match="entries"):
        loader.load_state_dict({"seed": 1, "epoch": 1})
    with pytest.raises(ShapeError, match="epoch"):
        loader.load_state_dict({"seed": 1, "epoch": -1, "batch": 0})
    with pytest.raises(TypeError, match="seed"):
        loader.load_state_dict({"seed": "1", "epoch": 1, "batch": 0})
    with pytest.raises(ShapeError, match="less than the number of batches of an epoch, 3, but got 3"):
        loader.load_state_dict({"seed": 1, "epoch": 1, "batch": 3})
    assert loader.state_dict() == state


def test_iterators_do_not_disturb_each_other():
    loader, alone = (Loader(*numbered(20), 6, shuffle=True, rng=5, transform=RandomShift(1)) for _ in range(2))
    first, second = iter(loader), iter(loader)
    mixed = [next(iterator) for iterator in (second, first, first, second)]
    a, b = list(alone), list(alone)
    for (images, _), (expected, _) in zip(mixed, (b[0], a[0], a[1], b[1])):
        np.testing.assert_array_equal(images, expected)


def test_what_a_batch_is_does_not_depend_on_the_batches_before_it():
    seen = []

    def remember(images, rng):
        seen.append(rng.integers(2**62))
        return images

    loader = Loader(*numbered(20), 6, shuffle=True, rng=5, transform=remember)
    list(loader)
    list(loader)
    assert len(set(seen)) == 8  # every batch has a stream of its own


def test_transforms_see_what_was_indexed_and_make_floats():
    images, labels = numbered(10)

    def check(batch, _):
        assert batch.dtype == np.uint8
        return batch

    for batch, _ in Loader(images, labels, 4, transform=check):
        assert batch.dtype == np.float32
        assert batch.max() <= 1
    for batch, _ in Loader(images, labels, 10, transform=Normalize(0.0, 1 / 255)):
        np.testing.assert_allclose(batch[:, 0, 0, 0], range(10), rtol=1e-6)


class OneByOne:
    """A set that knows its length and its i-th image, and nothing else."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        assert type(i) is int
        return self.images[i]


def test_any_indexable_kind(tmp_path):
    images, labels = numbered(13)
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=images.shape)
    mapped[:] = images
    kinds = [
        images.copy(order="F"),
        np.repeat(images, 2, axis=0)[::2],
        images[::-1].copy()[::-1],
        list(images),
        OneByOne(images),
        mapped,
    ]
    expected = flat(Loader(images, labels, 5, shuffle=True, rng=1))
    for kind in kinds:
        assert flat(Loader(kind, labels.tolist(), 5, shuffle=True, rng=1)) == expected
    del kinds, kind, mapped  # so that the file can be removed on Windows


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_the_users_own(dtype, shuffle):
    images, labels = (np.ones((6, 1, 2, 2), dtype), np.arange(6))
    for batch, targets in Loader(images, labels, 3, shuffle=shuffle, rng=0):
        batch += 1
        targets += 1
    assert (images == 1).all()
    assert labels.tolist() == list(range(6))


def test_read_only_images_are_fine():
    images, labels = numbered(6)
    images.flags.writeable = labels.flags.writeable = False
    assert flat(Loader(images, labels, 4)) == list(range(6))


def test_the_set_is_never_copied_as_a_whole():
    images = np.zeros((20_000, 1, 28, 28), np.uint8)
    tracemalloc.start()
    for batch, _ in Loader(images, np.zeros(20_000, int), 64, shuffle=True, rng=0, transform=Normalize(0.1, 0.3)):
        assert batch.shape[1:] == (1, 28, 28)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20  # the set has 15 MiB, and 60 as floats


def test_nonsense_is_refused():
    images, labels = numbered(4)
    with pytest.raises(ShapeError, match="one label for each of the 4 images"):
        Loader(images, labels[:3], 2)
    with pytest.raises(ShapeError, match=r"\(4, 1\)"):
        Loader(images, labels[:, np.newaxis], 2)
    with pytest.raises(TypeError, match="labels must be integers"):
        Loader(images, labels.astype(float), 2)
    with pytest.raises(ShapeError, match="batch_size must be at least 1, but got 0"):
        Loader(images, labels, 0)
    with pytest.raises(TypeError, match="batch_size"):
        Loader(images, labels, 2.0)
    with pytest.raises(ShapeError, match="prefetch must be at least 0, but got -1"):
        Loader(images, labels, 2, prefetch=-1)
    with pytest.raises(TypeError, match="shuffle"):
        Loader(images, labels, 2, shuffle=1)
    with pytest.raises(TypeError, match="int64"):
        next(iter(Loader(images.astype(int), labels, 2)))
