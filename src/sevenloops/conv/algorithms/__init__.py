"""The ladder: one module per algorithm. The order of these imports is the order of the rungs.

A new rung is one file that ends in ``register(ConvAlgorithm(…))`` and one line here.
"""

# isort: off
from sevenloops.conv.algorithms import loops as loops
from sevenloops.conv.algorithms import loops_window as loops_window
from sevenloops.conv.algorithms import einsum_pixel as einsum_pixel
from sevenloops.conv.algorithms import einsum_windows as einsum_windows
from sevenloops.conv.algorithms import offset_matmul as offset_matmul
from sevenloops.conv.algorithms import im2col_index as im2col_index
from sevenloops.conv.algorithms import im2col as im2col
from sevenloops.conv.algorithms import im2col_lazy as im2col_lazy
from sevenloops.conv.algorithms import winograd as winograd
from sevenloops.conv.algorithms import fft as fft
from sevenloops.conv.algorithms import direct as direct
