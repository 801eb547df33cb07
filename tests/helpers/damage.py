"""Damaged files: seeded mutations of a good one, and what the error must say about them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from sevenloops.errors import DataError


def mutate(path: Path, good: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Write `count` variants of `good`, one after another, and yield each; half of the changes are near the start."""
    random = Random(seed)
    for _ in range(count):
        changed = bytearray(good)
        for _ in range(random.randint(1, 3)):
            at = random.randint(0, len(changed) if random.random() < 0.5 else min(len(changed), 40))
            length = random.randint(1, 8)
            match random.randrange(6):
                case 0:
                    changed[at : at + 1] = random.randbytes(1)
                case 1:
                    changed[at : at + length] = random.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * length
                case 2:
                    del changed[at:]
                case 3:
                    del changed[at : at + length]
                case 4:
                    changed[at:at] = random.randbytes(length)
                case 5:
                    bit = 1 << random.randrange(8)
                    changed[at : at + 1] = bytes(byte ^ bit for byte in changed[at : at + 1])
        path.unlink(missing_ok=True)  # to replace the content of a file can wait for the disk
        path.write_bytes(changed)
        yield bytes(changed)


def attempt(read: Callable[..., Any], *arguments: Any) -> tuple[Any, DataError | None]:
    """Return what a reader makes of a file: a result, or the one kind of error that it may raise."""
    try:
        return read(*arguments), None
    except DataError as error:
        return None, error


def is_one_sentence_about(error: BaseException, path: Path) -> bool:
    """Return whether a message is one sentence that names the file."""
    message = str(error)
    return str(path) in message and message.endswith(".") and ". " not in message and "\n" not in message
