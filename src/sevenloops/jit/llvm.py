"""The kernel language in LLVM's assembly, as text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sevenloops.jit.language import Code, Int, Kind, Value, Variable
from sevenloops.jit.target import Target

__all__ = ["Function", "Program"]

_FLOAT_OPERATORS = {"+": "fadd contract", "-": "fsub contract", "*": "fmul contract", "/": "fdiv contract"}
# Integers are sizes and places, products of which the geometry has bounded: they never wrap around.
_INT_OPERATORS = {"+": "add nsw", "-": "sub nsw", "*": "mul nsw", "//": "udiv", "%": "urem"}
_BIT_OPERATORS = {"+": "add", "-": "sub", "&": "and", "|": "or", "^": "xor", "<<": "shl", ">>": "lshr"}
_INT_RELATIONS = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq"}
_FLOAT_RELATIONS = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq"}


class Program:
    """Functions that are compiled together, for floats of one size on one target."""

    def __init__(self, target: Target, itemsize: int, lanes: int | None = None) -> None:
        self.target, self.itemsize = target, itemsize
        self.lanes = lanes or target.vector_bytes // itemsize
        self.functions: list[Function] = []
        self.declarations: set[str] = set()

    def function(self, name: str, parameters: str, *, exported: bool = False) -> "Function":
        """Begin a function; `parameters` has one letter for each: p for an address, i for an integer."""
        function = Function(self, name, parameters, exported)
        self.functions.append(function)
        return function

    def text(self) -> str:
        """Return the program in LLVM's assembly."""
        return "\n".join([*sorted(self.declarations), *(function.text() for function in self.functions)])


