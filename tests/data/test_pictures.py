"""Pictures in files of data sets."""

import struct
import tracemalloc

import cv2
import numpy as np
import pytest

from vibe.data.pictures import LARGEST, decode_picture

RGB = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_picture_is_read_and_one_that_is_cut_off_is_none(ending):
    content = cv2.imencode(ending, RGB[..., ::-1])[1].tobytes()
    picture = decode_picture(content)
    assert picture is not None and picture.shape == RGB.shape
    assert np.array_equal(picture, RGB) or ending == ".jpg"
    assert decode_picture(content[: len(content) // 2]) is None or ending == ".png"
    assert decode_picture(b"") is None and decode_picture(b"text") is None


def test_a_small_file_that_announces_a_huge_picture_takes_no_memory():
    jpeg, png = (bytearray(cv2.imencode(ending, RGB)[1].tobytes()) for ending in (".jpg", ".png"))
    frame = jpeg.index(b"\xff\xc0") + 5
    jpeg[frame : frame + 4] = struct.pack(">HH", 30000, 30000)
    png[16:24] = struct.pack(">II", 30000, 30000)
    assert LARGEST < 30000**2
    for content in (jpeg, png):
        tracemalloc.start()
        assert decode_picture(bytes(content)) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
        tracemalloc.stop()
