"""What a published file must hold, to the last bit."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from sevenloops.errors import DataError

__all__ = ["PIECE", "Content"]

PIECE = 1 << 18  # bytes that are read at a time

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Content:
    """The size and the digest of a file's content.

    Parameters
    ----------
    size : int
        In bytes.
    digest : str
        In hexadecimal.
    algorithm : str, default "sha256"
        As `hashlib` calls it.
    unpacked : bool, default True
        Whether of a gzip file what it holds is meant: mirrors compress the same content each in their own way.
    """

    size: int
    digest: str
    algorithm: str = "sha256"
    unpacked: bool = True

    def fault(self, path: Path) -> str | None:
        """Return what is wrong with a file, in a few words, or None; no more is read than it should hold."""
        digest = hashlib.new(self.algorithm, usedforsecurity=self.algorithm == "sha256")
        size = 0
        try:
            with open(path, "rb") as file:
                compressed = self.unpacked and file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
                file.seek(0)
                stream = gzip.GzipFile(fileobj=file, mode="rb") if compressed else file
                while size <= self.size and (piece := stream.read(PIECE)):
                    digest.update(piece)
                    size += len(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            return f"it is no whole gzip file: {error}"
        what = f"{'unpacked ' if compressed else ''}content must be {self.size} bytes"
        if size > self.size:
            return f"its {what}, but it is longer"
        name = self.algorithm.upper().replace("SHA", "SHA-")
        if (size, digest.hexdigest()) != (self.size, self.digest):
            return f"its {what} with the {name} {self.digest}, but it is {size} bytes with {digest.hexdigest()}"
        return None

    def check(self, path: Path) -> None:
        """Refuse a file that holds something else, and leave it as it is.

        Raises
        ------
        DataError
            If it does, or is no file.
        """
        fault = self.fault(path) if path.is_file() else "it is no file"
        if fault is not None:
            raise DataError(
                f"{path} must be the file that was published, but it is another one ({fault}); "
                f"it is left as it is: move it away, and the right one is fetched."
            )
