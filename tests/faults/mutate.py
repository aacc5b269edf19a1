"""Damages files: blindly by their bytes, or inside of the structure that they have, lengths and sums made right."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress

from tfrecords import masked

NUMBERS = [
    0,
    1,
    2,
    7,
    127,
    128,
    255,
    256,
    32767,
    65535,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    1 << 62,
]
WORDS = (
    "0 -1 1 nan inf -inf 1e308 -1e308 1e-320 99999999999999999999 4294967296 1_000 0x10 +5 .5 - None null true".split()
)
WORDS += ["", "[]", "{}", '""', "é", "\x00", "\u2028", "A" * 300, "'" * 40, "%s", "../../etc/passwd", "{", "}"]
SHAPES = [
    "()",
    "(0,)",
    "(1,)",
    "(-1,)",
    "(3,)",
    "(2, 3)",
    "(1099511627776,)",
    "(65536, 65536, 65536)",
    "(7, 0)",
    "(1, 1, 1, 1)",
]
DTYPES = [
    "<f8",
    ">f4",
    "<f2",
    "<i8",
    "|u1",
    "|b1",
    "<U5",
    "|O",
    "|S9",
    "<M8[s]",
    "<c16",
    "|V8",
    "<f16",
    "('<f8', (2,))",
]
Mutation = Callable[[bytes, random.Random], bytes]


def mutate(content: bytes, dice: random.Random, largest: int) -> bytes:
    """The content with one to four faults; never longer than `largest`."""
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        content = _one(content, dice)
    return content[:largest]


def _one(content: bytes, dice: random.Random) -> bytes:
    blind = dice.random() < 0.3
    for fits, change in () if blind else STRUCTURES:
        if fits(content):
            # An earlier fault may have broken the structure in any way.
            with suppress(Exception):
                return change(content, dice)
            break
    return dice.choice(BLIND)(content, dice)


def _span(content: bytes, dice: random.Random) -> tuple[int, int]:
    """A stretch of it, more often a short one."""
    start = dice.randrange(len(content) + 1)
    return start, min(len(content), start + dice.choice((1, 1, 2, 4, 8, 16, 100, 1000)))


def _flip(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(dice.choice((1, 1, 1, 2, 8, 50))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _set(content: bytes, dice: random.Random) -> bytes:
    start, stop = _span(content, dice)
    return content[:start] + dice.choice((b"\0", b"\xff", b"\x80", b"\n", b"9")) * (stop - start) + content[stop:]


def _number(content: bytes, dice: random.Random) -> bytes:
    form = dice.choice(("<H", ">H", "<I", ">I", "<Q", ">Q", "<f", ">d"))
    size = struct.calcsize(form)
    value = dice.choice(NUMBERS) & ((1 << 8 * size) - 1)
    given = struct.pack(form, dice.choice((float("nan"), float("inf"), 1e300 if size == 8 else 1e38))
                        if form[1] in "fd" else value)  # fmt: skip
    start = dice.randrange(max(1, len(content) - size + 1))
    return content[:start] + given + content[start + size :]


def _cut(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content) + 1)]


def _drop(content: bytes, dice: random.Random) -> bytes:
    start, stop = _span(content, dice)
    return content[:start] + content[stop:]


def _repeat(content: bytes, dice: random.Random) -> bytes:
    start, stop = _span(content, dice)
    return content[:stop] + content[start:stop] * dice.choice((1, 1, 3, 30, 3000)) + content[stop:]


def _move(content: bytes, dice: random.Random) -> bytes:
    start, stop = _span(content, dice)
    rest = content[:start] + content[stop:]
    to = dice.randrange(len(rest) + 1)
    return rest[:to] + content[start:stop] + rest[to:]


def _insert(content: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(content) + 1)
    return content[:start] + dice.randbytes(dice.choice((1, 2, 4, 16, 500))) + content[start:]


BLIND: list[Mutation] = [_flip, _set, _number, _cut, _drop, _repeat, _move, _insert]


def _text(content: bytes, dice: random.Random) -> bytes:
    """Another word, or a line that is missing, twice, elsewhere or nested deeply."""
    text = content.decode("latin-1")
    kind = dice.random()
    if kind < 0.6:
        words = list(re.finditer(r"[^\s,:\[\]{}\"]+", text))
        if not words:
            raise ValueError("no words")
        found = dice.choice(words)
        other = dice.choice(WORDS) if dice.random() < 0.7 else dice.choice(words).group()
        return (text[: found.start()] + other + text[found.end() :]).encode("utf-8", "replace")
    lines = text.split("\n")
    at, to = dice.randrange(len(lines)), dice.randrange(len(lines) + 1)
    if kind < 0.7:
        lines[at : at + dice.choice((1, 1, 5))] = []
    elif kind < 0.8:
        lines[to:to] = lines[at : at + dice.choice((1, 1, 5))] * dice.choice((1, 1, 2, 500))
    elif kind < 0.9:
        lines.insert(to, lines.pop(at))
    else:
        bracket = dice.choice(("[", "{", "(", "}", "JOINT x\n{\n", "<a>"))
        lines.insert(to, bracket * dice.choice((1, 10, 2000)))
    return "\n".join(lines).encode("latin-1")


def _json(content: bytes, dice: random.Random) -> bytes:
    """A value of the tree is another one, or gone, or there twice."""
    tree = json.loads(content)
    places: list[tuple] = []

    def walk(node: object) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])  # pyright: ignore[reportIndexIssue]

    walk(tree)
    if not places:
        return dice.choice((b"null", b"3", b'"x"', b"[[]]", b"{}", b"NaN"))
    node, key = dice.choice(places)
    if dice.random() < 0.2:
        del node[key]
    else:
        values = [None, True, -1, 0, 1.5, 1 << 70, 1e308, float("nan"), float("inf"), "", "x", "../x", [], {}, [[]]]
        other, its = dice.choice(places)
        values += [[node[key]], {"a": node[key]}, other[its] if dice.random() < 0.5 else None, "x" * 5000]
        node[key] = dice.choice(values)
    return json.dumps(tree).encode()


def _json_lines(content: bytes, dice: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = dice.randrange(len(lines))
    lines[at] = _json(lines[at], dice)
    return b"\n".join(lines)


def _npy(content: bytes, dice: random.Random) -> bytes:
    """Another shape or kind of number in the header, whose length is right; or another content."""
    size = struct.unpack("<H", content[8:10])[0] if content[6] == 1 else struct.unpack("<I", content[8:12])[0]
    first = 10 if content[6] == 1 else 12
    header, rest = content[first : first + size].decode("latin-1"), content[first + size :]
    kind = dice.random()
    if kind < 0.35:
        header = re.sub(r"'shape': \([^)]*\)", lambda _: f"'shape': {dice.choice(SHAPES)}", header)
    elif kind < 0.6:
        header = re.sub(r"'descr': '[^']*'", lambda _: f"'descr': {dice.choice(DTYPES)!r}", header)
    elif kind < 0.7:
        header = _text(header.encode("latin-1"), dice).decode("latin-1")
    elif kind < 0.75:
        header = "(" * 3000 + header
    else:
        rest = dice.choice((_number, _flip, _cut, _drop))(rest, dice)
    given = header.encode("latin-1")[:60000]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(given)) + given + rest


def _zip(content: bytes, dice: random.Random) -> bytes:
    """One member changed, renamed, missing or there twice, packed anew."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    if not members:
        raise ValueError("no members")
    at, kind = dice.randrange(len(members)), dice.random()
    name, inside = members[at]
    if kind < 0.7:
        members[at] = (name, _one(inside, dice))
    elif kind < 0.8:
        del members[at]
    elif kind < 0.9:
        members[at] = (dice.choice([other for other, _ in members]), inside)
    else:
        members.append((name + dice.choice(("", "x", "/../x", ".npy")), bytes(dice.choice((0, 10, 1 << 20)))))
    target = io.BytesIO()
    way = dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(target, "w", way) as archive:
        for name, inside in members:
            archive.writestr(name, inside)
    return target.getvalue()


