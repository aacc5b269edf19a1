"""Files in the Common Data Format."""

import numpy as np
import pytest
from raw_files import cut, write_cdf

from vibe.data.sets.cdf import read_cdf


def test_what_was_written_is_read(tmp_path):
    rows = np.arange(20.0).reshape(4, 5)
    write_cdf(tmp_path / "Walking 1.54138969.cdf", rows)
    np.testing.assert_array_equal(read_cdf(tmp_path / "Walking 1.54138969.cdf", "Pose"), rows[None])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5])
def test_a_file_that_is_cut_off_is_refused_by_its_name(share, tmp_path):
    path = tmp_path / "Walking.54138969.cdf"
    write_cdf(path, np.ones((30, 5)))
    cut(path, share)
    with pytest.raises(ValueError, match=r"Walking\.54138969\.cdf is no CDF file"):
        read_cdf(path, "Pose")


def test_another_file_and_another_variable_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.cdf"):
        read_cdf(tmp_path / "none.cdf", "Pose")
    write_cdf(tmp_path / "a.cdf", np.ones((3, 5)))
    with pytest.raises(ValueError, match=r"a\.cdf is no CDF file with Position"):
        read_cdf(tmp_path / "a.cdf", "Position")
