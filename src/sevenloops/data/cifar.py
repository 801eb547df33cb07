"""The binary version of CIFAR-10: records of one label byte and 3·32·32 pixel bytes, channel first."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data.dataset import Dataset
from sevenloops.data.idx import PathLike
from sevenloops.errors import DataError

__all__ = ["CIFAR10_CLASSES", "find_cifar10_files", "read_cifar10", "read_cifar10_folder"]

#: The classes, in the order of the labels.
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

_IMAGE_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32


def read_cifar10(paths: Sequence[PathLike]) -> tuple[Array, Array]:
    """Read the images and labels of one or more batch files, one after another.

    Parameters
    ----------
    paths : sequence of str or path
        The files, such as data_batch_1.bin.

    Returns
    -------
    images : uint8 array, (N, 3, 32, 32)
    labels : int64 array, (N,)

    Raises
    ------
    DataError
        If a file is empty, does not consist of whole records, or has a label beyond 9.
    OSError
        If a file cannot be opened or read.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    counts = [_count(path) for path in paths]
    images = np.empty((sum(counts), *_IMAGE_SHAPE), np.uint8)
    labels = np.empty(sum(counts), np.int64)
    start = 0
    for path, count in zip(paths, counts):
        with open(path, "rb") as file:
            content = file.read(count * _RECORD)
        if len(content) < count * _RECORD:
            raise DataError(f"{path} must keep its size while it is read, but it became shorter; read it again.")
        records = np.frombuffer(content, np.uint8).reshape(count, _RECORD)
        if records[:, 0].max() >= len(CIFAR10_CLASSES):
            raise DataError(
                f"{path} must hold labels from 0 to {len(CIFAR10_CLASSES) - 1}, one before each image, "
                f"but one is {records[:, 0].max()}; get it again."
            )
        labels[start : start + count] = records[:, 0]
        images[start : start + count] = records[:, 1:].reshape(count, *_IMAGE_SHAPE)
        start += count
    return images, labels


def _count(path: PathLike) -> int:
    """Return the number of records of a file, from its size."""
    size = Path(path).stat().st_size
    if size == 0 or size % _RECORD:
        raise DataError(
            f"{path} must consist of whole records of {_RECORD} bytes (a label and an image of 3×32×32), "
            f"but it has {size} bytes; get it again."
        )
    return size // _RECORD


def find_cifar10_files(folder: Path) -> tuple[list[Path], Path | None]:
    """Return the files to train on, in the order of their numbers, and the file to test on or None."""
    numbered = [(re.fullmatch(r"data_batch_(\d+)\.bin", path.name), path) for path in folder.glob("data_batch_*.bin")]
    train = [path for _, path in sorted((int(match[1]), path) for match, path in numbered if match)]
    test = folder / "test_batch.bin"
    return train, test if test.is_file() else None


def read_cifar10_folder(folder: PathLike, *, name: str | None = None) -> Dataset:
    """Read a data set from CIFAR-10 binary files.

    Parameters
    ----------
    folder : str or path
        Holds data_batch_1.bin and as many more as there are, and test_batch.bin.
    name : str, optional
        The data set's name; None takes the folder's.

    Returns
    -------
    Dataset
        With images of 3×32×32.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    folder = Path(folder)
    train, test = find_cifar10_files(folder)
    if not train or test is None:
        raise DataError(
            f"{folder} must hold at least one file data_batch_1.bin, data_batch_2.bin, … to train on and "
            f"test_batch.bin to test on, but it has no {'data_batch_1.bin' if not train else 'test_batch.bin'}; "
            f"put the rest there."
        )
    return Dataset(name or folder.resolve().name, *read_cifar10(train), *read_cifar10([test]), CIFAR10_CLASSES)
