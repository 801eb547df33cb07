"""Machine code that Python writes: a small kernel language, its compiler, a pool of threads, and the kernels.

`language` is what kernels are written in and knows no spelling; `llvm` spells it, `compiler` has llvmlite compile it
and keeps the object code, `pool` runs it. Numba, which could do the last three, was measured beside this: to import
it takes 0.2 s (llvmlite 0.04 s), so the first call in a process would be late; its threads either abort the process
when two Python threads call at once (workqueue: 60 to 100 µs for an empty parallel call) or kill a forked child
(OpenMP: 1.7 µs), where the pool here takes 1.2 µs and does neither; and a kernel in its language could not be spelled
for WebAssembly. Both make the same machine code, by the same LLVM.

Layers, each using those before: language, target - llvm - compiler - pool - arguments, strip, blocks, tile, ending -
the kernels (multiply, correlate, outer, depthwise, dot, weights, winograd/, step/) - planning/, the host's side.
"""
