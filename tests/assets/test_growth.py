"""A file of twice the size takes at most thrice the time and memory, whoever made it."""

import gc
import io
import pickle
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from vibe import convert
from vibe.assets import pickles
from vibe.assets.archives import read_npz
from vibe.tracking.tflite import trim

SIZE = 4_000
SLACK_SECONDS, SLACK_BYTES = 0.1, 2 << 20
"""What a computer's noise may add, and what every file may take."""


def short(text: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text


def dicts_of_the_same_pairs(size: int) -> bytes:
    pairs = b"](" + b"".join(short(b"%d" % n) + b"N\x86" for n in range(size // 20)) + b"eq\x00"
    return b"\x80\x02(" + pairs + b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R" * (size // 12) + b"l."


def names_that_are_long(size: int) -> bytes:
    module, name = short(b"chumpy." + b"a" * (size // 2)), short(b"b")
    return b"\x80\x04(" + module + b"q\x00" + name + b"q\x01" + b"h\x00h\x01\x93" * (size // 10) + b"l."


def sets_of_the_same_list(size: int) -> bytes:
    items = b"](" + b"K\x01" * (size // 4) + b"eq\x00"
    return b"\x80\x02(" + items + b"c__builtin__\nset\nq\x01" + b"h\x01h\x00\x85R" * (size // 14) + b"l."


def nested_dicts(size: int) -> bytes:
    return b"}q\x00" + b"0}K\x01h\x00sq\x00" * (size // 8) + b"."


def lists_of_a_list(size: int) -> bytes:
    return b"](" + b"K\x01" * (size // 4) + b"eq\x00" + b"0](" + b"h\x00" * (size // 4) + b"e."


@pytest.mark.parametrize("make", [dicts_of_the_same_pairs, names_that_are_long, sets_of_the_same_list, nested_dicts,
                                  lists_of_a_list])  # fmt: skip
def test_of_a_pickle(make):
    grows_no_faster(make, pickles.read_pickle)


def body_of(array: bytes) -> bytes:
    keys = (b"v_template", b"shapedirs", b"posedirs", b"J_regressor", b"weights", b"f", b"kintree_table")
    return b"\x80\x02}(" + array + b"q\x000" + b"".join(short(key) + b"h\x00" for key in keys) + b"u."


def array(shape: tuple[int, ...], kind: bytes, content: bytes) -> bytes:
    dtype = b"cnumpy\ndtype\n(U\x02" + kind + b"K\x00K\x01tR(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01"
    return head + pickle.dumps(shape, 2)[2:-1] + dtype + b"\x89B" + struct.pack("<I", len(content)) + content + b"tb"


def sparse_matrices(size: int) -> bytes:
    """One whose empty rows are counted, and of as many columns."""
    rows = size // 8
    nothing, ends = array((0,), b"i8", b""), array((rows + 1,), b"i8", bytes(8 * rows + 8))
    parts = {b"_shape": pickle.dumps((rows, rows), 2)[2:-1], b"data": array((0,), b"f8", b"")}
    parts |= {b"indices": nothing, b"indptr": ends}
    state = b"}(" + b"".join(short(key) + value for key, value in parts.items()) + b"u"
    return body_of(b"cscipy.sparse.csr\ncsr_matrix\n)\x81" + state + b"b")


def tensors_of_one_number(size: int) -> bytes:
    """A run's checkpoint whose tensors are all as large as can be, and the same number again and again."""
    storage = b"(" + short(b"storage") + b"ctorch\nFloatStorage\n" + short(b"0") + short(b"cpu") + b"K\x01tQ"
    side = struct.pack("<I", 200 * size)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00(J" + side + b"t(K\x00t\x89NtR"
    items = b"".join(short(b"%d" % n) + tensor for n in range(size // 200))
    recipe = short(b'{"name": "a", "licence": "b"}')
    pickled = b"\x80\x02}(" + short(b"recipe") + recipe + short(b"average") + b"}(" + items + b"uu."
    return zipped(("a/data.pkl", pickled), ("a/data/0", bytes(4)))


def many_storages(size: int) -> bytes:
    """A checkpoint of empty storages, each a member of its own."""
    count = size // 100
    one = b"(" + short(b"storage") + b"ctorch\nFloatStorage\n"
    references = b"".join(one + short(b"%d" % n) + short(b"cpu") + b"K\x00tQ" for n in range(count))
    members = ((f"a/data/{n}", b"") for n in range(count))
    return zipped(("a/data.pkl", b"\x80\x02(" + references + b"l."), *members)


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def deep_recipe(size: int) -> bytes:
    head = b'{"__metadata__": {"name": "a", "licence": "b", "recipe": "' + b"[" * size + b'"}}'
    return struct.pack("<Q", len(head)) + head


@pytest.mark.parametrize("make", [sparse_matrices, tensors_of_one_number, many_storages, deep_recipe])
def test_of_a_file_that_is_added(make, tmp_path, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))

    def add(content: bytes) -> None:
        (tmp_path / "given").write_bytes(content)
        (answer,) = convert.add([tmp_path / "given"])
        assert isinstance(answer, convert.Refused)

    grows_no_faster(make, add)


def overlapping_members(size: int) -> bytes:
    """Members that all lie in the same place, each the rest of the file."""
    content = io.BytesIO()
    np.save(content, np.zeros(size // 16))
    whole = zipped(("0.npy", content.getvalue()))
    start, directory = whole.index(b"PK\x01\x02"), whole[whole.index(b"PK\x01\x02") : whole.rindex(b"PK\x05\x06")]
    entries = b"".join(directory.replace(b"0.npy", b"%05d" % n, 1) for n in range(size // 100))
    count = size // 100
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return whole[:start] + entries + end


def test_of_an_archive_whose_members_overlap(tmp_path):
    path = tmp_path / "a.npz"
    grows_no_faster(overlapping_members, lambda content: read_npz(path, content=content))


def tensors_of_one_shape(size: int) -> bytes:
    """A model all of whose tensors are one table, with one large shape."""
    count = size // 8
    shape = struct.pack("<I", count) + b"\1\0\0\0" * count
    blob = bytearray(struct.pack("<I", 0))
    blob += shape
    shape_at = 4
    tensor_table = len(blob)
    blob += struct.pack("<i", 0) + struct.pack("<I", 0)
    names = len(blob)
    blob += struct.pack("<HHH", 6, 8, 4) + b"\0\0"
    struct.pack_into("<i", blob, tensor_table, tensor_table - names)
    struct.pack_into("<I", blob, tensor_table + 4, (shape_at - tensor_table - 4) & 0xFFFFFFFF)
    return bytes(blob)


def test_of_a_model_that_is_no_model():
    grows_no_faster(tensors_of_one_shape, lambda content: trim(content, [(1, 2)]))


def grows_no_faster(make, read) -> None:
    """Time and memory of reading files of one size and of twice and four times that."""
    found = []
    for factor in (1, 2, 4):
        content = make(factor * SIZE)
        gc.collect()
        began = time.process_time()
        said(read, content)
        seconds = time.process_time() - began
        tracemalloc.start()
        said(read, content)
        found.append((seconds, tracemalloc.get_traced_memory()[1], len(content)))
        tracemalloc.stop()
    for (seconds, memory, _), (more_seconds, more_memory, _) in zip(found, found[1:]):
        assert more_seconds <= 3 * seconds + SLACK_SECONDS
        assert more_memory <= 3 * memory + SLACK_BYTES
    assert found[-1][1] < 400 * found[-1][2] + SLACK_BYTES


def said(read, content: bytes) -> None:
    try:
        read(content)
    except ValueError as error:
        assert len(str(error)) < 600
