"""Laws of which way up pictures are shown."""

from __future__ import annotations

import struct
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
from tests.video.conftest import turn

from vibe.video.orientation import EXIF, exif_orientation
from vibe.video.read import open_video
from vibe.video.sound import browser_kind

ONE = 1 << 16
MATRICES = {
    "as stored": ((1, 0, 0, 1), "top left", 1),
    "mirrored": ((-1, 0, 0, 1), "top right", 2),
    "turned by 180": ((-1, 0, 0, -1), "bottom right", 3),
    "upside down": ((1, 0, 0, -1), "bottom left", 4),
    "transposed": ((0, 1, 1, 0), "top left", 5),
    "turned clockwise": ((0, 1, -1, 0), "top right", 6),
    "transposed across": ((0, -1, -1, 0), "bottom right", 7),
    "turned counter-clockwise": ((0, -1, 1, 0), "bottom left", 8),
}
"""The four numbers that matter, where FFmpeg's player shows the stored top left, and EXIF's number for the same."""
each_matrix = pytest.mark.parametrize("kind", MATRICES)


def corner(rgb: np.ndarray) -> str:
    """Where the dark corner of `picture` is: it is dark in red and green."""
    height, width = rgb.shape[:2]
    corners = {
        f"{up} {side}": rgb[y, x, :2].astype(int).sum()
        for up, y in (("top", 2), ("bottom", height - 3))
        for side, x in (("left", 2), ("right", width - 3))
    }
    return min(corners, key=lambda name: corners[name])


def write_matrix(path, kind):
    a, b, c, d = (ONE * number for number in MATRICES[kind][0])
    turn(path, (a, b, 0, c, d, 0, 0, 0, 1 << 30))


@each_matrix
def test_a_recording_is_shown_as_players_show_it(make_video, kind):
    path = make_video(frames=3)
    with open_video(path) as video:
        stored = next(iter(video)).rgb
    write_matrix(path, kind)
    with open_video(path) as video:
        shown = [frame.rgb for frame in video]
        assert (video.width, video.height) == shown[0].shape[1::-1]
    (a, _, _, d), place, _ = MATRICES[kind]
    assert shown[0].shape == (stored.shape if a or d else stored.swapaxes(0, 1).shape)
    assert len(shown) == 3 and corner(shown[0]) == place
    assert sorted(shown[0].reshape(-1, 3).tolist()) == sorted(stored.reshape(-1, 3).tolist())
    # The corner tells four of the orientations from the others, red, which grows to the right, tells the rest.
    red = shown[0][..., 0].astype(int)
    across, down = abs(red[:, -3] - red[:, 2]).mean(), abs(red[-3] - red[2]).mean()
    assert (across > down) == bool(a or d)


@each_matrix
def test_the_same_pictures_come_out_whichever_way_up_they_are_stored(tmp_path, kind):
    """Without loss, and wide but not high: so tall a picture as it becomes when it is turned is in other colours."""
    shown = np.random.default_rng(0).integers(0, 256, (64, 600, 3), np.uint8)
    (a, _, _, d), _, number = MATRICES[kind]
    turns = EXIF[number]
    back = turns if a or d else replace(turns, mirrored=turns.flipped, flipped=turns.mirrored)
    pictures = []
    for rgb in (shown, np.ascontiguousarray(back.apply(shown))):
        path = tmp_path / "stored.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
            stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv444p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
            container.mux(stream.encode(None))
        if pictures:
            write_matrix(path, kind)
        with open_video(path) as video:
            pictures += [frame.rgb for frame in video]
    assert np.array_equal(*pictures)


@each_matrix
def test_browsers_turn_recordings_but_do_not_mirror_them(make_video, kind):
    path = make_video(frames=5)
    times = np.arange(5) * 0.04
    assert browser_kind(path, times) == "video/mp4"
    write_matrix(path, kind)
    a, b, c, d = MATRICES[kind][0]
    assert browser_kind(path, times) == ("video/mp4" if a * d - b * c > 0 else None)


def exif(number: int, order: str) -> bytes:
    """An EXIF block for a JPEG file, of one tag."""
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    body = b"Exif\0\0" + tiff + struct.pack(order + "HHIHHI", 0x0112, 3, 1, number, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@each_matrix
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_is_shown_as_its_exif_says(tmp_path, kind, order):
    _, place, number = MATRICES[kind]
    stored = np.full((48, 64, 3), 220, np.uint8)
    stored[:16, :16] = 20
    content = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    path = tmp_path / "photo.JPG"
    path.write_bytes(content[:2] + exif(number, order) + content[2:])
    with open_video(path) as video:
        (frame,) = video
    assert corner(frame.rgb) == place
    assert frame.rgb.shape[:2] == ((64, 48) if number > 4 else (48, 64))
    assert np.abs(frame.rgb.astype(int) - cv2.imread(str(path))).mean() < 3, "OpenCV turns it otherwise"


def test_exif_that_leads_nowhere_turns_nothing():
    whole = exif(6, "<")
    assert exif_orientation(whole) == EXIF[6]
    for length in range(len(whole)):
        assert exif_orientation(whole[:length]) in (EXIF[1], EXIF[6])
    assert exif_orientation(whole.replace(struct.pack("<I", 8), struct.pack("<I", 1 << 31))) == EXIF[1]
    assert exif_orientation(exif(9, ">")) == EXIF[1]
