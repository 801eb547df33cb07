"""Pooling, for arrays and Tensors."""

from sevenloops.functional.pooling.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from sevenloops.functional.pooling.adaptive_gradients import (
    adaptive_avg_pool1d_input_grad,
    adaptive_avg_pool2d_input_grad,
    adaptive_avg_pool3d_input_grad,
    adaptive_max_pool1d_input_grad,
    adaptive_max_pool2d_input_grad,
    adaptive_max_pool3d_input_grad,
)
from sevenloops.functional.pooling.average import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
)
from sevenloops.functional.pooling.call import (
    pooling_algorithms,
)
from sevenloops.functional.pooling.gradients import (
    avg_pool1d_input_grad,
    avg_pool2d_input_grad,
    avg_pool3d_input_grad,
    max_pool1d_input_grad,
    max_pool2d_input_grad,
    max_pool3d_input_grad,
)
from sevenloops.functional.pooling.maximum import (
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from sevenloops.functional.pooling.unpool import max_unpool1d, max_unpool2d, max_unpool3d
from sevenloops.functional.pooling.whole import (
    global_avg_pool1d,
    global_avg_pool2d,
    global_avg_pool3d,
    global_max_pool1d,
    global_max_pool2d,
    global_max_pool3d,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_input_grad",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_input_grad",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_input_grad",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_input_grad",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_input_grad",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_input_grad",
    "avg_pool1d",
    "avg_pool1d_input_grad",
    "avg_pool2d",
    "avg_pool2d_input_grad",
    "avg_pool3d",
    "avg_pool3d_input_grad",
    "global_avg_pool1d",
    "global_avg_pool2d",
    "global_avg_pool3d",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
    "max_pool1d",
    "max_pool1d_input_grad",
    "max_pool2d",
    "max_pool2d_input_grad",
    "max_pool3d",
    "max_pool3d_input_grad",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "pooling_algorithms",
]
