"""The kernel language: numbers, addresses and vectors of a program that is being written, and what writes it.

A kernel is a Python function that is run once, to write a program. What it does with Python numbers happens then;
what it does with a `Value` becomes an instruction. So the same source gives a program in which a stride is a constant
or an argument, and an ordinary Python loop is an unrolled one:

    total = code.variable(code.zero())
    with code.loop(0, count) as i:
        total.set(code.fma(code.load(x, i * lanes), code.load(w, i * lanes), total.get()))

Nothing here knows how instructions are spelled: `sevenloops.jit.llvm` does, and another spelling need only give the
methods that raise NotImplementedError here.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, TypeAlias

__all__ = ["Code", "Int", "Kind", "Value", "Variable"]

#: What a value is: a 64-bit integer, an address, a truth, a float, a vector of floats, a truth for each lane, or the
#: bits of a vector's floats as integers of their size.
Kind: TypeAlias = Literal["int", "pointer", "bool", "real", "vector", "mask", "bits"]


class Value:
    """Something that the program will know: the result of an instruction, or an argument.

    Arithmetic with it writes instructions. Integers may be mixed with Python's, floats and vectors only with their
    like.
    """

    __slots__ = ("code", "kind", "name")

    def __init__(self, code: "Code", kind: Kind, name: str) -> None:
        self.code, self.kind, self.name = code, kind, name

    def __add__(self, other: "Int") -> "Value":
        return self if other == 0 else self.code.binary("+", self, other)

    def __radd__(self, other: int) -> "Value":
        return self + other

    def __sub__(self, other: "Int") -> "Value":
        return self if other == 0 else self.code.binary("-", self, other)

    def __rsub__(self, other: int) -> "Value":
        return self.code.binary("-", other, self)

    def __mul__(self, other: "Int") -> "Value":
        if isinstance(other, int) and self.kind == "int" and other in (0, 1):
            return self if other else self.code.integer(0)
        return self.code.binary("*", self, other)

    def __rmul__(self, other: int) -> "Value":
        return self * other

    def __truediv__(self, other: "Value") -> "Value":
        return self.code.binary("/", self, other)

    def __floordiv__(self, other: "Int") -> "Value":
        """Divide integers that are not negative, rounding down."""
        return self if other == 1 else self.code.binary("//", self, other)

    def __mod__(self, other: "Int") -> "Value":
        """Return the remainder of integers that are not negative."""
        return self.code.binary("%", self, other)

    def __lt__(self, other: "Int") -> "Value":
        return self.code.compare("<", self, other)

    def __le__(self, other: "Int") -> "Value":
        return self.code.compare("<=", self, other)

    def __gt__(self, other: "Int") -> "Value":
        return self.code.compare(">", self, other)

    def __ge__(self, other: "Int") -> "Value":
        return self.code.compare(">=", self, other)

    def equals(self, other: "Int") -> "Value":
        """Compare; ``==`` is left to Python, which needs it to tell values apart."""
        return self.code.compare("==", self, other)


#: An integer that is known now, or that the program will know.
Int: TypeAlias = Value | int


class Variable:
    """A place in the program whose value changes; what is read is the value at that moment."""

    __slots__ = ("code", "kind", "name")

    def __init__(self, code: "Code", kind: Kind, name: str) -> None:
        self.code, self.kind, self.name = code, kind, name

    def get(self) -> Value:
        """Read it."""
        return self.code.read(self)

    def set(self, value: Value) -> None:
        """Overwrite it."""
        self.code.write(self, value)


class Code:
    """A function of the program being written.

    Attributes
    ----------
    name : str
    lanes : int
        Floats in a vector.
    itemsize : int
        Bytes of a float: 4 or 8.
    """

    name: str
    lanes: int
    itemsize: int

    # --- what a spelling gives ------------------------------------------------------------------------------------

    def binary(self, operator: str, a: Int, b: Int) -> Value:
        """Apply one of + - * / // % to two values of a kind; to bits one of + - & | ^ << >>."""
        raise NotImplementedError

    def compare(self, operator: str, a: Int, b: Int) -> Value:
        """Compare two values of a kind; vectors and bits (integers with a sign) give a mask.

        With floats the result is false where one is not a number.
        """
        raise NotImplementedError

    def number(self, value: float) -> Value:
        """Return a float."""
        raise NotImplementedError

    def integer(self, value: Int) -> Value:
        """Return an integer of the program, where a Python one does not do."""
        raise NotImplementedError

    def real(self, integer: Value) -> Value:
        """Return an integer as a float."""
        raise NotImplementedError

    def spread(self, number: Value) -> Value:
        """Return a vector with a float in every lane."""
        raise NotImplementedError

    def vector(self, value: float) -> Value:
        """Return a vector with a number that is known now in every lane."""
        raise NotImplementedError

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return a·b + c, rounded once where the machine can."""
        raise NotImplementedError

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return one of two values; with a mask, lane by lane."""
        raise NotImplementedError

    def absolute(self, vector: Value) -> Value:
        """Return |x|."""
        raise NotImplementedError

    def root(self, vector: Value) -> Value:
        """Return √x."""
        raise NotImplementedError

    def with_sign(self, magnitude: Value, sign: Value) -> Value:
        """Return |magnitude| with the sign of another vector."""
        raise NotImplementedError

    def bits(self, vector: Value) -> Value:
        """Return the bits of a vector's floats, for + - & | ^ << >> with each other (>> fills with zeros)."""
        raise NotImplementedError

    def floats(self, bits: Value) -> Value:
        """Return the vector of floats that have such bits."""
        raise NotImplementedError

    def pattern(self, number: int) -> Value:
        """Return bits that are known now, the same in every lane."""
        raise NotImplementedError

    def spread_bits(self, number: Value) -> Value:
        """Return bits that are an integer, which fits into a float's size, in every lane."""
        raise NotImplementedError

    def lane_numbers(self) -> Value:
        """Return bits that are 0 in the first lane, 1 in the next, and so on."""
        raise NotImplementedError

    def gather(self, pointer: Value, places: Value, mask: Value) -> Value:
        """Read floats from the places (bits, not negative) of the lanes in the mask; the others are zero."""
        raise NotImplementedError

    def gather_ints(self, pointer: Value, places: Value, mask: Value, size: int = 8) -> Value:
        """Read likewise from an array of integers of `size` bytes, and return what of them fits into bits."""
        raise NotImplementedError

    def load_ints(self, pointer: Value, place: Int = 0, mask: Value | None = None, size: int = 8) -> Value:
        """Read from an array of integers of `size` bytes, and return what of them fits into bits."""
        raise NotImplementedError

    def store_ints(
        self, bits: Value, pointer: Value, place: Int = 0, mask: Value | None = None, size: int = 8
    ) -> None:
        """Write bits, which are integers with a sign, to an array of integers of `size` bytes."""
        raise NotImplementedError

    def store_int(self, number: Value, pointer: Value, place: Int = 0) -> None:
        """Write one of an array's 64-bit integers."""
        raise NotImplementedError

    def first_lanes(self, count: Int) -> Value:
        """Return the mask of the first `count` lanes, at most all."""
        raise NotImplementedError

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """Return the columns of a square whose rows are `lanes` vectors."""
        raise NotImplementedError

    def sum_lanes(self, vector: Value) -> Value:
        """Return the sum of a vector's lanes, a float."""
        raise NotImplementedError

    def largest_lane(self, vector: Value) -> Value:
        """Return the largest of a vector's lanes, a float; what is not a number is passed over."""
        raise NotImplementedError

    def address(self, pointer: Value, floats: Int) -> Value:
        """Return the address that many floats further on."""
        raise NotImplementedError

    def address_of_int(self, pointer: Value, place: Int, size: int = 8) -> Value:
        """Return the address of one of an array's integers of `size` bytes."""
        raise NotImplementedError

    def load(self, pointer: Value, floats: Int = 0, mask: Value | None = None) -> Value:
        """Read a vector; the lanes that a mask leaves out are zero, and their memory is not touched."""
        raise NotImplementedError

    def load_real(self, pointer: Value, floats: Int = 0) -> Value:
        """Read one float."""
        raise NotImplementedError

    def load_int(self, pointer: Value, place: Int) -> Value:
        """Read one of an array's 64-bit integers."""
        raise NotImplementedError

    def load_pointer(self, pointer: Value, place: Int) -> Value:
        """Read an address from an array of 64-bit integers."""
        raise NotImplementedError

    def store(self, value: Value, pointer: Value, floats: Int = 0, mask: Value | None = None) -> None:
        """Write a float or a vector; of a vector with a mask only the lanes in it."""
        raise NotImplementedError

    def prefetch(self, pointer: Value, floats: Int = 0, *, write: bool = False) -> None:
        """Ask for a cache line that will be read or written soon; an address that does not exist does no harm."""
        raise NotImplementedError

    def variable(self, value: Value) -> Variable:
        """Return a new variable with a value to begin with."""
        raise NotImplementedError

    def read(self, variable: Variable) -> Value:
        """Return the value of a variable."""
        raise NotImplementedError

    def write(self, variable: Variable, value: Value) -> None:
        """Give a variable another value."""
        raise NotImplementedError

    def loop(self, start: Int, stop: Int, step: Int = 1) -> AbstractContextManager[Value]:
        """Repeat what is written inside the ``with`` block, for start, start + step, ... less than stop."""
        raise NotImplementedError

    def when(self, condition: Value) -> AbstractContextManager[None]:
        """Do what is written inside the ``with`` block if a truth holds."""
        raise NotImplementedError

    def call(self, function: "Code", *arguments: Int) -> None:
        """Call another function of the program."""
        raise NotImplementedError

    # --- what follows from it -------------------------------------------------------------------------------------

    def zero(self) -> Value:
        """Return a vector of zeros."""
        return self.vector(0.0)

    def minimum(self, a: Int, b: Int) -> Int:
        """Return the smaller of two integers."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        a, b = self.integer(a), self.integer(b)
        return self.select(a < b, a, b)

    def maximum(self, a: Int, b: Int) -> Int:
        """Return the larger of two integers."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        a, b = self.integer(a), self.integer(b)
        return self.select(a < b, b, a)

    def tiles(self, count: Int) -> "Iterator[tuple[Value, Value | None]]":
        """Write a loop body twice: for the full vectors of `count` floats, and for what is left, with its mask.

        Yields the place of the first float and the mask, None where the vector is full:

            for i, mask in code.tiles(count):
                code.store(code.load(x, i, mask), y, i, mask)
        """
        full = count - count % self.lanes
        with self.loop(0, full, self.lanes) as i:
            yield i, None
        left = count - full
        if isinstance(left, int):
            if left:
                yield self.integer(full), self.first_lanes(left)
            return
        with self.when(left > 0):
            yield self.integer(full), self.first_lanes(left)
