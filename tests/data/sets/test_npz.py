"""Arrays of .npz files."""

import numpy as np
import pytest
from raw_files import cut

from vibe.data.sets.npz import read_npz


def test_the_named_arrays_that_are_there_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", poses=np.arange(6.0), other=np.ones(3))
    held = read_npz(tmp_path / "a.npz", ("poses", "trans"))
    assert list(held) == ["poses"]
    np.testing.assert_array_equal(held["poses"], np.arange(6.0))


def test_what_is_cut_off_or_would_be_unpickled_is_refused_by_its_name(tmp_path):
    np.savez(tmp_path / "a.npz", poses=np.array([{}, 1], object))
    with pytest.raises(ValueError, match=r"a\.npz can't be read as plain arrays .*nothing is unpickled"):
        read_npz(tmp_path / "a.npz", ("poses",))
    cut(tmp_path / "a.npz", 0.5)
    with pytest.raises(ValueError, match=r"a\.npz is no \.npz file, or cut off"):
        read_npz(tmp_path / "a.npz", ("poses",))
