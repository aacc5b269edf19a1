"""Laws of writing video."""

from __future__ import annotations

import errno
from pathlib import Path

import av
import numpy as np
import pytest
from tests.video.conftest import picture

from vibe.video.read import open_video
from vibe.video.sound import CUT_SHORT
from vibe.video.write import GifWriter, VideoWriter


def copied(source, target):
    """The file with its frames written again."""
    with open_video(source) as video, VideoWriter(target, video.width, video.height, video.fps, video) as writer:
        for frame in video:
            writer.write(frame.rgb, frame.time)
    return writer


def seconds_of_sound(path):
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize("ticks", [[0, 33, 70, 200, 210, 500, 533, 900], [40 * i for i in range(20)]])
def test_times_and_pictures_come_back(make_video, tmp_path, ticks):
    source = make_video(ticks=ticks)
    copied(source, tmp_path / "copy.mp4")
    with open_video(source) as one, open_video(tmp_path / "copy.mp4") as two:
        for before, after in zip(one, two, strict=True):
            assert after.time == pytest.approx(before.time, abs=1e-5)
            assert np.abs(after.rgb.astype(float) - before.rgb).mean() < 4


@pytest.mark.parametrize("fps", [24, 25, 30, 60, 30000 / 1001, 24000 / 1001, 17.3])
def test_the_frame_rate_is_kept(tmp_path, fps):
    with VideoWriter(tmp_path / "a.mp4", 64, 48, fps) as writer:
        for index in range(10):
            writer.write(picture(index, 64, 48), index / fps)
    with open_video(tmp_path / "a.mp4") as video:
        assert video.fps == pytest.approx(fps, rel=1e-3)
        assert sum(1 for _ in video) == 10
        assert video.clip().fps == pytest.approx(fps, rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 31), (64, 49)])
def test_odd_sizes_gain_a_column_or_row(tmp_path, size):
    width, height = size
    with VideoWriter(tmp_path / "a.mp4", width, height, 25) as writer:
        writer.write(picture(0, width, height), 0.0)
    with open_video(tmp_path / "a.mp4") as video:
        assert (video.width, video.height) == (width + width % 2, height + height % 2)
        frame = next(iter(video))
    assert np.abs(frame.rgb[:height, :width].astype(float) - picture(0, width, height)).mean() < 12


def test_colours_come_back(tmp_path):
    flat = np.zeros((64, 96, 3), np.uint8)
    flat[:, :32], flat[:, 32:64], flat[:, 64:] = (220, 40, 40), (40, 200, 60), (50, 60, 210)
    with VideoWriter(tmp_path / "a.mp4", 96, 64, 25) as writer:
        writer.write(flat, 0.0)
    with open_video(tmp_path / "a.mp4") as video:
        back = next(iter(video)).rgb.astype(int)
    for left in (8, 40, 72):
        assert np.abs(back[16:48, left : left + 16] - flat[16:48, left : left + 16]).mean() < 4


@pytest.mark.parametrize(
    ("name", "sound", "same"),
    [("a.mp4", "aac", True), ("a.ts", "aac", True), ("a.mkv", "pcm_s16le", False), ("a.mkv", "libopus", False)],
)
def test_the_sound_is_kept(make_video, tmp_path, name, sound, same):
    source = make_video(name, frames=50, sound=sound)
    writer = copied(source, tmp_path / "copy.mp4")
    assert writer.notes == ()
    assert seconds_of_sound(tmp_path / "copy.mp4") == pytest.approx(2.0, abs=0.08)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == "aac"
        copy = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    if same and name.endswith("mp4"):
        with av.open(str(source)) as container:
            original = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
        assert set(copy) <= set(original) and len(copy) > len(original) - 4


