"""The video in a page: as it is where browsers play it, else encoded anew; always the motion's own."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from vibe.arrays import as_numpy
from vibe.records import Clip
from vibe.video.read import open_video
from vibe.video.sound import browser_kind
from vibe.video.write import VideoWriter
from vibe.viewer.page import TooLarge, read_film

TIMES = [0.04 * i + 0.01 * (i % 3) for i in range(20)]


def write(path: Path, width: int = 64, height: int = 48) -> Clip:
    """A video of rising brightness with uneven times, and what one pass over it tells."""
    with VideoWriter(path, width, height, 25) as writer:
        for index, time in enumerate(TIMES):
            writer.write(np.full((height, width, 3), 10 * index, np.uint8), time)
    return clip_of(path)


def clip_of(path: Path) -> Clip:
    with open_video(path) as video:
        for _ in video:
            pass
        return as_numpy(video.clip())


def write_mpeg4(path: Path, first: float = 0.0) -> Clip:
    """A video of another codec that begins at a time of its own."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * index, np.uint8), format="rgb24")
            frame.pts = round(25 * first) + index
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return clip_of(path)


def shown(content: bytes, path: Path) -> tuple[list[float], tuple[int, int]]:
    """Times and size of the pictures of a film."""
    path.write_bytes(content)
    clip = clip_of(path)
    return clip.timestamps.tolist(), (clip.width, clip.height)


@pytest.mark.parametrize(("name", "kind"), [("a.mp4", "video/mp4"), ("a.webm", "video/webm")])
def test_what_browsers_play_is_taken_as_it_is(tmp_path, name, kind):
    clip = write(tmp_path / name)
    film = read_film(tmp_path / name, clip)
    assert (film.kind, film.content) == (kind, (tmp_path / name).read_bytes())


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mov", "a.mp4"])
def test_what_they_do_not_play_is_encoded_anew_with_its_own_times(tmp_path, name):
    clip = write(tmp_path / name) if name == "a.mov" else write_mpeg4(tmp_path / name)
    film = read_film(tmp_path / name, clip)
    times, size = shown(film.content, tmp_path / "film.mp4")
    assert film.kind == "video/mp4" == browser_kind(tmp_path / "film.mp4", clip.timestamps)
    assert size == (64, 48)
    np.testing.assert_allclose(times, clip.timestamps, atol=1e-3)


def test_a_video_that_does_not_begin_at_zero_is_encoded_anew(tmp_path):
    clip = write_mpeg4(tmp_path / "late.mkv", first=2.0)
    film = read_film(tmp_path / "late.mkv", clip)
    (tmp_path / "film.mp4").write_bytes(film.content)
    with av.open(str(tmp_path / "film.mp4")) as file:
        first = next(file.decode(video=0))
        assert float(first.pts * first.time_base) == 0.0


def test_a_large_picture_that_is_encoded_anew_becomes_1280_pixels_wide(tmp_path):
    clip = write(tmp_path / "wide.mov", 1601, 81)
    film = read_film(tmp_path / "wide.mov", clip)
    assert shown(film.content, tmp_path / "film.mp4")[1] == (1280, 66)


def test_a_video_above_the_limit_is_refused_with_what_to_do(tmp_path):
    clip = write(tmp_path / "a.mp4")
    with pytest.raises(TooLarge, match=r"more than the limit of 0.0001 MB.*--no-video"):
        read_film(tmp_path / "a.mp4", clip, limit_mb=1e-4)


def test_another_video_than_the_motions_is_refused(tmp_path):
    clip = write(tmp_path / "a.mp4")
    shorter = replace(clip, timestamps=clip.timestamps[:9])
    moved = replace(clip, timestamps=clip.timestamps + 0.3 * np.arange(20))
    for other in (shorter, moved, replace(clip, width=32)):
        with pytest.raises(ValueError, match="does not fit the motion"):
            read_film(tmp_path / "a.mp4", other)


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    clip = Clip(tmp_path / "a.mp4", 25.0, 64, 48, np.arange(20) / 25, 0)
    with pytest.raises(ValueError, match="not a video"):
        read_film(tmp_path / "a.mp4", clip)
