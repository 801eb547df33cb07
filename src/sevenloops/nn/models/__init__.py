"""Networks that are known by a name."""

from sevenloops.nn.models.lenet import LeNet5

__all__ = ["LeNet5"]