@pytest.mark.parametrize(("name", "sound"), [("a.mp4", "aac"), ("a.ts", "aac"), ("a.mkv", "pcm_s16le")])
def test_sound_and_picture_stay_together(make_video, tmp_path, name, sound):
    """The first picture comes half a second after the sound begins, the tone after a second."""
    copied(make_video(name, ticks=[500 + 40 * i for i in range(50)], sound=sound), tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as container:
        frames = list(container.decode(audio=0))
    loud = [frame.time for frame in frames if np.abs(frame.to_ndarray().astype(float)).max() > 0.2]
    assert loud[0] == pytest.approx(0.5, abs=0.06)


def test_damaged_sound_does_not_harm_the_video(make_video, tmp_path):
    source = make_video("a.mkv", frames=50, sound="libopus")
    content = bytearray(source.read_bytes())
    rng = np.random.default_rng(0)
    for place in range(3000, len(content) - 1000, 900):
        content[place : place + 20] = rng.bytes(20)
    source.write_bytes(content)
    writer = copied(source, tmp_path / "copy.mp4")
    assert set(writer.notes) <= {CUT_SHORT}
    with open_video(tmp_path / "copy.mp4") as video:
        assert sum(1 for _ in video) > 20


def test_a_silent_source_gives_a_silent_video(make_video, tmp_path):
    copied(make_video(), tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_exception_nothing_is_left_and_an_older_file_stays(tmp_path, error):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(error), VideoWriter(path, 64, 48, 25) as writer:
        writer.write(picture(0, 64, 48), 0.0)
        raise error
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


def test_the_file_takes_its_name_at_the_end(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 64, 48, 25) as writer:
        writer.write(picture(0, 64, 48), 0.0)
        assert not (tmp_path / "a.mp4").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk_gives_one_clear_line(tmp_path):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    rng = np.random.default_rng(0)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError, match="cannot write .*a.mp4.*free space"):
            with VideoWriter(tmp_path / "a.mp4", 256, 256, 25) as writer:
                for index in range(40):
                    writer.write(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), index / 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_gives_one_clear_line(tmp_path):
    with pytest.raises(OSError, match="cannot write .*choose a folder"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", 64, 48, 25)


def test_where_nothing_may_be_removed_either_the_line_is_the_same(tmp_path, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only", "a.part")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OSError, match="cannot write .*a.mp4.*choose a folder"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", 64, 48, 25)
    with pytest.raises(OSError, match="cannot write .*a.gif.*choose a folder"):
        with GifWriter(tmp_path / "nowhere" / "a.gif", 64, 48, 10, 1) as writer:
            writer.write(picture(0, 64, 48), 0.0)


def test_frames_of_another_size_or_time_are_refused(tmp_path):
    with pytest.raises(ValueError, match="65x48"), VideoWriter(tmp_path / "a.mp4", 64, 48, 25) as writer:
        writer.write(picture(0, 65, 48), 0.0)
    with pytest.raises(ValueError, match="increasing times"), VideoWriter(tmp_path / "a.mp4", 64, 48, 25) as writer:
        writer.write(picture(0, 64, 48), 1.0)
        writer.write(picture(1, 64, 48), 1.0)


@pytest.mark.parametrize(("ending", "codec"), [(".mov", "h264"), (".webm", "vp9")])
def test_the_ending_tells_the_codec(tmp_path, ending, codec):
    with VideoWriter(tmp_path / f"a{ending}", 64, 48, 25) as writer:
        for index in range(3):
            writer.write(picture(index, 64, 48), index / 25)
    with av.open(str(tmp_path / f"a{ending}")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    assert len(frames) == 3 and np.abs(frames[2].astype(int) - picture(2, 64, 48)).mean() < 12


def test_opacity_comes_back_from_prores(tmp_path):
    clear = np.dstack([picture(0, 64, 48), np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))])
    with VideoWriter(tmp_path / "a.mov", 64, 48, 25, opacity=True) as writer:
        writer.write(clear, 0.0)
    with av.open(str(tmp_path / "a.mov")) as container:
        (frame,) = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    assert np.abs(frame[..., 3].astype(int) - clear[..., 3]).max() <= 2


@pytest.mark.parametrize(("name", "opacity"), [("a.avi", False), ("a.mp4", True), ("a", False)])
def test_an_ending_that_cannot_hold_it_is_refused(tmp_path, name, opacity):
    with pytest.raises(ValueError, match="choose a name that ends with"):
        VideoWriter(tmp_path / name, 64, 48, 25, opacity=opacity)
    assert not list(tmp_path.iterdir())


def test_the_sound_begins_where_the_pictures_do(make_video, tmp_path):
    with open_video(make_video(frames=50, sound="aac")) as video:
        with VideoWriter(tmp_path / "b.mp4", video.width, video.height, 25, video, sound_start=0.6) as writer:
            for index in range(20):
                writer.write(picture(index, video.width, video.height), index / 25)
    with av.open(str(tmp_path / "b.mp4")) as container:
        blocks = [(frame.time, np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0)]
    assert min(time for time, loud in blocks if loud > 0.2) == pytest.approx(0.4, abs=0.05)
    assert blocks[-1][0] < 0.9
