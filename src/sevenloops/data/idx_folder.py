"""The four idx files in which MNIST and the sets that imitate it are published."""

from pathlib import Path

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data.dataset import Dataset
from sevenloops.data.idx import PathLike, read_idx
from sevenloops.errors import DataError

__all__ = ["IDX_FILES", "find_idx_files", "read_idx_folder"]

#: Images and labels to train on, images and labels to test on; a ``.gz`` may follow.
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def find_idx_files(folder: Path) -> list[Path | None]:
    """Return the path of each of the four files, or None where it is not there.

    Some copies of MNIST write ``.idx3`` for ``-idx3``: those are found too.
    """
    return [
        next((path for path in (folder / spelling for spelling in _spellings(name)) if path.is_file()), None)
        for name in IDX_FILES
    ]


def _spellings(name: str) -> tuple[str, ...]:
    dotted = name.replace("-idx", ".idx")
    return name, f"{name}.gz", dotted, f"{dotted}.gz"


def read_idx_folder(
    folder: PathLike, *, name: str | None = None, class_names: tuple[str, ...] | None = None
) -> Dataset:
    """Read a data set from the four idx files of a folder, each gzip-compressed or not.

    Parameters
    ----------
    folder : str or path
        Holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte: images (N, H, W) and labels (N,), both uint8.
    name : str, optional
        The data set's name; None takes the folder's.
    class_names : tuple of str, optional
        The names of the classes; None numbers them from 0 to the largest label.

    Returns
    -------
    Dataset
        With images of one channel.

    Raises
    ------
    DataError
        If a file is missing or damaged, or two of them contradict each other.
    """
    folder = Path(folder)
    paths = find_idx_files(folder)
    missing = [file for file, path in zip(IDX_FILES, paths) if path is None]
    if missing:
        raise DataError(
            f"{folder} must hold the four files {', '.join(IDX_FILES)} (.gz or not), "
            f"but it has no {', '.join(missing)}; put the rest there."
        )
    train_images, train_labels, test_images, test_labels = (Path(path) for path in paths if path is not None)
    train = _read_pair(train_images, train_labels)
    test = _read_pair(test_images, test_labels)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"{test_images} must hold images of the size of those in {train_images}, "
            f"but theirs are {test[0].shape[2:]} and {train[0].shape[2:]} (height, width)."
        )
    if class_names is None:
        class_names = tuple(map(str, range(int(max(train[1].max(), test[1].max())) + 1)))
    for path, labels in ((train_labels, train[1]), (test_labels, test[1])):
        if labels.max() >= len(class_names):
            raise DataError(
                f"{path} must hold labels less than {len(class_names)}, the number of classes, "
                f"but one is {labels.max()}; get it again."
            )
    return Dataset(name or folder.resolve().name, *train, *test, class_names)


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Array, Array]:
    """Read images as (N, 1, H, W) and their labels as int64 (N,)."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.ndim != 3 or images.size == 0:
        raise DataError(
            f"{images_path} must hold at least one image in a uint8 array (N, H, W), "
            f"but it holds {images.dtype} of shape {images.shape}; get it again."
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataError(
            f"{labels_path} must hold one uint8 label for each of the {len(images)} images of {images_path}, "
            f"but it holds {labels.dtype} of shape {labels.shape}; get both again."
        )
    return images[:, np.newaxis], labels.astype(np.int64)
