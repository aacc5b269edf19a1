"""A reader of pickles that runs nothing: it builds plain values and notes by name what an unpickler would call.

Python's `pickletools` reads what follows each opcode. Numbers, strings, tuples, lists and dicts come out as themselves,
sets as lists; everything else is a `Made`, a note, and its name is one of those that SMPL's files, numpy's arrays and
torch's checkpoints need. What the reader keeps is bounded by the size of the data, so neither repeated references nor
announced lengths fill the memory.
"""

from __future__ import annotations

import codecs
import io
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
"""What numbers a torch storage holds, by its name."""
KNOWN = {
    "numpy.ndarray": "numpy.ndarray",
    "numpy.dtype": "numpy.dtype",
    "collections.OrderedDict": "dict",
    "copyreg._reconstructor": "object of a class",
    "copyreg.__newobj__": "object of a class",
    "builtins.object": "object",
    "builtins.set": "set",
    "builtins.frozenset": "set",
    "builtins.bytes": "bytes",
    "builtins.bytearray": "bytes",
    "_codecs.encode": "bytes",
    "torch._utils._rebuild_tensor": "torch.Tensor",
    "torch._utils._rebuild_tensor_v2": "torch.Tensor",
    "torch._utils._rebuild_parameter": "torch.nn.Parameter",
    "torch.Size": "torch.Size",
    "torch.device": "torch.device",
    **{f"torch.{name}": f"torch.{name}" for name in STORAGES},
    **{f"numpy.{core}.multiarray._reconstruct": "array" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": "array of bytes" for core in ("core", "_core")},
    **{f"scipy.sparse.{old}{kind}.{kind}_matrix": kind for old in ("", "_") for kind in ("csc", "csr", "coo")},
    **{f"scipy.sparse._{kind}.{kind}_array": kind for kind in ("csc", "csr", "coo")},
}
"""What each name is to us; several names of one thing are one."""
RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules of Python 2."""
CHUMPY = re.compile(r"chumpy(\.[A-Za-z_]\w*)+", re.ASCII)


def known(module: str, name: str) -> str:
    """What a module's name is to us; raises ValueError, which names it, if it has no business in these files.

    Nothing is imported. Every class of chumpy is let through, since an object of it is only kept and never made.
    """
    dotted = f"{RENAMED.get(module, module)}.{name}"
    if kind := KNOWN.get(dotted):
        return kind
    if CHUMPY.fullmatch(dotted):
        return dotted
    shown = f"{module}.{name}"
    raise ValueError(f"it names {ascii(shown[:80])}, which none of the files that can be added holds: nothing was run")


MAX_OPCODES = 1_000_000
MAX_DEPTH = 200
MAX_MARKS = 1000
MAX_NAME = 256
MAX_BITS = 2040
"""Of a whole number."""
SHORT = 1024
"""Bytes of a quoted 8-bit string up to which it becomes a `str`."""


@dataclass(frozen=True)
class Name:
    """A name of a module that the pickle refers to."""

    kind: str
    """What it is to us (`names.KNOWN`)."""


@dataclass(eq=False, repr=False)
class Made:
    """A note of something that an unpickler would have made by calling a name."""

    kind: str
    args: tuple[Any, ...]
    state: Any = None
    """What it was given afterwards."""


@dataclass(eq=False, repr=False)
class _Machine:
    data: io.BytesIO
    size: int
    references: list[Any] | None
    stack: list[Any] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    pairs: int = 0
    """That went into dicts which are made of a list of pairs."""

    def refusal(self, what: str) -> ValueError:
        """What to raise of the opcode that was just read."""
        return ValueError(f"before byte {self.data.tell()} it {what}")


def read_pickle(data: bytes | memoryview, start: int = 0, references: list[Any] | None = None) -> tuple[Any, int]:
    """The value of the pickle at `start`, and where the pickle ends; raises ValueError.

    Where a list is given, references to something beside the pickle are let through, as `Made("reference", (what,))`,
    and each `what` is added to the list.
    """
    stream = io.BytesIO(data)
    machine = _Machine(stream, len(data), references)
    stream.seek(start)
    for _ in range(MAX_OPCODES):
        at, byte = stream.tell(), stream.read(1)
        if not byte:
            raise ValueError(f"its pickle is cut off after {at} bytes: copy the file again")
        (code,) = byte
        if code == STOP:
            return _result(machine), stream.tell()
        if code not in STEPS:
            raise ValueError(f"byte {at} is no pickle opcode that these files need ({chr(code)!a})")
        name, read = STEPS[code]
        try:
            argument = read(stream) if read else None
        except ValueError as error:
            ended = stream.tell() >= len(data)
            why = f"cut off after {len(data)} bytes" if ended else f"damaged at byte {at} ({str(error)[:200]})"
            raise ValueError(f"its pickle is {why}: copy the file again") from error
        try:
            if name in EFFECTS:
                EFFECTS[name](machine, argument)
            else:
                value = VALUES[name](machine, argument)  # which may put another stack in the place of this one
                machine.stack.append(value)
        except (IndexError, KeyError) as error:
            raise ValueError(f"its pickle is damaged at byte {at}: copy the file again") from error
    raise ValueError(f"its pickle takes more than {MAX_OPCODES} steps: none of the files that can be added does")


def _result(machine: _Machine) -> Any:
    """What lies on the stack at the end; refused if it is nested deeper than any of these files."""
    if machine.marks or len(machine.stack) != 1:
        raise ValueError("its pickle ends with something other than one value: copy the file again")
    level, seen = list(machine.stack), set()
    for _ in range(MAX_DEPTH):
        inside = []
        for value in level:
            if isinstance(value, (list, tuple, dict, Made)) and id(value) not in seen:
                seen.add(id(value))
                value = (value.args, value.state) if isinstance(value, Made) else value
                inside += value.values() if isinstance(value, dict) else value
        if not inside:
            return machine.stack[0]
        level = inside
    raise ValueError(f"its values are nested deeper than {MAX_DEPTH}: none of the files that can be added is")


def _quoted(data: io.BytesIO) -> str | bytes:
    """A string of Python 2, which `pickletools` takes for ASCII: text where it is short, else bytes."""
    content = codecs.escape_decode(pickletools.read_stringnl(data, decode=False))[0]
    return content.decode("latin1") if len(content) <= SHORT else content


def _whole(m: _Machine, number: int) -> int:
    if number.bit_length() > MAX_BITS:
        raise m.refusal(f"has a whole number of {number.bit_length()} bits")
    return number


def _mark(m: _Machine, _: object) -> None:
    if len(m.marks) == MAX_MARKS:
        raise ValueError(f"its values are nested deeper than {MAX_MARKS}: none of the files that can be added is")
    m.marks.append(m.stack)
    m.stack = []


def _pop_mark(m: _Machine) -> list[Any]:
    items, m.stack = m.stack, m.marks.pop()
    return items


def _last(m: _Machine, count: int) -> list[Any]:
    """Takes the last `count` values from the stack."""
    if len(m.stack) < count:
        raise IndexError("too few values")
    items = m.stack[len(m.stack) - count :]
    del m.stack[len(m.stack) - count :]
    return items


def _put(m: _Machine, index: int) -> None:
    m.memo[index] = m.stack[-1]


def _append(m: _Machine, items: list[Any]) -> None:
    if not isinstance(m.stack[-1], list):
        raise m.refusal("appends to something that is no list")
    m.stack[-1].extend(items)


def _set(m: _Machine, items: list[Any]) -> None:
    target = m.stack[-1]
    if not isinstance(target, dict) or len(items) % 2:
        raise m.refusal("sets entries of something that is no dict")
    for key, value in zip(items[::2], items[1::2]):
        if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 1 << 63)):
            raise m.refusal("makes a dict with a key that is no name and no number")
        target[key] = value


def _dict(m: _Machine, items: list[Any]) -> dict[str | int, Any]:
    m.stack.append({})
    _set(m, items)
    return m.stack.pop()


def _global(m: _Machine, module: Any, name: Any) -> Name:
    if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > MAX_NAME:
        raise m.refusal("names something by what is no name")
    return Name(known(module, name))


def _named(m: _Machine, both: str) -> Name:
    return _global(m, *both.split(" ", 1))


def _make(m: _Machine, called: Any, args: Any) -> Any:
    """The note of a call; a dict where it is an OrderedDict."""
    if not isinstance(called, Name) or not isinstance(args, tuple):
        raise m.refusal("calls something that is no name: nothing was run")
    if called.kind == "object of a class":
        if not args or not isinstance(args[0], Name):
            raise m.refusal("makes an object of something that is no class: nothing was run")
        called, args = args[0], ()
    if called.kind != "dict":
        return Made(called.kind, args)
    pairs = args[0] if args else []
    m.pairs += len(pairs) if isinstance(pairs, list) else 0
    if m.pairs > m.size:  # each takes a byte at least, unless a list stands for more than one dict
        raise m.refusal("makes dicts of the same pairs again and again")
    if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise m.refusal("makes a dict of something other than pairs")
    return _dict(m, [item for pair in pairs for item in pair])


def _keyword_object(m: _Machine, _: object) -> Any:
    called, args, keywords = _last(m, 3)
    if keywords:
        raise m.refusal("makes an object with keywords: nothing was run")
    return _make(m, called, args)


def _object(m: _Machine, _: object) -> Any:
    called, *args = _pop_mark(m) or [None]
    return _make(m, called, tuple(args))


def _build(m: _Machine, _: object) -> None:
    """What hangs on an OrderedDict is dropped."""
    target, state = m.stack[-2], m.stack.pop()
    if isinstance(target, Made) and target.state is None:
        target.state = state
    elif not isinstance(target, dict):
        raise m.refusal("changes something that it may not: nothing was run")


def _reference(m: _Machine, what: Any) -> Made:
    if m.references is None:
        raise m.refusal("refers to something outside by a persistent id: nothing was run")
    m.references.append(what)
    return Made("reference", (what,))


def _extension(m: _Machine, number: int) -> None:
    raise ValueError(f"it names extension {number} of Python's registry: nothing was run")


def _protocol(m: _Machine, version: int) -> None:
    if version > 5:
        raise ValueError(f"its pickle is of protocol {version}, 0 to 5 are known")


VALUES: dict[str, Callable[[_Machine, Any], Any]] = {
    "NONE": lambda m, _: None,
    "NEWTRUE": lambda m, _: True,
    "NEWFALSE": lambda m, _: False,
    **dict.fromkeys(("INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4"), _whole),
    **dict.fromkeys(("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"), lambda m, value: value),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), lambda m, text: text),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), lambda m, content: bytes(content)),
    "DUP": lambda m, _: m.stack[-1],
    "EMPTY_TUPLE": lambda m, _: (),
    "TUPLE1": lambda m, _: tuple(_last(m, 1)),
    "TUPLE2": lambda m, _: tuple(_last(m, 2)),
    "TUPLE3": lambda m, _: tuple(_last(m, 3)),
    "TUPLE": lambda m, _: tuple(_pop_mark(m)),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda m, _: []),
    **dict.fromkeys(("LIST", "FROZENSET"), lambda m, _: _pop_mark(m)),
    "EMPTY_DICT": lambda m, _: {},
    "DICT": lambda m, _: _dict(m, _pop_mark(m)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, index: m.memo[index]),
    "GLOBAL": _named,
    "STACK_GLOBAL": lambda m, _: _global(m, *_last(m, 2)),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: _make(m, *_last(m, 2))),
    "NEWOBJ_EX": _keyword_object,
    "INST": lambda m, both: _make(m, _named(m, both), tuple(_pop_mark(m))),
    "OBJ": _object,
    "PERSID": _reference,
    "BINPERSID": lambda m, _: _reference(m, m.stack.pop()),
}
"""What each opcode lays on the stack, by its argument."""
EFFECTS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": _mark,
    "POP": lambda m, _: m.stack.pop() if m.stack else _pop_mark(m),
    "POP_MARK": lambda m, _: _pop_mark(m),
    "APPEND": lambda m, _: _append(m, _last(m, 1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda m, _: _append(m, _pop_mark(m))),
    "SETITEM": lambda m, _: _set(m, _last(m, 2)),
    "SETITEMS": lambda m, _: _set(m, _pop_mark(m)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    "MEMOIZE": lambda m, _: _put(m, len(m.memo)),
    "BUILD": _build,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
    "PROTO": _protocol,
    "FRAME": lambda m, _: None,
}
"""What the others do."""
STOP = ord(".")
STEPS = {
    ord(each.code): (each.name, _quoted if each.name == "STRING" else each.arg.reader if each.arg else None)
    for each in pickletools.opcodes
    if each.name in {*VALUES, *EFFECTS}
}
"""Names of the opcodes that are read, but for the last of a pickle, and what reads their arguments."""
