"""The ladder of pooling: one module per algorithm. The order of these imports is the order of the rungs.

A new rung is one file that ends in ``register(PoolAlgorithm(…))`` and one line here.
"""

# isort: off
from sevenloops.pooling.algorithms import loops as loops
from sevenloops.pooling.algorithms import im2col as im2col
from sevenloops.pooling.algorithms import windows as windows
from sevenloops.pooling.algorithms import slices as slices
