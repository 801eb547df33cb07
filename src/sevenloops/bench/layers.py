"""A convolution layer as a benchmark knows it: sizes, operations, and the same random arrays in every process."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from sevenloops.arrays import Array
from sevenloops.conv.problem import DIRECTIONS

__all__ = ["PASSES", "ConvLayer"]

PASSES = DIRECTIONS


@dataclass(frozen=True, slots=True, order=True)
class ConvLayer:
    """A two-dimensional convolution of float32 arrays.

    Attributes
    ----------
    n, c, h, w : int
        Images, channels, height and width of the input.
    o : int
        Channels of the output.
    kernel, stride, padding : pair of int
        For height and width.
    groups : int
    """

    n: int
    c: int
    h: int
    w: int
    o: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1

    @classmethod
    def square(
        cls, n: int, c: int, size: int, o: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Self:
        """Return a layer whose height and width are alike in everything."""
        return cls(n, c, size, size, o, (kernel, kernel), (stride, stride), (padding, padding), groups)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the layer that `to_json` described."""
        arguments: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**arguments)

    def to_json(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return asdict(self)

    def __str__(self) -> str:
        def pair(values: tuple[int, int]) -> str:
            return str(values[0]) if values[0] == values[1] else f"{values[0]}x{values[1]}"

        text = f"{self.n},{self.c},{self.h},{self.w} -> {self.o}, {self.kernel[0]}x{self.kernel[1]}"
        text += f", s{pair(self.stride)}" if self.stride != (1, 1) else ""
        text += f", p{pair(self.padding)}" if self.padding != (0, 0) else ""
        return text + (f", g{self.groups}" if self.groups > 1 else "")

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        height, width = (
            (size + 2 * pad - kernel) // stride + 1
            for size, kernel, stride, pad in zip((self.h, self.w), self.kernel, self.stride, self.padding)
        )
        return height, width

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        """Shape of the input."""
        return self.n, self.c, self.h, self.w

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weight."""
        return self.o, self.c // self.groups, *self.kernel

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output."""
        return self.n, self.o, *self.out_size

    @property
    def flops(self) -> int:
        """Operations of each of the three passes by definition, two per multiply-add, padding included."""
        height, width = self.out_size
        return 2 * self.n * self.o * height * width * (self.c // self.groups) * self.kernel[0] * self.kernel[1]

    @property
    def bytes(self) -> int:
        """Bytes of input, weight and output in float32: what each pass must read or write at least."""
        shapes = (self.x_shape, self.weight_shape, self.out_shape)
        return 4 * sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments of a convolution beside its arrays."""
        return {"stride": self.stride, "padding": self.padding, "groups": self.groups}

    def arrays(self) -> tuple[Array, Array, Array]:
        """Return input, weight and the gradient of the output, float32, the same in every process."""
        rng = np.random.default_rng(0)
        x, weight, grad = (
            rng.standard_normal(shape, dtype=np.float32)
            for shape in (self.x_shape, self.weight_shape, self.out_shape)
        )
        return x, weight, grad
