"""Files in the Common Data Format."""

import gzip
import time

import cdflib
import numpy as np
import pytest
from raw_files import cut, write_cdf

from vibe.data.sets.human36m import LARGEST, read_cdf


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


@pytest.mark.parametrize("claim", ["dimensions", "variables", "its dimensions", "pieces", "packed"])
def test_a_count_that_no_file_can_hold_is_refused_at_once(claim, tmp_path):
    path = tmp_path / "Walking.54138969.cdf"
    write_cdf(path, np.ones((30, 5)))
    content = bytearray(path.read_bytes())
    number = lambda place: int.from_bytes(content[place : place + 8], "big")  # noqa: E731
    about = 8 + number(8)
    variable = number(about + 20)
    pieces = number(variable + 28)
    places = {
        "dimensions": about + 56,
        "variables": about + 60,
        "its dimensions": variable + 340,
        "pieces": pieces + 24,
        "packed": 4,
    }
    content[places[claim] : places[claim] + 4] = (6 << 24).to_bytes(4, "big")
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"Walking\.54138969\.cdf is no CDF file"):
        read_cdf(path, "Pose")
    assert time.process_time() - began < 1


def test_a_packed_file_that_unpacks_without_end_is_refused(tmp_path):
    packed = gzip.compress(bytes(LARGEST + 1))
    size = (32 + len(packed)).to_bytes(8, "big")
    path = tmp_path / "Walking.54138969.cdf"
    path.write_bytes(bytes.fromhex("cdf30001cccc0001") + size + bytes(24) + packed)
    with pytest.raises(ValueError, match=r"Walking\.54138969\.cdf.*unpacks to more than 64 MB"):
        read_cdf(path, "Pose")


def test_all_variables_of_a_file_share_one_bound(tmp_path):
    path = tmp_path / "Walking.54138969.cdf"
    with cdflib.cdfwrite.CDF(path) as file:
        for name in ("Pose", "Other"):
            about = {
                "Variable": name,
                "Data_Type": 45,
                "Num_Elements": 1,
                "Rec_Vary": True,
                "Dim_Sizes": [],
                "Compress": 6,
            }
            file.write_var(about, var_data=np.zeros(LARGEST // 12))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"Walking\.54138969\.cdf.*variables take more than 64 MB"):
        read_cdf(path, "Pose")
