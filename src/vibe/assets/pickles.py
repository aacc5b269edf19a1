"""A reader of pickles that runs nothing: it builds plain values and notes by name what an unpickler would call.

Written from the table of opcodes in Python's `pickletools`. Numbers, strings, tuples, lists and dicts come out as
themselves, sets as lists, long strings of bytes as views of the data; everything else is a `Made`, a note. What the
reader keeps is bounded by the size of the data, so neither repeated references nor announced lengths fill the memory.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from vibe.assets.pickle_names import known

MAX_OPCODES = 1_000_000
MAX_DEPTH = 200
MAX_MARKS = 1000
MAX_LINE = 256
MAX_WHOLE_BYTES = 255
SHORT = 1024
"""Bytes of an 8-bit string up to which it becomes a `str`."""


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
    data: memoryview
    at: int
    references: list[Any] | None
    stack: list[Any] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)


def read_pickle(data: bytes | memoryview, start: int = 0, references: list[Any] | None = None) -> tuple[Any, int]:
    """The value of the pickle at `start`, and where the pickle ends; raises ValueError.

    Where a list is given, references to something beside the pickle are let through, as `Made("reference", (what,))`,
    and each `what` is added to the list.
    """
    machine = _Machine(memoryview(data), start, references)
    for _ in range(MAX_OPCODES):
        at = machine.at
        code = machine.data[at] if at < len(machine.data) else None
        if code is None:
            raise ValueError(f"its pickle is cut off after {at} bytes: copy the file again")
        machine.at = at + 1
        if code == STOP:
            return _result(machine), machine.at
        step = STEPS.get(code)
        if step is None:
            raise ValueError(f"byte {at} is no pickle opcode that these files need ({chr(code)!a})")
        try:
            step(machine)
        except (IndexError, UnicodeError) as error:
            raise ValueError(f"its pickle is damaged at byte {at}: copy the file again") from error
    raise ValueError(f"its pickle takes more than {MAX_OPCODES} steps: none of the files that can be added does")


def _result(machine: _Machine) -> Any:
    """What lies on the stack at the end; refused if it is nested deeper than any of these files."""
    if machine.marks or len(machine.stack) != 1:
        raise ValueError("its pickle ends with something other than one value: copy the file again")
    level = [machine.stack[0]]
    seen: set[int] = set()
    for _ in range(MAX_DEPTH):
        inside = []
        for value in level:
            if isinstance(value, (list, tuple, dict, Made)) and id(value) not in seen:
                seen.add(id(value))
                inside += _children(value)
        if not inside:
            return machine.stack[0]
        level = inside
    raise ValueError(f"its values are nested deeper than {MAX_DEPTH}: none of the files that can be added is")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return (value.args, value.state) if isinstance(value, Made) else value


def _take(m: _Machine, size: int) -> memoryview:
    if not 0 <= size <= len(m.data) - m.at:
        raise ValueError(f"at byte {m.at} it announces {size} bytes and has {len(m.data) - m.at}: copy the file again")
    m.at += size
    return m.data[m.at - size : m.at]


def _unpack(m: _Machine, form: str) -> Any:
    return struct.unpack(form, _take(m, struct.calcsize(form)))[0]


def _line(m: _Machine, longest: int = MAX_LINE) -> bytes:
    """Up to the end of the line, without it."""
    start, step, stop = m.at, MAX_LINE, min(len(m.data), m.at + longest + 1)
    while start < stop:
        found = bytes(m.data[start : min(start + step, stop)]).find(b"\n")
        if found >= 0:
            line = bytes(_take(m, start + found - m.at))
            m.at += 1
            return line
        start, step = start + step, 2 * step
    raise ValueError(f"at byte {m.at} a line does not end: copy the file again")


def _whole(text: bytes) -> int:
    """A whole number of up to 40 digits."""
    digits = text.strip()
    if not digits.lstrip(b"-").isdigit() or len(digits) > 40:
        raise ValueError(f"{digits[:20]!a} stands where a whole number should")
    return int(digits)


def _octets(content: bytes | memoryview) -> str | bytes | memoryview:
    """A string of Python 2: text where it is short, else bytes."""
    return bytes(content).decode("latin1") if len(content) <= SHORT else content


def _quoted(m: _Machine) -> str | bytes | memoryview:
    line = _line(m, len(m.data)).strip()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
        raise ValueError(f"before byte {m.at} a string has no quotes: copy the file again")
    try:
        return _octets(codecs.escape_decode(line[1:-1])[0])
    except ValueError as error:
        raise ValueError(f"before byte {m.at} a string is damaged ({error}): copy the file again") from error


def _integer_line(m: _Machine) -> int | bool:
    line = _line(m)
    return line == b"01" if line in (b"00", b"01") else _whole(line)


def _float_line(m: _Machine) -> float:
    line = _line(m, 64)
    try:
        return float(line)
    except ValueError as error:
        raise ValueError(f"{line[:20]!a} stands where a number should") from error


def _long(m: _Machine, size: int) -> int:
    if not 0 <= size <= MAX_WHOLE_BYTES:
        raise ValueError(f"at byte {m.at} it announces a whole number of {size} bytes")
    return int.from_bytes(_take(m, size), "little", signed=True)


def _text(m: _Machine, size: int) -> str:
    return str(_take(m, size), "utf-8", "surrogatepass")


def _pop_mark(m: _Machine) -> list[Any]:
    items, m.stack = m.stack, m.marks.pop()
    return items


def _mark(m: _Machine) -> None:
    if len(m.marks) == MAX_MARKS:
        raise ValueError(f"its values are nested deeper than {MAX_MARKS}: none of the files that can be added is")
    m.marks.append(m.stack)
    m.stack = []


def _pop(m: _Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        _pop_mark(m)


def _put(m: _Machine, index: int) -> None:
    m.memo[index] = m.stack[-1]


def _get(m: _Machine, index: int) -> Any:
    if index not in m.memo:
        raise ValueError(f"before byte {m.at} it refers to value {index}, which it does not have")
    return m.memo[index]


def _append(m: _Machine, items: list[Any]) -> None:
    if not isinstance(m.stack[-1], list):
        raise ValueError(f"before byte {m.at} it appends to something that is no list")
    m.stack[-1].extend(items)


def _set(m: _Machine, items: list[Any]) -> None:
    target = m.stack[-1]
    if not isinstance(target, dict) or len(items) % 2:
        raise ValueError(f"before byte {m.at} it sets entries of something that is no dict")
    for key, value in zip(items[::2], items[1::2]):
        if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 1 << 63)):
            raise ValueError(f"before byte {m.at} a dict has a key that is no name and no number")
        target[key] = value


def _dict(m: _Machine, items: list[Any]) -> dict[str | int, Any]:
    m.stack.append({})
    _set(m, items)
    return m.stack.pop()


def _last(m: _Machine, count: int) -> list[Any]:
    """Takes the last `count` values from the stack."""
    if len(m.stack) < count:
        raise IndexError("too few values")
    items = m.stack[-count:]
    del m.stack[-count:]
    return items


def _global(m: _Machine, module: Any, name: Any) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError(f"before byte {m.at} it names something by what is no text")
    return Name(known(module, name))


def _named_lines(m: _Machine) -> Name:
    return _global(m, str(_line(m), "utf-8"), str(_line(m), "utf-8"))


def _make(m: _Machine, called: Any, args: Any) -> Any:
    """The note of a call; a dict where it is an OrderedDict."""
    if not isinstance(called, Name) or not isinstance(args, tuple):
        raise ValueError(f"before byte {m.at} it calls something that is no name: nothing was run")
    if called.kind == "object of a class":
        if not args or not isinstance(args[0], Name):
            raise ValueError(f"before byte {m.at} it makes an object of something that is no class: nothing was run")
        called, args = args[0], ()
    if called.kind != "dict":
        return Made(called.kind, args)
    pairs = args[0] if args else []
    if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"before byte {m.at} a dict is made of something other than pairs")
    return _dict(m, [item for pair in pairs for item in pair])


def _instance(m: _Machine) -> Any:
    """Opcode INST."""
    name = _named_lines(m)
    return _make(m, name, tuple(_pop_mark(m)))


def _object(m: _Machine) -> Any:
    """Opcode OBJ."""
    items = _pop_mark(m)
    return _make(m, items[0], tuple(items[1:]))


def _keyword_object(m: _Machine) -> Any:
    """Opcode NEWOBJ_EX."""
    called, args, keywords = _last(m, 3)
    if keywords:
        raise ValueError(f"before byte {m.at} it makes an object with keywords: nothing was run")
    return _make(m, called, args)


def _build(m: _Machine) -> None:
    """Opcode BUILD; what hangs on an OrderedDict is dropped."""
    target, state = m.stack[-2], m.stack.pop()
    if isinstance(target, Made) and target.state is None:
        target.state = state
    elif not isinstance(target, dict):
        raise ValueError(f"before byte {m.at} it changes something that it may not: nothing was run")


def _reference(m: _Machine, what: Any) -> Made:
    if m.references is None:
        raise ValueError(f"before byte {m.at} it refers to something outside by a persistent id: nothing was run")
    m.references.append(what)
    return Made("reference", (what,))


def _extension(m: _Machine, form: str) -> None:
    raise ValueError(f"it names extension {_unpack(m, form)} of Python's registry: nothing was run")


def _protocol(m: _Machine) -> None:
    if (version := _unpack(m, "B")) > 5:
        raise ValueError(f"its pickle is of protocol {version}, 0 to 5 are known")


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    """The step that makes a value, which may change the stack, and lays it on top."""

    def step(m: _Machine) -> None:
        made = value(m)
        m.stack.append(made)

    return step


STOP = ord(".")
STEPS: dict[int, Callable[[_Machine], Any]] = {
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): _pop_mark,
    ord("2"): _push(lambda m: m.stack[-1]),
    ord("N"): _push(lambda m: None),
    0x88: _push(lambda m: True),
    0x89: _push(lambda m: False),
    ord("I"): _push(_integer_line),
    ord("L"): _push(lambda m: _whole(_line(m).rstrip(b"L"))),
    ord("J"): _push(lambda m: _unpack(m, "<i")),
    ord("K"): _push(lambda m: _unpack(m, "B")),
    ord("M"): _push(lambda m: _unpack(m, "<H")),
    0x8A: _push(lambda m: _long(m, _unpack(m, "B"))),
    0x8B: _push(lambda m: _long(m, _unpack(m, "<i"))),
    ord("F"): _push(_float_line),
    ord("G"): _push(lambda m: _unpack(m, ">d")),
    ord("S"): _push(_quoted),
    ord("T"): _push(lambda m: _octets(_take(m, _unpack(m, "<i")))),
    ord("U"): _push(lambda m: _octets(_take(m, _unpack(m, "B")))),
    ord("V"): _push(lambda m: str(_line(m, len(m.data)), "raw-unicode-escape")),
    ord("X"): _push(lambda m: _text(m, _unpack(m, "<I"))),
    0x8C: _push(lambda m: _text(m, _unpack(m, "B"))),
    0x8D: _push(lambda m: _text(m, _unpack(m, "<Q"))),
    ord("B"): _push(lambda m: _take(m, _unpack(m, "<I"))),
    ord("C"): _push(lambda m: _take(m, _unpack(m, "B"))),
    0x8E: _push(lambda m: _take(m, _unpack(m, "<Q"))),
    0x96: _push(lambda m: _take(m, _unpack(m, "<Q"))),
    ord(")"): _push(lambda m: ()),
    0x85: _push(lambda m: tuple(_last(m, 1))),
    0x86: _push(lambda m: tuple(_last(m, 2))),
    0x87: _push(lambda m: tuple(_last(m, 3))),
    ord("t"): _push(lambda m: tuple(_pop_mark(m))),
    ord("]"): _push(lambda m: []),
    ord("l"): _push(lambda m: _pop_mark(m)),
    ord("a"): lambda m: _append(m, _last(m, 1)),
    ord("e"): lambda m: _append(m, _pop_mark(m)),
    ord("}"): _push(lambda m: {}),
    ord("d"): _push(lambda m: _dict(m, _pop_mark(m))),
    ord("s"): lambda m: _set(m, _last(m, 2)),
    ord("u"): lambda m: _set(m, _pop_mark(m)),
    0x8F: _push(lambda m: []),
    0x90: lambda m: _append(m, _pop_mark(m)),
    0x91: _push(lambda m: _pop_mark(m)),
    ord("p"): lambda m: _put(m, _whole(_line(m))),
    ord("q"): lambda m: _put(m, _unpack(m, "B")),
    ord("r"): lambda m: _put(m, _unpack(m, "<I")),
    0x94: lambda m: _put(m, len(m.memo)),
    ord("g"): _push(lambda m: _get(m, _whole(_line(m)))),
    ord("h"): _push(lambda m: _get(m, _unpack(m, "B"))),
    ord("j"): _push(lambda m: _get(m, _unpack(m, "<I"))),
    ord("c"): _push(_named_lines),
    0x93: _push(lambda m: _global(m, *_last(m, 2))),
    ord("R"): _push(lambda m: _make(m, *_last(m, 2))),
    0x81: _push(lambda m: _make(m, *_last(m, 2))),
    0x92: _push(_keyword_object),
    ord("i"): _push(_instance),
    ord("o"): _push(_object),
    ord("b"): _build,
    ord("P"): _push(lambda m: _reference(m, str(_line(m), "utf-8"))),
    ord("Q"): _push(lambda m: _reference(m, m.stack.pop())),
    0x82: lambda m: _extension(m, "B"),
    0x83: lambda m: _extension(m, "<H"),
    0x84: lambda m: _extension(m, "<i"),
    0x80: _protocol,
    0x95: lambda m: _take(m, 8),
}
"""What each opcode does, in the order of Python's documentation of them."""
