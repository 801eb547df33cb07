"""Machine code that Python writes: a small kernel language, its compiler, a pool of threads, and the kernels."""
