"""Files of MATLAB."""

import random

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
