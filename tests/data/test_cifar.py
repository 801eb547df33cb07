import tracemalloc

import numpy as np
import pytest

from sevenloops.data import CIFAR10_CLASSES, read_cifar10, read_cifar10_folder
from sevenloops.errors import DataError
from tests.helpers.damage import attempt, is_one_sentence_about, mutate
from tests.helpers.real_data import real_data


def batch(count, seed):
    """Labels, images, and the bytes of a file, from the definition: label, red rows, green rows, blue rows."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    images = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    content = bytearray()
    for label, image in zip(labels, images):
        content.append(label)
        for channel in image:
            for row in channel:
                content += bytes(row.tolist())
    return images, labels, bytes(content)


def test_batches_are_read_one_after_another(tmp_path):
    batches = [batch(count, seed) for seed, count in enumerate((3, 1, 2))]
    paths = [tmp_path / f"{i}.bin" for i in range(3)]
    for path, (_, _, content) in zip(paths, batches):
        path.write_bytes(content)
    images, labels = read_cifar10(paths)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(images, np.concatenate([b[0] for b in batches]))
    np.testing.assert_array_equal(labels, np.concatenate([b[1] for b in batches]))


def test_a_folder_in_the_order_of_the_numbers(tmp_path):
    batches = {number: batch(1, number) for number in (1, 2, 10)}
    for number, (_, _, content) in batches.items():
        (tmp_path / f"data_batch_{number}.bin").write_bytes(content)
    (tmp_path / "data_batch_x.bin").write_bytes(b"no batch")
    test = batch(2, 99)
    (tmp_path / "test_batch.bin").write_bytes(test[2])
    dataset = read_cifar10_folder(tmp_path)
    np.testing.assert_array_equal(dataset.train_images, np.concatenate([b[0] for b in batches.values()]))
    np.testing.assert_array_equal(dataset.test_images, test[0])
    np.testing.assert_array_equal(dataset.test_labels, test[1])
    assert (dataset.name, dataset.class_names) == (tmp_path.name, CIFAR10_CLASSES)


@pytest.mark.parametrize("present", ["data_batch_1.bin", "test_batch.bin"])
def test_a_missing_part_is_named(tmp_path, present):
    (tmp_path / present).write_bytes(batch(1, 0)[2])
    absent = "test_batch.bin" if present.startswith("data") else "data_batch_1.bin"
    with pytest.raises(DataError, match=f"it has no {absent};") as caught:
        read_cifar10_folder(tmp_path)
    assert is_one_sentence_about(caught.value, tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", batch(2, 0)[2][:-1], batch(2, 0)[2] + b"\0", b"\x0a" + batch(1, 0)[2][1:], batch(1, 0)[2] + b"\xff" * 3073],
)
def test_damage_is_named_in_one_sentence(tmp_path, content):
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_cifar10([path])
    assert is_one_sentence_about(caught.value, path)


def test_thousands_of_mutations_parse_or_raise_data_error(tmp_path):
    good = batch(2, 5)[2]
    path = tmp_path / "batch.bin"
    parsed = refused = 0
    tracemalloc.start()
    for content in mutate(path, good, 3000, seed=1):
        result, error = attempt(read_cifar10, [path])
        if error is not None:
            assert is_one_sentence_about(error, path)
            refused += 1
        else:
            images, labels = result
            assert len(images) == len(labels) == len(content) // 3073
            assert 0 <= labels.min() <= labels.max() <= 9
            parsed += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert min(parsed, refused) > 300


def test_the_published_files():
    dataset = read_cifar10_folder(real_data("cifar10"))
    assert dataset.image_shape == (3, 32, 32)
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        counts = np.bincount(labels, minlength=10)
        assert counts.min() > 0.8 * len(labels) / 10
        assert images.mean() == pytest.approx(0.47 * 255, rel=0.1)
        # Natural images are smooth along rows: a wrong record length or axis order would not be.
        assert abs(np.diff(images[:200].astype(int), axis=3)).mean() < 20
