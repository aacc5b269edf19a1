"""Files of MATLAB."""

import random
import struct
import time
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from raw_files import write_matlab73
from scipy import io

from vibe.data.sets.matlab import read_matlab


def variables() -> dict[str, np.ndarray]:
    cells = np.empty((3, 1), object)
    for place in range(3):
        cells[place, 0] = np.arange(10.0).reshape(2, 5) + place
    return {"cells": cells, "block": np.arange(24.0).reshape(2, 3, 1, 4), "flags": np.array([[1.0], [0.0]])}


@pytest.mark.parametrize("kind", ["5", "5, compressed", "7.3"])
def test_every_version_of_a_file_holds_the_same_arrays(kind, tmp_path):
    path, wanted = tmp_path / "annot.mat", variables()
    if kind == "7.3":
        write_matlab73(path, wanted)
    else:
        io.savemat(path, wanted, do_compression=kind != "5")
    found = read_matlab(path, ["cells", "block", "flags"])
    assert found["cells"].shape == (3, 1) and found["block"].shape == (2, 3, 1, 4)
    np.testing.assert_array_equal(found["block"], wanted["block"])
    np.testing.assert_array_equal(found["flags"], wanted["flags"])
    for its, given in zip(found["cells"].ravel(), wanted["cells"].ravel()):
        np.testing.assert_array_equal(its, given)
    with pytest.raises(ValueError, match=r"annot\.mat has no variable absent"):
        read_matlab(path, ["absent"])


@pytest.mark.parametrize("kind", ["5", "7.3"])
def test_a_damaged_file_is_refused_by_its_name_or_read(kind, tmp_path):
    path = tmp_path / "annot.mat"
    if kind == "7.3":
        write_matlab73(path, variables())
    else:
        io.savemat(path, variables(), do_compression=True)
    whole, chance, refused = path.read_bytes(), random.Random(0), 0
    for attempt in range(120):
        content = bytearray(whole[: chance.randrange(len(whole))] if attempt % 2 else whole)
        for _ in range(0 if attempt % 2 else 8):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            read_matlab(path, ["cells", "block", "flags"])
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 60
    with pytest.raises(FileNotFoundError, match="none.mat"):
        read_matlab(tmp_path / "none.mat", ["cells"])


def test_a_file_that_points_at_another_gives_nothing_of_it(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(64)))
    write_matlab73(tmp_path / "other.mat", {"block": np.ones((2, 2))})
    with h5py.File(tmp_path / "annot.mat", "w") as file:
        file["linked"] = h5py.ExternalLink("other.mat", "block")
        file.create_dataset("outside", (8,), "<i8", external=[(str(secret), 0, 64)])
        layout = h5py.VirtualLayout((2, 2), "<f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.mat"), "block", (2, 2))
        file.create_virtual_dataset("virtual", layout)
    for name in ("linked", "outside", "virtual"):
        with pytest.raises(ValueError, match="lies in another file"):
            read_matlab(tmp_path / "annot.mat", [name])


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<2I", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(shape: tuple[int, int], name: str, *values: bytes, kind: int = 1) -> bytes:
    """One of the class `kind`: cells, if not told otherwise."""
    head = element(6, struct.pack("<2I", kind, 0)) + element(5, struct.pack("<2i", *shape)) + element(1, name.encode())
    return element(14, head + b"".join(values))


def packed_cells(count: int) -> bytes:
    return variable((count, 1), "cells", *[variable((1, 1), "", element(9, bytes(8)), kind=6)] * count)


def nested_cells(depth: int) -> bytes:
    inside = variable((1, 1), "", element(9, bytes(8)), kind=6)
    for _ in range(depth):
        inside = variable((1, 1), "cells", inside)
    return inside


V5 = {
    "more cells than any set": packed_cells(200_000),
    "cells in cells": nested_cells(500),
    "cells that are not there": variable((2**31 - 1, 1), "cells"),
    "numbers that are not there": variable((2**31 - 1, 2**31 - 1), "cells", element(9, bytes(8)), kind=6),
    "nothing but zeros": variable((1, 1 << 24), "cells", element(9, bytes(1 << 27)), kind=6),
}


@pytest.mark.parametrize("name", V5)
def test_a_small_file_takes_neither_long_nor_much_memory_whatever_its_cells_claim(name, tmp_path):
    path = tmp_path / "annot.mat"
    packed = zlib.compress(V5[name])
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<2I", 15, len(packed)) + packed)
    assert path.stat().st_size < 1 << 20
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"annot\.mat is no MATLAB file"):
        read_matlab(path, ["cells"])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 3 and most < 200 << 20


@pytest.mark.parametrize("cells", ["many of one", "of cells"])
def test_cells_of_version_7_3_are_few_and_hold_numbers(cells, tmp_path):
    with h5py.File(tmp_path / "annot.mat", "w") as file:
        target = file.create_dataset("numbers", data=np.ones((2, 2))).ref
        for depth in range(8):
            count = 1_000_000 if cells == "many of one" else 10
            many = file.create_dataset(f"cells{depth}", (count, 1), h5py.ref_dtype, chunks=(count, 1), compression=9)
            many[:] = target
            target = many.ref if cells == "of cells" else target
            if cells == "many of one":
                break
        last = f"cells{depth}"
    began = time.process_time()
    with pytest.raises(ValueError, match="cells, or is one"):
        read_matlab(tmp_path / "annot.mat", [last])
    assert time.process_time() - began < 2