class Function(Code):
    """One function; its parameters are in `arguments`."""

    def __init__(self, program: Program, name: str, parameters: str, exported: bool) -> None:
        self.program, self.name = program, name
        self.lanes, self.itemsize = program.lanes, program.itemsize
        self._exported = exported
        self._count = 0
        self._entry: list[str] = []  # variables live in the first block, where LLVM makes registers of them
        self._lines: list[str] = []
        real = "float" if program.itemsize == 4 else "double"
        self._types: dict[Kind, str] = {
            "int": "i64",
            "pointer": "ptr",
            "bool": "i1",
            "real": real,
            "vector": f"<{self.lanes} x {real}>",
            "mask": f"<{self.lanes} x i1>",
            "bits": f"<{self.lanes} x i{8 * program.itemsize}>",
        }
        self._suffix = f"v{self.lanes}f{8 * program.itemsize}"
        kinds: dict[str, Kind] = {"p": "pointer", "i": "int"}
        self.arguments = [Value(self, kinds[p], f"%a{i}") for i, p in enumerate(parameters)]

    def text(self) -> str:
        """Return the function in LLVM's assembly."""
        parameters = ", ".join(
            f"{self._type(a)}{' noundef' if a.kind == 'pointer' else ''} {a.name}" for a in self.arguments
        )
        linkage = "" if self._exported else "internal "
        inline = "" if self._exported else " noinline"
        head = f"define {linkage}void @{self.name}({parameters}) nounwind{inline} {{"
        return "\n".join([head, "entry:", *self._entry, *self._lines, "  ret void", "}", ""])

    # --- spelling -------------------------------------------------------------------------------------------------

    def _type(self, value: Value | Variable) -> str:
        return self._types[value.kind]

    def _fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def _emit(self, kind: Kind, instruction: str) -> Value:
        name = self._fresh()
        self._lines.append(f"  {name} = {instruction}")
        return Value(self, kind, name)

    def _do(self, instruction: str) -> None:
        self._lines.append(f"  {instruction}")

    def _declare(self, declaration: str) -> None:
        self.program.declarations.add(f"declare {declaration}")

    # --- numbers --------------------------------------------------------------------------------------------------

    def binary(self, operator: str, a: Int, b: Int) -> Value:
        x, y = self.integer(a), self.integer(b)
        if x.kind == "int":
            return self._emit("int", f"{_INT_OPERATORS[operator]} i64 {x.name}, {y.name}")
        if x.kind == "bits":
            return self._emit("bits", f"{_BIT_OPERATORS[operator]} {self._type(x)} {x.name}, {y.name}")
        return self._emit(x.kind, f"{_FLOAT_OPERATORS[operator]} {self._type(x)} {x.name}, {y.name}")

    def compare(self, operator: str, a: Int, b: Int) -> Value:
        x, y = self.integer(a), self.integer(b)
        if x.kind == "int":
            return self._emit("bool", f"icmp {_INT_RELATIONS[operator]} i64 {x.name}, {y.name}")
        if x.kind == "bits":
            return self._emit("mask", f"icmp {_INT_RELATIONS[operator]} {self._type(x)} {x.name}, {y.name}")
        kind: Kind = "mask" if x.kind == "vector" else "bool"
        return self._emit(kind, f"fcmp {_FLOAT_RELATIONS[operator]} {self._type(x)} {x.name}, {y.name}")

    def integer(self, value: Int) -> Value:
        return Value(self, "int", str(value)) if isinstance(value, int) else value

    def number(self, value: float) -> Value:
        return Value(self, "real", _spelled(value, self.itemsize))

    def vector(self, value: float) -> Value:
        lane = f"{self._types['real']} {_spelled(value, self.itemsize)}"
        return Value(self, "vector", f"<{', '.join([lane] * self.lanes)}>")

    def real(self, integer: Value) -> Value:
        return self._emit("real", f"sitofp i64 {integer.name} to {self._types['real']}")

    def spread(self, number: Value) -> Value:
        vector = self._types["vector"]
        first = self._emit("vector", f"insertelement {vector} poison, {self._types['real']} {number.name}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self._emit("vector", f"shufflevector {vector} {first.name}, {vector} poison, {zeros}")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        vector = a.kind == "vector"
        type_ = self._type(a)
        name = f"llvm.fmuladd.{self._suffix if vector else f'f{8 * self.itemsize}'}"
        self._declare(f"{type_} @{name}({type_}, {type_}, {type_})")
        return self._emit(a.kind, f"call {type_} @{name}({type_} {a.name}, {type_} {b.name}, {type_} {c.name})")

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        type_ = self._type(yes)
        return self._emit(
            yes.kind, f"select {self._type(condition)} {condition.name}, {type_} {yes.name}, {type_} {no.name}"
        )

    def absolute(self, vector: Value) -> Value:
        return self._intrinsic("fabs", vector)

    def root(self, vector: Value) -> Value:
        return self._intrinsic("sqrt", vector)

    def with_sign(self, magnitude: Value, sign: Value) -> Value:
        return self._intrinsic("copysign", magnitude, sign)

    def _intrinsic(self, name: str, *vectors: Value) -> Value:
        type_ = self._type(vectors[0])
        full = f"llvm.{name}.{self._suffix if vectors[0].kind == 'vector' else f'f{8 * self.itemsize}'}"
        self._declare(f"{type_} @{full}({', '.join([type_] * len(vectors))})")
        return self._emit(vectors[0].kind, f"call {type_} @{full}({', '.join(f'{type_} {v.name}' for v in vectors)})")

    def bits(self, vector: Value) -> Value:
        return self._emit("bits", f"bitcast {self._type(vector)} {vector.name} to {self._types['bits']}")

    def floats(self, bits: Value) -> Value:
        return self._emit("vector", f"bitcast {self._type(bits)} {bits.name} to {self._types['vector']}")

    def pattern(self, number: int) -> Value:
        lane = f"i{8 * self.itemsize} {number}"
        return Value(self, "bits", f"<{', '.join([lane] * self.lanes)}>")

    def spread_bits(self, number: Value) -> Value:
        bits, size = self._types["bits"], 8 * self.itemsize
        small = self._emit("int", f"trunc i64 {number.name} to i32") if size == 32 else number
        first = self._emit("bits", f"insertelement {bits} poison, i{size} {small.name}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self._emit("bits", f"shufflevector {bits} {first.name}, {bits} poison, {zeros}")

    def lane_numbers(self) -> Value:
        lanes = ", ".join(f"i{8 * self.itemsize} {lane}" for lane in range(self.lanes))
        return Value(self, "bits", f"<{lanes}>")

    def gather(self, pointer: Value, places: Value, mask: Value) -> Value:
        return self._gather("vector", self._types["real"], pointer, places, mask)

    def gather_ints(self, pointer: Value, places: Value, mask: Value, size: int = 8) -> Value:
        return self._as_bits(self._gather("bits", f"i{8 * size}", pointer, places, mask), size)

    def _gather(self, kind: Kind, element: str, pointer: Value, places: Value, mask: Value) -> Value:
        vector, pointers = f"<{self.lanes} x {element}>", f"<{self.lanes} x ptr>"
        at = self._emit(
            "pointer", f"getelementptr {element}, ptr {pointer.name}, {self._types['bits']} {places.name}"
        )
        letter = {"float": "f32", "double": "f64"}.get(element, element)
        name, masks = f"llvm.masked.gather.v{self.lanes}{letter}.v{self.lanes}p0", self._types["mask"]
        self._declare(f"{vector} @{name}({pointers}, i32, {masks}, {vector})")
        size = int(element[1:]) // 8 if element[0] == "i" else self.itemsize
        given = f"{pointers} {at.name}, i32 {size}, {masks} {mask.name}, {vector} zeroinitializer"
        return self._emit(kind, f"call {vector} @{name}({given})")

    def _as_bits(self, integers: Value, size: int) -> Value:
        """Return integers of `size` bytes as bits."""
        if size == self.itemsize:
            return integers
        how, given = "trunc" if size > self.itemsize else "sext", f"<{self.lanes} x i{8 * size}>"
        return self._emit("bits", f"{how} {given} {integers.name} to {self._types['bits']}")

    def load_ints(self, pointer: Value, place: Int = 0, mask: Value | None = None, size: int = 8) -> Value:
        vector = f"<{self.lanes} x i{8 * size}>"
        source = self.address_of_int(pointer, place, size)
        if mask is None:
            return self._as_bits(self._emit("bits", f"load {vector}, ptr {source.name}, align {size}"), size)
        name, masks = f"llvm.masked.load.v{self.lanes}i{8 * size}.p0", self._types["mask"]
        self._declare(f"{vector} @{name}(ptr, i32, {masks}, {vector})")
        given = f"ptr {source.name}, i32 {size}, {masks} {mask.name}, {vector} zeroinitializer"
        return self._as_bits(self._emit("bits", f"call {vector} @{name}({given})"), size)

    def store_ints(
        self, bits: Value, pointer: Value, place: Int = 0, mask: Value | None = None, size: int = 8
    ) -> None:
        vector, value = f"<{self.lanes} x i{8 * size}>", bits
        if size != self.itemsize:
            how = "sext" if size > self.itemsize else "trunc"
            value = self._emit("bits", f"{how} {self._types['bits']} {bits.name} to {vector}")
        target = self.address_of_int(pointer, place, size)
        if mask is None:
            self._do(f"store {vector} {value.name}, ptr {target.name}, align {size}")
            return
        name, masks = f"llvm.masked.store.v{self.lanes}i{8 * size}.p0", self._types["mask"]
        self._declare(f"void @{name}({vector}, ptr, i32, {masks})")
        self._do(f"call void @{name}({vector} {value.name}, ptr {target.name}, i32 {size}, {masks} {mask.name})")

    def store_int(self, number: Value, pointer: Value, place: Int = 0) -> None:
        self._do(f"store i64 {number.name}, ptr {self._place(pointer, 'i64', place).name}, align 8")

    def first_lanes(self, count: Int) -> Value:
        if isinstance(count, int):
            lanes = ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(self.lanes))
            return Value(self, "mask", f"<{lanes}>")
        type_ = f"<{self.lanes} x i64>"
        first = self._emit("vector", f"insertelement {type_} poison, i64 {count.name}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        all_ = self._emit("vector", f"shufflevector {type_} {first.name}, {type_} poison, {zeros}")
        lanes = ", ".join(f"i64 {i}" for i in range(self.lanes))
        return self._emit("mask", f"icmp slt {type_} <{lanes}>, {all_.name}")

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        # Recursively: exchange the off-diagonal blocks of size 1, 2, 4, ... between pairs of rows that far apart.
        square, size = list(rows), 1
        while size < self.lanes:
            for i in range(self.lanes):
                if not i & size:
                    a, b = square[i], square[i + size]
                    low = [lane if not lane & size else self.lanes + lane - size for lane in range(self.lanes)]
                    high = [lane + size if not lane & size else self.lanes + lane for lane in range(self.lanes)]
                    square[i], square[i + size] = self._shuffle(a, b, low), self._shuffle(a, b, high)
            size *= 2
        return square

    def _shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        vector = self._types["vector"]
        picked = f"<{len(lanes)} x i32> <{', '.join(f'i32 {lane}' for lane in lanes)}>"
        return self._emit("vector", f"shufflevector {vector} {a.name}, {vector} {b.name}, {picked}")

    def sum_lanes(self, vector: Value) -> Value:
        real = self._types["real"]
        name = f"llvm.vector.reduce.fadd.{self._suffix}"
        self._declare(f"{real} @{name}({real}, {self._types['vector']})")
        zero = _spelled(-0.0, self.itemsize)
        return self._emit(
            "real", f"call reassoc {real} @{name}({real} {zero}, {self._types['vector']} {vector.name})"
        )

    def largest_lane(self, vector: Value) -> Value:
        real = self._types["real"]
        name = f"llvm.vector.reduce.fmax.{self._suffix}"
        self._declare(f"{real} @{name}({self._types['vector']})")
        return self._emit("real", f"call {real} @{name}({self._types['vector']} {vector.name})")

    # --- memory ---------------------------------------------------------------------------------------------------

    def _place(self, pointer: Value, type_: str, offset: Int) -> Value:
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self._emit("pointer", f"getelementptr {type_}, ptr {pointer.name}, i64 {self.integer(offset).name}")

    def address(self, pointer: Value, floats: Int) -> Value:
        return self._place(pointer, self._types["real"], floats)

    def address_of_int(self, pointer: Value, place: Int, size: int = 8) -> Value:
        return self._place(pointer, f"i{8 * size}", place)

    def load(self, pointer: Value, floats: Int = 0, mask: Value | None = None) -> Value:
        place, vector = self.address(pointer, floats), self._types["vector"]
        if mask is None:
            return self._emit("vector", f"load {vector}, ptr {place.name}, align {self.itemsize}")
        name, masks = f"llvm.masked.load.{self._suffix}.p0", self._types["mask"]
        self._declare(f"{vector} @{name}(ptr, i32, {masks}, {vector})")
        return self._emit(
            "vector",
            f"call {vector} @{name}(ptr {place.name}, i32 {self.itemsize}, {masks} {mask.name}, "
            f"{vector} {self.zero().name})",
        )

    def load_real(self, pointer: Value, floats: Int = 0) -> Value:
        place = self.address(pointer, floats)
        return self._emit("real", f"load {self._types['real']}, ptr {place.name}, align {self.itemsize}")

    def load_int(self, pointer: Value, place: Int) -> Value:
        return self._emit("int", f"load i64, ptr {self._place(pointer, 'i64', place).name}, align 8")

    def load_pointer(self, pointer: Value, place: Int) -> Value:
        return self._emit("pointer", f"load ptr, ptr {self._place(pointer, 'i64', place).name}, align 8")

    def store(self, value: Value, pointer: Value, floats: Int = 0, mask: Value | None = None) -> None:
        place, type_ = self.address(pointer, floats), self._type(value)
        if mask is None:
            self._do(f"store {type_} {value.name}, ptr {place.name}, align {self.itemsize}")
            return
        name, masks = f"llvm.masked.store.{self._suffix}.p0", self._types["mask"]
        self._declare(f"void @{name}({type_}, ptr, i32, {masks})")
        self._do(
            f"call void @{name}({type_} {value.name}, ptr {place.name}, i32 {self.itemsize}, {masks} {mask.name})"
        )

    def prefetch(self, pointer: Value, floats: Int = 0, *, write: bool = False) -> None:
        place = self.address(pointer, floats)
        self._declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self._do(f"call void @llvm.prefetch.p0(ptr {place.name}, i32 {int(write)}, i32 3, i32 1)")

    # --- variables, loops, calls ----------------------------------------------------------------------------------

    def variable(self, value: Value) -> Variable:
        name = self._fresh()
        self._entry.append(f"  {name} = alloca {self._type(value)}")
        variable = Variable(self, value.kind, name)
        self.write(variable, value)
        return variable

    def read(self, variable: Variable) -> Value:
        return self._emit(variable.kind, f"load {self._type(variable)}, ptr {variable.name}")

    def write(self, variable: Variable, value: Value) -> None:
        self._do(f"store {self._type(value)} {value.name}, ptr {variable.name}")

    @contextmanager
    def loop(self, start: Int, stop: Int, step: Int = 1) -> Iterator[Value]:
        place = self.variable(self.integer(start))
        self._count += 1
        head, body, end = (f"{part}{self._count}" for part in ("head", "body", "end"))
        self._do(f"br label %{head}")
        self._lines.append(f"{head}:")
        inside = place.get() < stop
        self._do(f"br i1 {inside.name}, label %{body}, label %{end}")
        self._lines.append(f"{body}:")
        yield place.get()
        place.set(place.get() + step)
        self._do(f"br label %{head}")
        self._lines.append(f"{end}:")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        self._count += 1
        yes, end = f"yes{self._count}", f"end{self._count}"
        self._do(f"br i1 {condition.name}, label %{yes}, label %{end}")
        self._lines.append(f"{yes}:")
        yield
        self._do(f"br label %{end}")
        self._lines.append(f"{end}:")

    def call(self, function: Code, *arguments: Int) -> None:
        given = ", ".join(f"{self._type(v)} {v.name}" for v in map(self.integer, arguments))
        self._do(f"call void @{function.name}({given})")


def _spelled(value: float, itemsize: int) -> str:
    """Return a float as LLVM takes it without rounding: the bits of a double."""
    import struct

    if itemsize == 4:
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return "0x" + struct.pack(">d", value).hex().upper()
