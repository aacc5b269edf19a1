"""Laws of which stream of a file is its video, how fast it runs, and which files are refused."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from vibe.video.container import edits_change_speed
from vibe.video.read import count_frames, open_video


def write_streams(path, *streams):
    """Write a file of several video streams: width, height, frames, disposition, brightness of each."""
    with av.open(str(path), "w") as container:
        made = []
        for width, height, _, disposition, _ in streams:
            stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for index in range(max(frames for _, _, frames, _, _ in streams)):
            for stream, (width, height, frames, _, level) in zip(made, streams, strict=True):
                if index < frames:
                    rgb = np.full((height, width, 3), level + 2 * index, np.uint8)
                    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        for stream in made:
            container.mux(stream.encode(None))
    return path


NONE, DEFAULT, COVER = Disposition(0), Disposition.default, Disposition.attached_pic
FILM = (64, 48, 10, NONE, 100)
CHOICES = {
    "a small proxy first": ([(16, 16, 10, NONE, 10), FILM], 1),
    "a proxy behind it": ([FILM, (16, 16, 10, NONE, 10)], 0),
    "a larger one without the default flag": ([(64, 48, 10, DEFAULT, 100), (96, 64, 10, NONE, 10)], 0),
    "a large picture that does not move": ([(128, 96, 1, NONE, 10), FILM], 1),
    "a cover with the default flag": ([(128, 96, 1, DEFAULT, 10), FILM], 1),
    "two with the default flag": ([(16, 16, 10, DEFAULT, 10), (64, 48, 10, DEFAULT, 100)], 1),
}


@pytest.mark.parametrize("kind", CHOICES)
def test_of_several_streams_the_film_is_read(tmp_path, kind):
    streams, chosen = CHOICES[kind]
    path = write_streams(tmp_path / "several.mkv", *streams)
    with open_video(path) as video:
        frames = list(video)
        assert (video.width, video.height) == streams[chosen][:2] and len(frames) == 10
        assert abs(int(frames[0].rgb.mean()) - 100) < 4
        assert [note for note in video.notes if "2 video streams: the one of 64x48" in note]
    assert count_frames(path) == 10


def test_that_the_first_track_of_an_mp4_is_enabled_chooses_nothing(tmp_path):
    """Whoever writes one without naming a default track enables the first."""
    small = (16, 16, 10, NONE, 10)
    for endings, chosen in (
        ((small, FILM), 100),
        ((FILM, small), 100),
        (((16, 16, 10, NONE, 10), (64, 48, 10, DEFAULT, 100)), 100),
    ):
        with open_video(write_streams(tmp_path / "several.mp4", *endings)) as video:
            assert abs(int(next(iter(video)).rgb.mean()) - chosen) < 4
    with open_video(write_streams(tmp_path / "named.mp4", FILM, (16, 16, 10, DEFAULT, 10))) as video:
        assert abs(int(next(iter(video)).rgb.mean()) - 10) < 4, "the second was enabled by somebody who chose"


def test_of_one_stream_there_is_nothing_to_remark(tmp_path):
    with open_video(write_streams(tmp_path / "one.mkv", FILM)) as video:
        assert video.notes == ()


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("fps", [60, 24])
def test_a_bare_stream_runs_at_the_rate_that_it_names(tmp_path, codec, fps):
    path = tmp_path / ("bare.h264" if codec == "libx264" else "bare.hevc")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(13):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(path) as video:
        times = [frame.time for frame in video]
        assert times == pytest.approx(np.arange(13) / fps, abs=1e-6) and video.clip().fps == pytest.approx(fps)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("version", [0, 1])
def test_an_edit_list_that_changes_the_speed_is_remarked(make_video, version):
    path = make_video(frames=6)
    whole = path.read_bytes()
    at = whole.index(b"elst") - 4
    size = struct.unpack_from(">I", whole, at)[0]
    place = at + size - 4
    assert not edits_change_speed(path) and open_video(path).notes == ()
    path.write_bytes(whole[:place] + struct.pack(">I", 1 << 15) + whole[place + 4 :])
    assert edits_change_speed(path)
    with open_video(path) as video:
        assert any("edit list changes the speed" in note for note in video.notes) and len(list(video)) == 6
    entry = struct.pack(">Iii" if version == 0 else ">Qqi", 1000, 0, 1 << 17)
    elst = box(b"elst", struct.pack(">B3xI", version, 1) + entry)
    path.write_bytes(box(b"ftyp", b"isom") + box(b"moov", box(b"trak", box(b"edts", elst))))
    assert edits_change_speed(path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert not edits_change_speed(path)


LISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile neighbour.mp4\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nneighbour.mp4\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("neighbour", ["whole", "empty", "missing"])
def test_a_list_that_is_named_as_a_video_is_refused_before_its_neighbours_are_opened(
    tmp_path, make_video, name, neighbour
):
    """Whoever opened them would find, and say, that they are missing or empty."""
    path = make_video("neighbour.mp4", frames=3)
    if neighbour != "whole":
        path.write_bytes(b"")
    if neighbour == "missing":
        path.unlink()
    (tmp_path / name).write_text(LISTS[name])
    with pytest.raises(ValueError, match=r"is (a text or a list, )?not a video that can be read") as caught:
        open_video(tmp_path / name)
    assert "neighbour" not in str(caught.value) and "No such file" not in str(caught.value)
