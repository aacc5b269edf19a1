"""Frames decoded in a thread are the same frames."""

import threading

import numpy as np
import pytest

from vibe.video.colour import Converter
from vibe.video.read import ahead, open_video


def decoders():
    """Threads that decode."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("decoder")]


@pytest.mark.parametrize("depth", [1, 3, 40])
def test_frames_ahead_are_the_same_frames_at_the_same_times(make_video, depth):
    path = make_video(ticks=[0, 40, 80, 95, 200, 240, 280, 320, 360])
    with open_video(path) as plain, open_video(path) as early:
        both = list(zip(plain, ahead(early, depth), strict=True))
        assert len(both) == 9
        for one, other in both:
            assert (one.index, one.time) == (other.index, other.time)
            assert np.array_equal(one.rgb, other.rgb)
        assert plain.notes == early.notes
        assert plain.clip().timestamps.equal(early.clip().timestamps)


def test_the_clip_tells_only_of_the_frames_that_were_taken(make_video):
    with open_video(make_video(frames=12)) as video:
        for frame in ahead(video, 5):
            assert len(video.clip().timestamps) == frame.index + 1


def test_damage_is_counted_when_the_frame_behind_it_is_taken(make_video):
    path = make_video(frames=60, width=320, height=240)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    with open_video(path) as plain, open_video(path) as early:
        assert [plain.damaged for _ in plain] == [early.damaged for _ in ahead(early, 8)]
        assert plain.damaged == early.damaged
        assert plain.clip().damaged == early.clip().damaged


def test_leaving_the_loop_ends_the_thread_and_the_file_can_be_closed(make_video):
    before = len(decoders())
    with open_video(make_video(frames=30)) as video:
        for frame in ahead(video):
            if frame.index == 3:
                break
        assert len(decoders()) == before
        assert len(video.clip().timestamps) == 4


def test_a_video_closed_under_the_thread_ends_the_frames(make_video):
    video = open_video(make_video(frames=30))
    frames = ahead(video)
    next(frames)
    video.close()
    assert len(list(frames)) < 29
    assert decoders() == []


def test_an_error_of_the_decoder_is_raised_where_its_frame_would_have_come(make_video, monkeypatch):
    with open_video(make_video(frames=12)) as video:
        upright, seen = Converter.__call__, []

        def failing(converter, frame):
            seen.append(frame)
            if len(seen) == 5:
                raise MemoryError("no memory for the picture")
            return upright(converter, frame)

        monkeypatch.setattr(Converter, "__call__", failing)
        taken = []
        with pytest.raises(MemoryError, match="no memory"):
            taken.extend(frame.index for frame in ahead(video))
        assert len(video.clip().timestamps) == 4
        assert decoders() == []


def test_frames_are_read_once_ahead_too(make_video):
    with open_video(make_video(frames=3)) as video:
        assert len(list(ahead(video))) == 3
        with pytest.raises(ValueError, match="open it again"):
            next(ahead(video))
