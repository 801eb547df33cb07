"""From a program to functions that can be called: LLVM compiles it, and its machine code is kept in the cache folder.

A kernel has the signature ``void kernel(args, begin, end, thread)``: the address of an array of 64-bit integers
(sizes and addresses), which of its items to do, and which thread it is. What was compiled once is loaded from a file
named after everything that it depends on: the source of this package, the target, LLVM's version, the kernel's
parameters.
"""

import ctypes
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from sevenloops import runtime
from sevenloops.jit import target as targets
from sevenloops.version import __version__

__all__ = ["Kernel", "load", "load_functions"]

_lock = Lock()
_loaded: dict[str, int] = {}
_engine: Any = None
_keep: list[Any] = []  # what must live as long as the code


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
        )
        engine = _initialize()
        path = runtime.cache_folder() / "kernels" / f"{key.hexdigest()[:32]}.o"
        try:
            code = path.read_bytes()
        except OSError:
            code = _compile(write())
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_suffix(f".{os.getpid()}")
                temporary.write_bytes(code)
                temporary.replace(path)
            except OSError:
                pass
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for symbol in symbols:
            builder.export_symbol(symbol)
        library = builder.link(engine, f"lib_{name}")
        _keep.append(library)
        for symbol in symbols:
            _loaded[symbol] = library[symbol]
        return [_loaded[symbol] for symbol in symbols]


def load(name: str, write: Callable[[targets.Target], str]) -> int:
    """Return the address of a kernel."""
    return load_functions(name, (name,), lambda: write(targets.current()))[0]


Kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
