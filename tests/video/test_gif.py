"""Laws of animated GIFs."""

import av
import numpy as np
import pytest

from vibe.video.write import GifWriter


def ramp(index):
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.linspace(0, 255, 32), 10 * index
    return picture


def test_frames_and_times_come_back(tmp_path):
    with GifWriter(tmp_path / "a.gif", 32, 24, 12.5, 6) as writer:
        for index in range(6):
            writer.write(ramp(index), index * 0.08)
        assert list(tmp_path.iterdir()) == []
    with av.open(str(tmp_path / "a.gif")) as container:
        frames = list(container.decode(video=0))
    assert [round(frame.time, 2) for frame in frames] == [round(index * 0.08, 2) for index in range(6)]
    for index, frame in enumerate(frames):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - ramp(index)).mean() < 6


def test_what_is_transparent_stays_so_and_frames_do_not_show_through_it(tmp_path):
    with GifWriter(tmp_path / "a.gif", 32, 24, 10, 4, opacity=True) as writer:
        for index in range(4):
            picture = np.zeros((24, 32, 4), np.uint8)
            picture[4:20, 8 * index : 8 * index + 8] = (200, 50 * index, 30, 255)
            writer.write(picture, index / 10)
    with av.open(str(tmp_path / "a.gif")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            opacity = np.zeros((24, 32), int)
            opacity[4:20, 8 * index : 8 * index + 8] = 255
            assert (frame.to_ndarray(format="rgba")[..., 3] == opacity).all()


def test_more_than_memory_should_hold_is_refused_before_it_begins(tmp_path):
    with pytest.raises(ValueError, match="3000 frames of 1920x1080"):
        GifWriter(tmp_path / "a.gif", 1920, 1080, 25, 3000)


def test_after_an_exception_nothing_is_left(tmp_path):
    with pytest.raises(KeyboardInterrupt), GifWriter(tmp_path / "a.gif", 32, 24, 10, 2) as writer:
        writer.write(ramp(0), 0.0)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_gives_one_clear_line(tmp_path):
    with pytest.raises(OSError, match="cannot write .*choose a folder"):
        with GifWriter(tmp_path / "nowhere" / "a.gif", 32, 24, 10, 1) as writer:
            writer.write(ramp(0), 0.0)
