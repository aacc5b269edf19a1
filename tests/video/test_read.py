"""Laws of reading video."""

from __future__ import annotations

import os
import re
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from tests.video.conftest import picture

from vibe.video import container
from vibe.video.container import FileSource
from vibe.video.read import count_frames, open_video
from vibe.video.stream import JOINED, LATE_IN_A_ROW, MOVED, frame_rate


def read(path):
    with open_video(path) as video:
        frames = list(video)
        return video, frames, video.clip()


def test_frames_come_out_as_they_went_in(make_video):
    video, frames, clip = read(make_video(frames=12))
    assert (video.width, video.height, video.expected_frames) == (64, 48, 12)
    assert [frame.index for frame in frames] == list(range(12))
    assert clip.fps == pytest.approx(25) and clip.damaged == 0 and video.notes == ()
    for frame in frames:
        assert np.abs(frame.rgb.astype(float) - picture(frame.index, 64, 48)).mean() < 6


def test_variable_frame_rate_is_kept(make_video):
    ticks = [0, 33, 70, 200, 210, 500, 533, 900]
    _, frames, clip = read(make_video(ticks=ticks))
    assert [frame.time for frame in frames] == pytest.approx([tick / 1000 for tick in ticks], abs=1e-4)
    assert torch.equal(clip.timestamps, torch.tensor([frame.time for frame in frames], dtype=torch.float64))
    assert clip.fps == pytest.approx(3 / 0.103, rel=1e-3)  # 33, 37 and 33 ms are the usual steps


@pytest.mark.parametrize("pause", [3_000, 20_000, 700_000])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_one_pause_changes_neither_the_frame_rate_nor_the_steps_about_it(make_video, name, pause):
    ticks = [round(1000 / 60 * i) + pause * (i >= 20) for i in range(40)]
    video, _, clip = read(make_video(name, ticks=ticks))
    joined = pause > 600_000
    step = 1 / 60 + (0 if joined else pause / 1000)
    assert clip.fps == pytest.approx(60, rel=0.01)
    assert float(clip.timestamps[20] - clip.timestamps[19]) == pytest.approx(step, abs=2e-3)
    assert video.notes == (JOINED,) * joined


def test_pictures_left_out_and_a_file_s_rounding_do_not_change_the_frame_rate():
    even = np.arange(600) / 30
    some = np.random.default_rng(0).random(600) < 0.8
    assert frame_rate(even) == pytest.approx(30, rel=1e-9)
    assert frame_rate(even[some].round(3)) == pytest.approx(30, rel=1e-3)
    film = np.cumsum(np.tile([2, 3], 300)) / 60
    assert frame_rate(film) == pytest.approx(24, rel=1e-3)


def test_half_of_the_pictures_left_out_at_random_are_too_many_for_the_frame_rate_as_the_page_says():
    even, random = np.arange(6000) / 30, np.random.default_rng(0)
    rates = [frame_rate(even[random.random(6000) < share]) for share in (0.65, 0.4)]
    assert rates[0] == pytest.approx(30, rel=1e-3) and rates[1] < 20


def with_stamps(path, ticks):
    """A file whose time stamps, in thousandths of a second, need not increase."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, tick in enumerate(ticks):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture(index, 64, 48), "rgb24")):
                packet.pts = packet.dts = tick
                packet.time_base = Fraction(1, 1000)
                file.mux(packet)
    return path


@pytest.mark.parametrize("name", ["clip.mkv", "clip.flv"])
@pytest.mark.parametrize("repeats", [2, 3])
def test_doubled_stamps_give_the_mean_rate_and_even_steps_once_it_is_known(tmp_path, name, repeats):
    step = 33 * repeats
    ticks = [index // repeats * step for index in range(304)]
    video, _, clip = read(with_stamps(tmp_path / name, ticks))
    assert len(clip.timestamps) == 304 and MOVED in "".join(video.notes)
    assert clip.fps == pytest.approx(1000 / 33, rel=0.01)
    steps = np.diff(clip.timestamps)[32:]
    assert steps.min() > 0.33 * 0.033 and steps.max() < repeats * 0.033


@pytest.mark.parametrize("every", [5, 10, 50])
def test_a_few_doubled_stamps_do_not_change_the_frame_rate(tmp_path, every):
    ticks = [33 * (index - (index % every == every - 1)) for index in range(300)]
    video, _, clip = read(with_stamps(tmp_path / "clip.mkv", ticks))
    assert f"{MOVED} ({300 // every} times)" in video.notes
    assert clip.fps == pytest.approx(1000 / 33, rel=0.01)


def test_stamps_that_stand_still_are_noted_as_what_they_are(tmp_path):
    video, _, clip = read(with_stamps(tmp_path / "clip.mkv", [0] * 60))
    assert JOINED in "".join(video.notes) and "stand still" in JOINED and (clip.timestamps.diff() > 0).all()


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (17, 31), (3840, 2160)])
def test_any_size_is_read(make_video, size):
    width, height = size
    video, frames, _ = read(
        make_video("clip.mkv", frames=2, width=width, height=height, codec="ffv1", pixels="yuv420p")
    )
    assert (video.width, video.height, len(frames)) == (width, height, 2)
    assert frames[1].rgb.shape == (height, width, 3)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.mkv", "ffv1", "gray"),
        ("clip.mkv", "libx264", "yuv420p10le"),
        ("clip.mkv", "ffv1", "bgra"),
        ("clip.mov", "qtrle", "argb"),
        ("clip.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_grey_deep_and_transparent_pictures_are_read(make_video, name, codec, pixels):
    _, frames, _ = read(make_video(name, frames=2, codec=codec, pixels=pixels))
    assert frames[0].rgb.dtype == np.uint8 and frames[0].rgb.shape == (48, 64, 3)
    assert frames[0].rgb[:, -8:].mean() > frames[0].rgb[:, :8].mean() + 20


def test_pictures_of_an_avi_come_at_their_times_in_whichever_order_they_are_decoded(tmp_path):
    """An AVI's stamps are in the order of decoding, in which B-frames come after pictures that are shown later."""
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "b_strategy": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index, 64, 48), "rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps)
    with open_video(path) as video:
        frames = list(video)
        assert [frame.time for frame in frames] == pytest.approx(np.arange(20) / 25, abs=1e-6)
        assert video.notes == ()
        blue = [int(frame.rgb[..., 2].mean()) for frame in frames]
    assert blue == sorted(blue)


