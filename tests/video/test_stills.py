"""Laws of photos and folders of pictures."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from tests.video.conftest import picture

from vibe.video.read import count_frames, open_video
from vibe.video.stills import numbered_pictures

CODECS = {
    "a.png": ("png", "rgb24"),
    "a.jpg": ("mjpeg", "yuvj444p"),
    "a.jpeg": ("mjpeg", "yuvj444p"),
    "A.JPG": ("mjpeg", "yuvj444p"),
    "with 5% or %d.jpg": ("mjpeg", "yuvj444p"),
    "a.tga": ("targa", "bgr24"),
    "a.bmp": ("bmp", "bgr24"),
    "a.tiff": ("tiff", "rgb24"),
}


def write_picture(path, rgb, codec, pixels):
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = rgb.shape[1], rgb.shape[0], pixels, 25
    encoder.options = {"qmin": "1", "qmax": "2"} if codec == "mjpeg" else {}
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels)
    path.write_bytes(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))


@pytest.mark.parametrize("name", CODECS)
def test_a_single_picture_is_a_video_of_one_frame(tmp_path, name):
    write_picture(tmp_path / name, picture(0, 64, 48), *CODECS[name])
    with open_video(tmp_path / name) as video:
        (frame,) = video
        assert frame.time == 0 and video.clip().timestamps.tolist() == [0.0] and video.notes == ()
    assert np.abs(frame.rgb.astype(int) - picture(0, 64, 48)).mean() < 3
    assert count_frames(tmp_path / name) == 1


@pytest.mark.parametrize("name", ["a.jpg", "a.tga"])
def test_half_a_picture_or_none_gets_one_clear_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xd8\xff" + b"no picture at all" * 9)
    with pytest.raises(ValueError, match=rf"{name} is not a picture that can be decoded") as caught:
        open_video(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures, whose names do not sort as their numbers do, every other number, with things beside them."""
    place = tmp_path / "pictures"
    place.mkdir()
    for index in range(12):
        write_picture(place / f"take2_{2 * index}.png", picture(index, 64, 48), "png", "rgb24")
    (place / "notes.txt").write_text("take 2")
    (place / "._take2_0.png").write_bytes(b"")
    return place


@pytest.mark.parametrize("fps", [None, 30, 12.5, 24000 / 1001])
def test_a_folder_of_numbered_pictures_is_a_video(folder, fps):
    with open_video(folder, fps=fps) as video:
        frames = list(video)
        assert video.expected_frames == len(frames) == 12 == count_frames(folder)
        assert [frame.time for frame in frames] == pytest.approx(np.arange(12) / (fps or 30))
        assert video.clip().fps == pytest.approx(fps or 30)
        for frame in frames:
            assert np.array_equal(frame.rgb, picture(frame.index, 64, 48))


def test_a_folder_of_pictures_is_read_on_from_a_mark(folder):
    with open_video(folder, fps=25) as video:
        seen = [next(iter(video))]
    with open_video(folder, fps=25) as video:
        frames = iter(video)
        seen = [next(frames) for _ in range(5)]
        mark = video.mark()
    with open_video(folder, after=mark, fps=25) as video:
        rest = list(video)
        assert [frame.index for frame in seen + rest] == list(range(12))
        assert all(np.array_equal(frame.rgb, picture(frame.index, 64, 48)) for frame in rest)
        assert video.clip().timestamps.tolist() == pytest.approx(list(np.arange(12) / 25))


def test_a_damaged_picture_of_a_folder_is_counted(folder):
    (folder / "take2_6.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with open_video(folder) as video:
        assert [round(30 * frame.time) for frame in video] == [0, 1, 2, *range(4, 12)]
        assert video.clip().damaged == 1


def test_an_empty_picture_of_a_folder_is_damage_and_not_its_end(folder):
    (folder / "take2_6.png").write_bytes(b"")
    with open_video(folder) as video:
        assert [round(30 * frame.time) for frame in video] == [0, 1, 2, *range(4, 12)]
        assert video.clip().damaged == 1


def test_numbers_that_are_missing_are_noted_and_a_step_that_is_the_same_throughout_is_not(folder):
    with open_video(folder) as video:
        assert video.notes == ()
    (folder / "take2_6.png").unlink()
    (folder / "take2_16.png").rename(folder / "take2_17.png")
    (folder / "take2_22.png").rename(folder / "take2_122.png")
    with open_video(folder) as video:
        assert len(list(video)) == 11
        (note,) = video.notes
        assert note.startswith("51 numbers are missing between its 11 pictures")


def test_one_number_that_is_missing_is_one(folder):
    (folder / "take2_6.png").unlink()
    with open_video(folder) as video:
        (note,) = video.notes
        assert note.startswith("1 number is missing between its 11 pictures")


def test_a_folder_of_other_pictures_is_none(tmp_path, folder):
    assert len(numbered_pictures(folder)) == 12
    cv2.imwrite(str(folder / "other_1.png"), picture(0, 64, 48))
    assert numbered_pictures(folder) == []
    with pytest.raises(ValueError, match="is a folder: give a video file, or a folder that holds the numbered"):
        open_video(folder)


def test_an_animated_webp_is_called_what_it_is(tmp_path):
    """The container alone, as FFmpeg's encoder begins it: no decoder of FFmpeg's reads on from there."""
    path = tmp_path / "moving.webp"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libwebp_anim", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index, 64, 48), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="is an animated WebP, which FFmpeg cannot decode"):
        open_video(path)
