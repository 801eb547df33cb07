"""Data sets that are small enough to train on within a test."""

from pathlib import Path

import numpy as np

from sevenloops.data import IDX_FILES, Dataset, digits, write_idx


def tiny_digits(train: int = 60, test: int = 20) -> Dataset:
    """Return the first of the bundled digits."""
    every = digits()
    return Dataset(
        "tiny",
        every.train_images[:train],
        every.train_labels[:train],
        every.test_images[:test],
        every.test_labels[:test],
        every.class_names,
    )


def write_idx_folder(folder: Path, dataset: Dataset) -> Path:
    """Write a data set of grey images as four idx files; return the new folder."""
    folder.mkdir(parents=True)
    arrays = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    for name, array in zip(IDX_FILES, arrays):
        write_idx(folder / name, array[:, 0] if array.ndim == 4 else array.astype(np.uint8))
    return folder


def write_cifar_folder(folder: Path, train: int, test: int) -> Path:
    """Write random colour images as CIFAR-10 binary files; return the new folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, count in (("data_batch_1.bin", train), ("test_batch.bin", test)):
        records = rng.integers(0, 256, (count, 3073), np.uint8)
        records[:, 0] = np.arange(count) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder
