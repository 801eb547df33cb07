"""Weights in the order in which the register tile reads them, and back.

The packed array is [group][block of channels][term][lane]: the terms of the sum in the order of the segments, each
with the vectors of a block of output channels. Lanes beyond the last channel are zero. The host gives two tables: for
each term, in the order of the source, its offset in the source and its place among the terms.
"""

from dataclasses import dataclass

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Int, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "UNPACK", "PackForm", "UnpackForm"]

ARGUMENTS = Layout(
    ("source", "packed", "offsets", "places"),
    (
        "terms",
        "groups",
        "source_group",  # floats from one group to the next
        "source_channel",  # and from one output channel to the next
        "channel_blocks",
        "block",  # floats of a block but the last: terms · lanes · vectors
        "group",  # floats of a group in the packed array
        "channels",  # in a group
    ),
)


#: What the kernel that unpacks is given.
UNPACK = Layout(
    ("packed", "target", "offsets", "places"),
    ("terms", "slices", "slice", "target_group", "target_channel", "channel_blocks", "block", "group", "channels"),
)


@dataclass(frozen=True, slots=True)
class UnpackForm:
    """A kernel that adds up slices of packed weights and writes them in another order; items as in `PackForm`.

    Attributes
    ----------
    itemsize, lanes, vectors, last_vectors : int
    adjacent : {"channels", "terms", "none"}
        What lies side by side in the target.
    """

    itemsize: int
    lanes: int
    vectors: int
    last_vectors: int
    adjacent: str

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"unpack_f{8 * self.itemsize}x{self.lanes}_{self.vectors}_{self.last_vectors}_{self.adjacent}"

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: UNPACK.read(code, args, name) for name in UNPACK.names}
        lanes, terms = self.lanes, get["terms"]
        in_group = (get["channel_blocks"] - 1) * self.vectors + self.last_vectors
        with code.loop(begin, end) as item:
            group, vector = item // in_group, item % in_group
            block, within = vector // self.vectors, vector % self.vectors
            is_last = (block + 1).equals(get["channel_blocks"])
            width = code.select(is_last, code.integer(self.last_vectors * lanes), code.integer(self.vectors * lanes))
            channel = vector * lanes
            packed = code.address(get["packed"], group * get["group"] + block * get["block"] + within * lanes)
            to = code.address(get["target"], group * get["target_group"] + channel * get["target_channel"])
            count = code.integer(code.minimum(get["channels"] - channel, lanes))
            mask = code.first_lanes(count)

            def total(term: Int) -> Value:
                """Write the sum of a term over the slices, in their order."""
                place = code.address(packed, code.load_int(get["places"], term) * width)
                result = code.variable(code.load(place))
                with code.loop(1, get["slices"]) as s:
                    result.set(result.get() + code.load(place, s * get["slice"]))
                return result.get()

            if self.adjacent == "channels":
                with code.loop(0, terms) as t:
                    code.store(total(t), to, code.load_int(get["offsets"], t), mask)
            else:
                squares: Int = code.integer(0)
                if self.adjacent == "terms":
                    squares = code.select(count < lanes, code.integer(0), terms - terms % lanes)
                    with code.loop(0, squares, lanes) as t:
                        first = code.address(to, code.load_int(get["offsets"], t))
                        for i, column in enumerate(code.transpose([total(t + i) for i in range(lanes)])):
                            code.store(column, first, get["target_channel"] * i)
                with code.loop(squares, terms) as t:
                    first = code.address(to, code.load_int(get["offsets"], t))
                    place = code.address(packed, code.load_int(get["places"], t) * width)
                    with code.loop(0, count) as lane:
                        result = code.variable(code.load_real(place, lane))
                        with code.loop(1, get["slices"]) as s:
                            result.set(result.get() + code.load_real(place, s * get["slice"] + lane))
                        code.store(result.get(), first, lane * get["target_channel"])
        return program.text()

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)


@dataclass(frozen=True, slots=True)
class PackForm:
    """A kernel that packs weights; an item is a vector of output channels of a group.

    Attributes
    ----------
    itemsize, lanes, vectors, last_vectors : int
        As in `sevenloops.jit.multiply.MultiplyForm`.
    adjacent : {"channels", "terms", "none"}
        What lies side by side in the source: the output channels, the terms (in the order of the tables), or neither.
    """

    itemsize: int
    lanes: int
    vectors: int
    last_vectors: int
    adjacent: str

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"pack_f{8 * self.itemsize}x{self.lanes}_{self.vectors}_{self.last_vectors}_{self.adjacent}"

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        lanes, terms = self.lanes, get["terms"]
        in_group = (get["channel_blocks"] - 1) * self.vectors + self.last_vectors
        with code.loop(begin, end) as item:
            group, vector = item // in_group, item % in_group
            block, within = vector // self.vectors, vector % self.vectors
            is_last = (block + 1).equals(get["channel_blocks"])
            width = code.select(is_last, code.integer(self.last_vectors * lanes), code.integer(self.vectors * lanes))
            channel = vector * lanes
            target_ = code.address(get["packed"], group * get["group"] + block * get["block"] + within * lanes)
            source = code.address(get["source"], group * get["source_group"] + channel * get["source_channel"])
            count = get["channels"] - channel
            mask = code.first_lanes(count)
            if self.adjacent == "channels":
                with code.loop(0, terms) as t:
                    value = code.load(source, code.load_int(get["offsets"], t), mask)
                    code.store(value, target_, code.load_int(get["places"], t) * width)
            else:
                self._gather(code, get, source, target_, count, width)
        return program.text()

    def _gather(
        self, code: Code, get: dict[str, Value], source: Value, packed: Value, count: Value, width: Value
    ) -> None:
        """Write the packing of `count` channels that are not adjacent."""
        lanes, terms = self.lanes, get["terms"]
        squares: Int = 0
        if self.adjacent == "terms":  # squares of lanes × lanes, turned over in registers
            squares = code.select(count < lanes, code.integer(0), terms - terms % lanes)
            with code.loop(0, squares, lanes) as t:
                first = code.address(source, code.load_int(get["offsets"], t))
                rows = [code.load(first, get["source_channel"] * i) for i in range(lanes)]
                for i, column in enumerate(code.transpose(rows)):
                    code.store(column, packed, code.load_int(get["places"], t + i) * width)
        with code.loop(squares, terms) as t:
            place = code.address(packed, code.load_int(get["places"], t) * width)
            first = code.address(source, code.load_int(get["offsets"], t))
            with code.when(count >= lanes):
                for i in range(lanes):
                    code.store(code.load_real(first, get["source_channel"] * i), place, i)
            with code.when(count < lanes):
                code.store(code.zero(), place)
                with code.loop(0, count) as lane:
                    code.store(code.load_real(first, lane * get["source_channel"]), place, lane)

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)