def test_damaged_packets_are_skipped_and_counted(make_video):
    path = make_video("clip.mkv", frames=60, codec="ffv1", pixels="yuv420p")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = bytearray(whole)
    for place in rng.integers(len(whole) // 4, len(whole) * 3 // 4, 5):
        damaged[place : place + 60] = rng.integers(0, 256, 60, dtype=np.uint8).tobytes()
    path.write_bytes(damaged)
    video, frames, clip = read(path)
    assert 30 <= len(frames) <= 60
    assert clip.damaged > 0 and f"({clip.damaged} packets)" in video.notes[0]
    assert (clip.timestamps.diff() > 0).all()


@pytest.mark.parametrize("error", [av.error.MemoryError, av.error.BlockingIOError, av.error.InvalidDataError])
def test_what_cannot_be_decoded_for_want_of_memory_is_not_called_damaged(make_video, monkeypatch, error):
    """FFmpeg tells it in each of these ways."""

    def starved(source, packet):
        raise error(1, "what FFmpeg says")

    path = make_video()
    monkeypatch.setattr(FileSource, "decode", starved)
    monkeypatch.setattr(container, "DECODING", 1 << 60)
    with pytest.raises(MemoryError):
        open_video(path)


def test_packets_that_are_not_there_for_now_are_damage_and_no_want_of_memory(make_video, monkeypatch):
    """FFmpeg says so of damaged transport streams."""
    whole, path = FileSource.packets, make_video(frames=20)

    def broken(source):
        for number, packet in enumerate(whole(source)):
            if number == 10 and not seen:
                seen.append(number)
                raise av.error.BlockingIOError(11, "Resource temporarily unavailable")
            yield packet

    seen: list[int] = []
    monkeypatch.setattr(FileSource, "packets", broken)
    video, frames, clip = read(path)
    assert len(frames) >= 10 and clip.damaged == 1


def test_a_size_that_a_damaged_file_makes_up_is_not_called_too_little_memory(make_video, monkeypatch):
    def made_up(source, packet):
        raise av.error.MemoryError(12, "Cannot allocate memory")

    path = make_video()
    monkeypatch.setattr(FileSource, "decode", made_up)
    with pytest.raises(ValueError, match=path.name):
        open_video(path)


@pytest.mark.parametrize(("sound", "name"), [(None, "clip.mkv"), ("libopus", "clip.mkv"), (None, "clip.webm")])
def test_a_file_that_is_cut_off_gives_what_is_there_and_a_note(make_video, sound, name):
    codec = "libx264" if name.endswith("mkv") else "libvpx"
    path = make_video(name, frames=60, sound=sound, codec=codec)
    assert read(path)[0].notes == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video, frames, clip = read(path)
    assert 5 < len(frames) < 60
    (note,) = video.notes
    assert re.match(rf"it ends after {float(clip.timestamps[-1]) + 0.04:.1f} of the 2\.4 s that it tells: ", note)
    with open_video(path) as video:
        next(iter(video))
        assert video.notes == ()


def test_sound_that_goes_on_after_the_pictures_is_no_cut(make_video):
    path = make_video("clip.mkv", ticks=[0, 40, 80, 4000], sound="libopus")
    assert read(path)[0].notes == ()


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mjpeg"), ("a.mkv", "libx264")])
def test_the_pictures_that_are_there_are_counted_without_decoding_them(make_video, name, codec):
    path = make_video(name, frames=60, codec=codec, pixels="yuvj420p" if codec == "mjpeg" else "yuv420p")
    assert count_frames(path) == 60 == len(read(path)[1])
    if not name.endswith("mp4"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert 5 < count_frames(path) < 60 and abs(count_frames(path) - len(read(path)[1])) <= 1


def test_stamps_that_begin_anew_are_joined(make_video, tmp_path):
    joined = tmp_path / "joined.h264"
    part = make_video("part.h264", frames=10)
    joined.write_bytes(part.read_bytes() * 2)
    video, frames, clip = read(joined)
    assert len(frames) == 20
    assert (clip.timestamps.diff() > 0).all()


def test_short_pieces_whose_stamps_begin_anew_go_on_at_the_rate_of_the_first_after_eight_pictures(make_video, tmp_path):
    joined, part = tmp_path / "joined.ts", make_video("part.ts", frames=20)
    joined.write_bytes(part.read_bytes() * 3)
    video, frames, clip = read(joined)
    assert len(frames) == 60 and clip.fps == pytest.approx(25)
    assert video.notes == (f"{JOINED} (2 times)",)
    usual = np.isclose(np.diff(clip.timestamps), 0.04)
    assert usual.sum() >= 59 - 2 * LATE_IN_A_ROW and np.diff(clip.timestamps).min() > 0.019


def test_a_change_of_size_on_the_way_is_scaled_back(make_video, tmp_path):
    joined = tmp_path / "joined.h264"
    parts = [make_video("a.h264", frames=8), make_video("b.h264", frames=8, width=128, height=96)]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    video, frames, _ = read(joined)
    assert {frame.rgb.shape for frame in frames} == {(48, 64, 3)} and len(frames) == 16
    assert any("changed its size" in note for note in video.notes)
    assert np.abs(frames[-1].rgb.astype(float) - picture(7, 64, 48)).mean() < 8


def bad_files(tmp_path, make_video):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "junk.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    (tmp_path / "notes.txt").write_text("this is a shopping list\n" * 50)
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:4,\nhttp://example.com/a.ts\n#EXT-X-ENDLIST\n"
    )
    cut = make_video("cut.mp4", frames=30)
    cut.write_bytes(cut.read_bytes()[:900])
    with av.open(str(tmp_path / "sound.m4a"), "w") as container:
        audio = container.add_stream("aac", rate=48000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        block.sample_rate = 48000
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return {
        "empty.mp4": "empty",
        "junk.mp4": "not a video",
        "notes.txt": "not a video",
        "list.m3u8": "not a video",
        "cut.mp4": "is cut off, and the table of its pictures with it",
        "sound.m4a": "only sound",
        ".": "folder",
    }


def test_what_is_no_video_gets_one_clear_line(tmp_path, make_video):
    for name, reason in bad_files(tmp_path, make_video).items():
        with pytest.raises(ValueError) as caught:
            open_video(tmp_path / name)
        message = str(caught.value)
        assert re.search(reason, message) and "\n" not in message and str(tmp_path) in message, message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.mp4"):
        open_video(tmp_path / "nothing.mp4")


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(make_video):
    path = make_video()
    path.chmod(0)
    with pytest.raises(PermissionError, match="permissions"):
        open_video(path)


def test_an_absurd_size_is_refused(make_video):
    path = make_video("wide.mkv", frames=1, width=20000, height=2, codec="ffv1", pixels="gray")
    with pytest.raises(ValueError, match="20000x2.*scale it"):
        open_video(path)


def tiny_gif(side: int) -> bytes:
    """A picture of one pixel on a screen that is claimed to be larger."""
    screen = side.to_bytes(2, "little") * 2
    return b"GIF89a" + screen + bytes.fromhex("f00000000000ffffff2c00000000010001000002024401003b")


def test_a_small_file_that_claims_a_picture_of_a_gigabyte_is_refused(tmp_path):
    path = tmp_path / "huge.gif"
    path.write_bytes(tiny_gif(64))
    with open_video(path) as video:
        assert (video.width, video.height) == (64, 64)
    path.write_bytes(tiny_gif(15000))
    with pytest.raises(ValueError, match=r"huge\.gif has no picture.*million pixels"):
        open_video(path)


def test_more_pixels_than_fit_into_memory_are_refused_by_their_size(make_video, monkeypatch):
    path = make_video()
    with open_video(path) as video:
        size, pixels = f"{video.width}x{video.height}", video.width * video.height
    monkeypatch.setattr("vibe.video.container.MOST_PIXELS", pixels)
    open_video(path).close()
    monkeypatch.setattr("vibe.video.container.MOST_PIXELS", pixels - 1)
    with pytest.raises(ValueError, match=f"{size}: scale it"):
        open_video(path)


def test_frames_are_read_once(make_video):
    with open_video(make_video()) as video:
        next(iter(video))
        with pytest.raises(ValueError, match="open it again"):
            next(iter(video))


def test_a_real_video_is_read_to_its_end(shared):
    path = shared / "data" / "videos" / "street" / "street.mp4"
    with open_video(path) as video:
        count = sum(1 for _ in video)
    assert (video.width, video.height, count, video.clip().damaged) == (1768, 994, 230, 0)
    assert video.clip().fps == pytest.approx(30, abs=0.01)
