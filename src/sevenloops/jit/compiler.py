"""From a program to functions that can be called: LLVM compiles it, and its machine code is kept in the cache folder.

A kernel has the signature ``void kernel(args, begin, end, thread)``: the address of an array of 64-bit integers
(sizes and addresses), which of its items to do, and which thread it is. What was compiled once is loaded from a file
named after everything that it depends on: the source of this package, the target, LLVM's version, the kernel's
parameters. The file begins with a checksum; one that is damaged is compiled again.
"""

import ctypes
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any

from sevenloops import runtime
from sevenloops.files import replacing
from sevenloops.jit import target as targets
from sevenloops.version import __version__

__all__ = ["Kernel", "load", "load_functions"]

_lock = RLock()
_loaded: dict[str, int] = {}
_engine: Any = None
_keep: list[Any] = []  # what must live as long as the code
_count = count()


@cache
def _source_digest() -> str:
    """Return a digest of the files that write and compile kernels."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _initialize() -> Any:
    global _engine
    if _engine is None:
        import llvmlite.binding as llvm

        _engine = llvm.create_lljit_compiler(_machine())
    return _engine


@cache
def _machine() -> Any:
    import llvmlite.binding as llvm

    target = targets.current()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="jitdefault", jit=True
    )


def _compile(text: str) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
    return bytes(_machine().emit_object(module))


def load_functions(name: str, symbols: tuple[str, ...], write: Callable[[], str]) -> list[int]:
    """Return the addresses of functions: of this process, from the cache folder, or compiled from `write()`."""
    import llvmlite.binding as llvm

    with _lock:
        if symbols[0] in _loaded:
            return [_loaded[symbol] for symbol in symbols]
        key = hashlib.sha256(
            "\0".join((name, _source_digest(), targets.current().key, str(llvm.llvm_version_info))).encode()
        ).hexdigest()
        code = _from_cache(key)
        if code is None:
            code = _compile(write())
            _to_cache(key, code)
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for symbol in symbols:
            builder.export_symbol(symbol)
        library = builder.link(_initialize(), f"{name}_{next(_count)}")  # a name serves once, even if linking fails
        _keep.append(library)
        for symbol in reversed(symbols):  # the first one says that all are there
            _loaded[symbol] = library[symbol]
        return [_loaded[symbol] for symbol in symbols]


def _path(key: str) -> Path:
    return runtime.cache_folder() / "kernels" / f"{key[:32]}.o"


def _checksum(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _from_cache(key: str) -> bytes | None:
    """Return the machine code of that key, if the cache has it as it was written."""
    try:
        stored = _path(key).read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    size = hashlib.sha256().digest_size
    code = stored[size:]
    return code if stored[:size] == _checksum(key, code) else None


def _to_cache(key: str, code: bytes) -> None:
    """Keep machine code for other processes; where that is impossible they compile it themselves."""
    with suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(_checksum(key, code) + code)


def load(name: str, write: Callable[[targets.Target], str]) -> int:
    """Return the address of a kernel."""
    return load_functions(name, (name,), lambda: write(targets.current()))[0]


Kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)

# A child forked while another thread compiles would find the lock held for ever, and LLVM in the middle of something.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
