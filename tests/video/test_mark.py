"""Laws of reading on from a place in a video."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
import torch
from tests.video.conftest import turn

from vibe.video.read import ahead, open_video
from vibe.video.stream import REMEMBERED

ONE = 1 << 16
TICKS = [33 * i + 11 * (i % 3) + (400 if i > 50 else 0) for i in range(90)]


def moving(width=64, height=48, seed=0):
    """Pictures of noise that moves, so that no two are alike and P and B frames have something to say."""
    random = np.random.default_rng(seed).integers(0, 255, (height, 4 * width, 3), np.uint8)
    for index in range(10**6):
        yield np.ascontiguousarray(random[:, 2 * index % width :][:, :width])


def write(path, frames=90, ticks=None, codec="libx264", pixels="yuv420p", gop=25, bframes=3, options=None, seed=0):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.gop_size, stream.max_b_frames = gop, bframes
        for tick, rgb in zip(ticks or [40 * i for i in range(frames)], moving(seed=seed), strict=False):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damaged(path, seed=0):
    """Some bytes in the middle replaced by noise."""
    content, random = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in random.integers(len(content) // 4, len(content) * 3 // 4, 6):
        content[place : place + 40] = random.bytes(40)
    path.write_bytes(content)
    return path


def turned(path):
    turn(path, (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30))
    return path


def twice(folder):
    """A file whose time stamps begin anew in the middle."""
    part, path = write(folder / "part.ts", 40), folder / "twice.ts"
    path.write_bytes(part.read_bytes() + write(folder / "other.ts", 40, seed=1).read_bytes())
    return path


SOUGHT = {
    "B frames": lambda folder: write(folder / "a.mp4"),
    "open groups of pictures": lambda folder: write(folder / "a.mkv", options={"x264-params": "open-gop=1"}),
    "one key frame": lambda folder: write(folder / "a.mp4", gop=500),
    "variable frame rate": lambda folder: write(folder / "a.mp4", ticks=TICKS),
    "a turned recording": lambda folder: turned(write(folder / "a.mp4")),
    "WebM": lambda folder: write(folder / "a.webm", codec="libvpx", options={"cpu-used": "8"}),
    "a transport stream": lambda folder: write(folder / "a.ts"),
}
SKIPPED = {
    "no stamps": lambda folder: write(folder / "a.h264"),
    "stamps that begin anew": twice,
    "no key frames but the first": lambda folder: write(folder / "a.mkv", options={"x264-params": "intra-refresh=1"}),
}
DAMAGED = {
    "broken containers": lambda folder: damaged(write(folder / "a.mkv", codec="ffv1", gop=1)),
    "broken pictures": lambda folder: damaged(write(folder / "a.mp4"), 7),
    "broken packets": lambda folder: damaged(write(folder / "a.ts"), 3),
}


def told(video):
    clip = video.clip()
    return clip.timestamps.tolist(), clip.fps, clip.damaged, video.notes


def whole(path):
    """All frames, and the marks behind them."""
    frames, marks = [], []
    with open_video(path) as video:
        marks.append(video.mark())
        for frame in video:
            frames.append(frame)
            marks.append(video.mark())
        return frames, marks, told(video)


def same(one, other):
    return (one.index, one.time) == (other.index, other.time) and np.array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize("kind", [*SOUGHT, *SKIPPED])
def test_what_is_read_after_a_mark_is_what_an_undisturbed_pass_reads(kind, tmp_path):
    path = {**SOUGHT, **SKIPPED}[kind](tmp_path)
    frames, marks, end = whole(path)
    assert len(frames) > 40
    random = np.random.default_rng(1)
    for place in (0, 1, *random.integers(2, len(frames) - 1, 6), len(frames) - 1, len(frames)):
        with open_video(path, after=marks[place]) as video:
            assert video.mark() == marks[place]
            rest = list(ahead(video)) if place % 2 else list(video)
            assert len(rest) == len(frames) - place
            assert all(same(one, other) for one, other in zip(rest, frames[place:], strict=True))
            assert told(video) == end
            assert video.mark() == marks[-1]


@pytest.mark.parametrize("kind", DAMAGED)
def test_times_and_counts_of_a_damaged_video_are_those_of_an_undisturbed_pass(kind, tmp_path):
    """Pixels that could not be decoded may differ: the decoder's threads paint them differently each time."""
    path = DAMAGED[kind](tmp_path)
    frames, marks, end = whole(path)
    for place in np.random.default_rng(1).integers(0, len(frames) - 1, 8):
        with suppress(ValueError), open_video(path, after=marks[place]) as video:
            rest = [(frame.index, frame.time) for frame in video]
            assert rest == [(frame.index, frame.time) for frame in frames[place:]]
            assert told(video) == end


@pytest.mark.parametrize("kind", SOUGHT)
def test_the_place_is_sought_where_stamps_tell_it(kind, tmp_path):
    path = SOUGHT[kind](tmp_path)
    with open_video(path) as video:
        list(islice(video, 60))
        mark = video.mark()
    with open_video(path) as video:
        assert video._sought(mark)


def test_a_stamp_that_stands_twice_is_not_sought(tmp_path):
    path = write(tmp_path / "a.mp4", 40)
    with open_video(path) as video:
        list(islice(video, 30))
        mark = video.mark()
    doubled = replace(mark, stamps=(*mark.stamps[:-2], mark.stamps[-1], mark.stamps[-1]))
    assert mark.can_be_sought and not doubled.can_be_sought
    assert not replace(mark, stamps=(None,) * REMEMBERED).can_be_sought


def test_another_video_is_not_read_on(tmp_path):
    mark = whole(write(tmp_path / "a.mp4", 40))[1][20]
    for other in (write(tmp_path / "b.mp4", 40, seed=1), write(tmp_path / "c.mp4", 10)):
        with pytest.raises(ValueError, match="not as it was"):
            open_video(other, after=mark)


def test_a_real_video_is_read_on(shared):
    path = shared / "data" / "videos" / "two_people" / "cam01.mp4"
    with open_video(path) as video:
        frames = iter(video)
        list(islice(frames, 37))
        mark, rest = video.mark(), list(islice(frames, 20))
    with open_video(path, after=mark) as video:
        again = list(islice(video, 20))
    assert all(same(one, other) for one, other in zip(again, rest, strict=True))
    assert torch.equal(
        video.clip().timestamps, torch.tensor([*mark.times, *(frame.time for frame in rest)], dtype=torch.float64)
    )
