"""The published data sets: where they are, what they hold, and how they come here."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sevenloops.data.cifar import read_cifar10_folder
from sevenloops.data.contents import Content
from sevenloops.data.dataset import Dataset
from sevenloops.data.datasets import IDX_CLASSES, home_folder
from sevenloops.data.idx import PathLike
from sevenloops.data.idx_folder import IDX_FILES, find_idx_files, read_idx_folder
from sevenloops.errors import DataError, DownloadError
from sevenloops.geometry.arguments import flag

__all__ = ["DOWNLOAD_NAMES", "cifar10", "download", "fashion_mnist", "mnist"]

_GZIP_SLACK = 1 << 16  # by so much at most is a gzip file of these sizes longer than what it holds


@dataclass(frozen=True)
class _Archive:
    """One gzip-compressed tar file that brings all others."""

    name: str
    folder: str  # of the others, within it
    content: Content


@dataclass(frozen=True)
class _Published:
    """A data set as it is published: each file by itself (with ``.gz`` after its name), or all in an archive."""

    mirrors: tuple[str, ...]
    files: Mapping[str, Content]
    archive: _Archive | None = None


def _idx(*digests: str) -> dict[str, Content]:
    """Describe four idx files of 60,000 and 10,000 images of 28×28 pixels, and their labels."""
    sizes = (16 + 60_000 * 28 * 28, 8 + 60_000, 16 + 10_000 * 28 * 28, 8 + 10_000)
    return {name: Content(size, digest) for name, size, digest in zip(IDX_FILES, sizes, digests, strict=True)}


def _batch(md5: str) -> Content:
    return Content(10_000 * 3073, md5, "md5", unpacked=False)


# Which mirror delivers a file does not matter, since what it holds is compared.
_PUBLISHED = {
    "mnist": _Published(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        _idx(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion-mnist": _Published(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        _idx(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    "cifar10": _Published(
        (
            "https://www.cs.toronto.edu/~kriz/",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        ),
        # What comes is verified as a whole, by the archive's SHA-256. These MD5 sums, the only ones in public use for
        # the files in it, tell files that are there already from others.
        {
            "data_batch_1.bin": _batch("5dd7e06a14cb22eb9f671a540d1b7c25"),
            "data_batch_2.bin": _batch("5ea93a67294ea407fff1d09f752e9692"),
            "data_batch_3.bin": _batch("942cd6a4bcdd0dd3c604fbe906cb4421"),
            "data_batch_4.bin": _batch("ae636b3ba5c66a11e91e8cb52e771fcb"),
            "data_batch_5.bin": _batch("53f37980c15c3d472c316c40844f3f0d"),
            "test_batch.bin": _batch("803d5f7f4d78ea53de84dbe85f74fb6d"),
        },
        _Archive(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin/",
            Content(170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", unpacked=False),
        ),
    ),
}

#: The data sets that `download` can fetch.
DOWNLOAD_NAMES = tuple(_PUBLISHED)


def mnist(root: PathLike, *, download: bool = False) -> Dataset:
    """Open MNIST: 60,000 handwritten digits to train and 10,000 to test on, 1×28×28.

    Parameters
    ----------
    root : str or path
        The folder that holds the four files themselves (train-images-idx3-ubyte, …, gzip-compressed or not).
    download : bool, default False
        Fetch those that are not there, about 11 MB in all, and verify all of them by their SHA-256.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a file is missing (without `download`), damaged, or (with `download`) another one than was published.
    DownloadError
        If no mirror delivers a file.
    OSError
        If a file cannot be read or written.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    Examples
    --------
    >>> from sevenloops.data import mnist
    >>> mnist("data/mnist", download=True)  # doctest: +SKIP
    Dataset 'mnist': 60000 training and 10000 test images of 1×28×28, 10 classes
    """
    return _open("mnist", Path(root), download)


def fashion_mnist(root: PathLike, *, download: bool = False) -> Dataset:
    """Open Fashion-MNIST: 60,000 articles of clothing to train and 10,000 to test on, 1×28×28.

    Parameters
    ----------
    root : str or path
        The folder that holds the four files themselves (train-images-idx3-ubyte, …, gzip-compressed or not).
    download : bool, default False
        Fetch those that are not there, about 31 MB in all, and verify all of them by their SHA-256.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError, DownloadError, OSError
        As `mnist` does.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", 2017, arXiv:1708.07747.

    Examples
    --------
    >>> from sevenloops.data import fashion_mnist
    >>> fashion_mnist("data/fashion-mnist", download=True)  # doctest: +SKIP
    Dataset 'fashion-mnist': 60000 training and 10000 test images of 1×28×28, 10 classes
    """
    return _open("fashion-mnist", Path(root), download)


def cifar10(root: PathLike, *, download: bool = False) -> Dataset:
    """Open CIFAR-10: 50,000 photographs of ten classes to train and 10,000 to test on, 3×32×32.

    Parameters
    ----------
    root : str or path
        The folder that holds data_batch_1.bin to data_batch_5.bin and test_batch.bin themselves. To open a part of
        the set, use `read_cifar10_folder`.
    download : bool, default False
        Fetch those that are not there, in an archive of 170 MB that is verified by its SHA-256 and not kept, and
        verify those that are, by their MD5.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError, DownloadError, OSError
        As `mnist` does.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    >>> from sevenloops.data import cifar10
    >>> cifar10("data/cifar10", download=True)  # doctest: +SKIP
    Dataset 'cifar10': 50000 training and 10000 test images of 3×32×32, 10 classes
    """
    return _open("cifar10", Path(root), download)


def download(name: str, root: PathLike | None = None) -> Path:
    """Fetch a published data set, as far as it is not there.

    Every file comes under a temporary name and is verified before it gets its own, so one that has its name is
    whole, also where several processes fetch the same set at once. Mirrors are tried one after another; one that says
    nothing for 20 seconds, or less than 120 KiB in 30, is given up. Nothing that is there is overwritten or removed.

    Parameters
    ----------
    name : str
        "mnist", "fashion-mnist" or "cifar10".
    root : str or path, optional
        The folder for the files, made if it is not there. None takes the folder `name` in the folder that the
        variable SEVENLOOPS_DATA names, or else in ``data`` in `sevenloops.runtime.cache_folder`: `open_dataset` finds
        it there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If there is no set of that name, or a file that is there is another one than was published.
    DownloadError
        If no mirror delivers a file; what has come before stays.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> from sevenloops.data import download
    >>> folder = download("mnist")  # doctest: +SKIP
    """
    if name not in _PUBLISHED:
        raise DataError(f"A data set to fetch must be one of {', '.join(DOWNLOAD_NAMES)}, but got {name!r}.")
    published = _PUBLISHED[name]
    folder = home_folder(name) if root is None else Path(root)
    found = _find(published, folder)
    for file, path in found.items():
        if path is not None:
            published.files[file].check(path)
    missing = [file for file, path in found.items() if path is None]
    if missing:
        _fetch(published, folder, missing)
    return folder


def _open(name: str, folder: Path, fetch: bool) -> Dataset:
    if flag("download", fetch):
        download(name, folder)
    else:
        missing = [file for file, path in _find(_PUBLISHED[name], folder).items() if path is None]
        if missing:
            raise DataError(
                f"{folder} must hold the files of {name}, but it has no {', '.join(missing)}; "
                f"put the rest there, or pass download=True to fetch it."
            )
    if name in IDX_CLASSES:
        return read_idx_folder(folder, name=name, class_names=IDX_CLASSES[name])
    return read_cifar10_folder(folder, name=name)


def _find(published: _Published, folder: Path) -> dict[str, Path | None]:
    """Return the path of each file, or None where it is not there."""
    if published.archive is None:
        return dict(zip(IDX_FILES, find_idx_files(folder), strict=True))
    return {name: folder / name if (folder / name).is_file() else None for name in published.files}


def _fetch(published: _Published, folder: Path, missing: Iterable[str]) -> None:
    try:
        import ssl  # noqa: F401
    except ImportError:
        raise DownloadError(
            f"Fetching {', '.join(missing)} needs a Python with the module ssl, which this one has not; "
            f"put the files into {folder} yourself."
        ) from None
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DataError(f"{folder} must be a folder to put files into, but it is a file; take another one.") from None
    try:
        if published.archive is None:
            for name in missing:
                _fetch_alone(published, folder, name)
        else:
            _fetch_archive(published, published.archive, folder, missing)
    except BaseException:
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        raise


def _fetch_alone(published: _Published, folder: Path, name: str) -> None:
    from sevenloops.data.fetching import fetched, move_in

    content, file = published.files[name], f"{name}.gz"
    urls = [mirror + file for mirror in published.mirrors]
    with fetched(file, urls, folder, content.size + _GZIP_SLACK, content.fault) as path:
        move_in(path, folder / file, content)


def _fetch_archive(published: _Published, archive: _Archive, folder: Path, missing: Iterable[str]) -> None:
    """Fetch an archive, and move the files that are missing out of it once all of them are complete."""
    from sevenloops.data.fetching import fetched, move_in, unpacked

    urls = [mirror + archive.name for mirror in published.mirrors]
    wanted = {archive.folder + name: published.files[name].size for name in missing}
    with (
        fetched(archive.name, urls, folder, archive.content.size, archive.content.fault) as path,
        unpacked(archive.name, path, folder, wanted) as taken,
    ):
        for name in missing:
            move_in(taken[archive.folder + name], folder / name, published.files[name])