def _safetensors(content: bytes, dice: random.Random) -> bytes:
    """Another header, whose length is right."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    about = header.get("__metadata__", {})
    if about and dice.random() < 0.6:
        key = dice.choice(sorted(about))
        about[key] = (_json if key == "recipe" else _text)(about[key].encode(), dice).decode("utf-8", "replace")
        given = json.dumps(header).encode()
    else:
        given = _json(content[8 : 8 + size], dice)
    return struct.pack("<Q", len(given)) + given + content[8 + size :]


def _records(content: bytes, dice: random.Random) -> bytes:
    """One record of a TFRecord changed, with the checksums that it then has."""
    from vibe.data.sets.insta_variety import masked_crc

    parts, at = [], 0
    while at < len(content):
        (length,) = struct.unpack("<Q", content[at : at + 8])
        if length > len(content):
            raise ValueError("no record")
        parts.append(content[at + 12 : at + 12 + length])
        at += length + 16
    place = dice.randrange(len(parts))
    parts[place] = dice.choice(BLIND)(parts[place], dice)
    whole = b""
    for part in parts:
        length = struct.pack("<Q", len(part))
        whole += length + struct.pack("<I", masked_crc(length)) + part + struct.pack("<I", masked_crc(part))
    return whole


def _is_text(content: bytes) -> bool:
    start = content[:2000]
    return bool(start) and sum(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start) > 0.9 * len(start)


def _is_record(content: bytes) -> bool:
    return len(content) > 16 and content[8:12] == masked(content[:8])


STRUCTURES: list[tuple[Callable[[bytes], bool], Mutation]] = [
    (lambda content: content[:2] == b"PK", _zip),
    (lambda content: content[:6] == b"\x93NUMPY" and len(content) > 12, _npy),
    (lambda content: len(content) > 10 and content[8:9] == b"{" and content[:1] != b"{", _safetensors),
    (lambda content: content[:2] in (b'{"', b"{\n", b"[{", b"[["), lambda content, dice: (
        _json if dice.random() < 0.7 and b"\n{" not in content else _json_lines)(content, dice)),
    (_is_record, _records),
    (_is_text, _text),
]  # fmt: skip
"""What tells a kind of file, and how to damage one."""
