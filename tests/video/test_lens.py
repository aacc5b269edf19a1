"""Laws of the focal length in a video's or a photo's file."""

import math
import random
import struct
from pathlib import Path

import lenses
import pytest

from vibe.video.lens import FILM_MM, file_focal_px


def focal_px(path: Path, width: int, height: int) -> tuple[float, str]:
    """Of a file that tells one."""
    found = file_focal_px(path, width, height)
    assert found is not None
    return found


@pytest.fixture
def told(tmp_path):
    """The focal length of a film of 1920x1080 whose file holds these bytes, in millimetres of its whole sensor."""

    def read(content: bytes, name: str = "film.mov") -> float | None:
        (tmp_path / name).write_bytes(content)
        found = file_focal_px(tmp_path / name, 1920, 1080)
        return found and found[0] * FILM_MM / math.hypot(1920, 1440)

    return read


VALUES = {
    "a whole number": (21, struct.pack(">i", 26), 26.0),
    "one byte": (22, b"\x1a", 26.0),
    "a real number": (23, struct.pack(">f", 26.5), 26.5),
    "a double": (24, struct.pack(">d", 13.25), 13.25),
    "a number of fixed kind": (77, struct.pack(">I", 77), 77.0),
    "a text": (1, b"50.00mm", 50.0),
    "a plain text": (1, b" 24 ", 24.0),
    "unknown": (21, struct.pack(">i", 0), None),
    "negative": (21, struct.pack(">i", -13), None),
    "no lens": (23, struct.pack(">f", 1e30), None),
    "no number": (24, struct.pack(">d", math.nan), None),
    "infinite": (23, struct.pack(">f", math.inf), None),
    "a word": (1, b"wide", None),
    "nothing": (21, b"", None),
    "an unknown kind": (14, b"\x1a", None),
    "of the wrong size": (23, b"\0\0", None),
}


@pytest.mark.parametrize("plain", [True, False], ids=["QuickTime", "MP4"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_track_s_focal_length_is_read_and_nonsense_is_unknown(told, value, plain):
    kind, data, length_mm = value
    found = told(lenses.phone_film(lenses.keyed(kind, data, plain=plain)))
    assert found == (length_mm and pytest.approx(length_mm))


def test_the_track_s_own_goes_before_the_file_s_and_others_keys_tell_nothing(told):
    whole = lenses.keyed(21, struct.pack(">i", 77))
    assert told(lenses.phone_film(film=whole)) == pytest.approx(77)
    assert told(lenses.phone_film(lenses.keyed(21, struct.pack(">i", 26)), whole)) == pytest.approx(26)
    assert told(lenses.phone_film(lenses.keyed(21, struct.pack(">i", 26), "com.android.capture.fps"))) is None


def test_a_wide_video_shows_the_whole_width_of_the_sensor_and_a_squarer_one_its_diagonal(tmp_path):
    film = tmp_path / "film.mov"
    film.write_bytes(lenses.phone_film(lenses.keyed(21, struct.pack(">i", 26))))
    (wide, remark), tall = focal_px(film, 1920, 1080), focal_px(film, 1080, 1920)
    assert wide == tall[0] == pytest.approx(26 / FILM_MM * 2400) and "26 mm" in remark and "--fov" in remark
    assert focal_px(film, 1440, 1080)[0] == pytest.approx(26 / FILM_MM * 1800)


def test_a_gopro_s_angle_of_view_counts_where_its_picture_is_straight(tmp_path):
    film = tmp_path / "GX010001.MP4"
    for content, fov_deg in (
        (lenses.gopro(92.0), 92.0), (lenses.gopro(141.1, b"W"), None), (lenses.gopro(math.nan), None),
        (lenses.gopro(0.0), None), (lenses.gopro(92.0)[:-4], None),
    ):  # fmt: skip
        film.write_bytes(lenses.phone_film(film=content))
        found = file_focal_px(film, 1920, 1080)
        assert found == (fov_deg and (pytest.approx(math.hypot(960, 540) / math.tan(math.radians(46))), ""))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_s_focal_length_is_that_of_its_diagonal(tmp_path, order):
    for number in (2, 10):
        (tmp_path / f"shot_{number}.jpg").write_bytes(lenses.exif({0xA402: 1, 0xA405: 50 * (number == 2)}, order))
    found, remark = focal_px(tmp_path / "shot_2.jpg", 600, 800)
    assert found == pytest.approx(50 / FILM_MM * 1000) and not remark
    assert file_focal_px(tmp_path, 600, 800) == (found, remark)
    assert file_focal_px(tmp_path / "shot_10.jpg", 600, 800) is None
    assert file_focal_px(tmp_path / "none.jpg", 600, 800) is None


def test_boxes_that_lie_about_their_size_end_and_tell_nothing_false(told):
    good = lenses.phone_film(lenses.keyed(21, struct.pack(">i", 26)))
    hostile = {
        "a box without end": lenses.box(b"ftyp") + lenses.box(b"moov", lenses.box(b"trak", size=2**32 - 1)),
        "the largest size": lenses.box(b"ftyp") + struct.pack(">I4sQ", 1, b"moov", 2**64 - 1),
        "a box within itself": lenses.box(b"ftyp") + lenses.box(b"moov", size=8) * 40_000,
        "too small": lenses.box(b"ftyp") + lenses.box(b"moov", b"\0" * 100, size=4),
        "nested without end": lenses.box(b"ftyp") + lenses.box(b"trak", size=0) * 30_000,
        "names of no size": good.replace(struct.pack(">I4s", 8 + len(lenses.KEY), b"mdta"), b"\0\0\0\0mdta"),
        "many metadata": lenses.box(b"ftyp") + lenses.box(b"meta", lenses.box(b"ilst", size=8) * 2000) * 100,
    }
    assert [name for name, content in hostile.items() if told(content) is not None] == []
    assert told(good) == pytest.approx(26)


def test_a_damaged_file_tells_the_length_or_nothing(told):
    good = lenses.phone_film(lenses.keyed(21, struct.pack(">i", 26)))
    for at in range(len(good)):
        assert told(good[:at]) in (None, pytest.approx(26))
    rng = random.Random(0)
    for _ in range(500):
        content = bytearray(good)
        for _ in range(3):
            content[rng.randrange(len(good))] = rng.randrange(256)
        told(bytes(content))
