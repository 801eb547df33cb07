"""Files that are complete or not there."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter

__all__ = ["leftovers", "replacing"]

_PREFIX, _SUFFIX = ".sevenloops-", ".tmp"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BufferedWriter]:
    """Open a new file in the folder of `path` that takes its place when the ``with`` block ends.

    It is flushed to the disk before it is moved, so a crash leaves the old contents or the new ones. If the block or
    the move fails, the new file is removed and what was at `path` is still there.

    Parameters
    ----------
    path : str or path-like
        A file, which need not exist, in a folder that does. A symbolic link stays and what it names is replaced, if
        it names a file: a device would be one no longer.

    Yields
    ------
    file
        Open for writing bytes.

    Raises
    ------
    OSError
        If the folder does not exist, `path` is something else than a file, or the file cannot be written or moved.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sevenloops.files import replacing
    >>> folder = tempfile.TemporaryDirectory()
    >>> with replacing(f"{folder.name}/notes.txt") as file:
    ...     n = file.write(b"two epochs")
    >>> Path(folder.name, "notes.txt").read_text()
    'two epochs'
    >>> folder.cleanup()
    """
    target = os.fsdecode(os.path.realpath(path))
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"The folder of a file to write must exist, but {folder!r} does not; create it.")
    if os.path.exists(target) and not os.path.isfile(target):
        raise FileExistsError(
            f"What is written must be a file, but {target!r} is a folder or a device; move it away."
        )
    # A short name of its own, since the target's may be as long as the system allows; and the permissions of any new
    # file, unlike the private ones that the tempfile module gives.
    temporary = os.path.join(folder, f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary):
            error.filename = os.fspath(path)  # the name that means something to the user
        raise
    _sync_folder(folder)


def leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Return the paths of files in a folder that `replacing` was writing when its process was killed.

    Those of a process that is writing now are among them.
    """
    with os.scandir(folder) as entries:
        return sorted(e.path for e in entries if e.name.startswith(_PREFIX) and e.name.endswith(_SUFFIX))


def _sync_folder(folder: str) -> None:
    """Make a rename outlast a power cut where the system can (Windows cannot open folders)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
