"""The ladder: one module per algorithm. The order of these imports is the order of the rungs.

A new rung is one file that ends in ``register(ConvAlgorithm(…))`` and one line here.
"""

# isort: off
from sevenloops.conv.algorithms import loops as loops
