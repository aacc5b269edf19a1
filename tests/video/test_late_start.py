"""Videos that begin between two key frames, as recordings of a stream do."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vibe.motion.footage import open_footage, video_frames
from vibe.video.read import LATE, count_frames, count_packets, open_video


@pytest.fixture(scope="module")
def late(tmp_path_factory) -> Path:
    """60 frames with a key frame every 20, of which the first 7 packets are missing."""
    folder = tmp_path_factory.mktemp("late")
    with av.open(str(folder / "whole.mkv"), "w") as target:
        stream = target.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 20
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    path = folder / "late.mkv"
    with av.open(str(folder / "whole.mkv")) as source, av.open(str(path), "w") as target:
        shown = source.streams.video[0]
        copied = target.add_stream_from_template(shown)
        for number, packet in enumerate(source.demux(shown)):
            if packet.dts is not None and number >= 7:
                packet.stream = copied
                target.mux(packet)
    return path


def test_what_comes_before_the_first_key_frame_is_said_to_be_missing(late):
    with open_video(late) as video:
        frames = len(list(video))
        assert LATE in video.notes
    assert count_packets(late) == (13, 40) and count_frames(late) == 53 and 38 <= frames <= 40


@pytest.mark.parametrize("ending", ["mkv", "h264", "ts", "mp4"])
def test_a_whole_video_is_not_said_to_begin_late(late, ending, tmp_path):
    path = tmp_path / f"whole.{ending}"
    with av.open(str(late.parent / "whole.mkv")) as source, av.open(str(path), "w") as target:
        shown = source.streams.video[0]
        copied = target.add_stream_from_template(shown)
        for number, packet in enumerate(packet for packet in source.demux(shown) if packet.size):
            # written in the order of decoding, whatever the file told of it
            packet.stream, packet.dts = copied, 40 * (number - 3)
            target.mux(packet)
    with open_video(path) as video:
        list(video)
        assert LATE not in video.notes


def test_such_a_video_fits_the_motion_that_was_found_in_it(late):
    with open_video(late) as video:
        list(video)
        clip = video.clip()
    with open_footage(late, clip) as video:
        assert len(list(video_frames(video, clip))) == len(clip.timestamps)
