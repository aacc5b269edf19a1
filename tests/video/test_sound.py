"""What is read of a video's sound to be compared."""

from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from vibe.video import sound
from vibe.video.sound import RATE, read_sound


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.ts", "aac"), ("a.mkv", "pcm_s16le")])
def test_sound_is_read_from_the_first_picture_on(make_video, name, codec):
    """The first picture comes half a second after the sound begins, the tone after a second."""
    heard = read_sound(make_video(name, ticks=[500 + 40 * i for i in range(50)], sound=codec))
    assert heard is not None and heard.dtype == np.float32
    assert np.flatnonzero(abs(heard) > 0.2)[0] / RATE == pytest.approx(0.5, abs=0.005)
    assert len(heard) / RATE == pytest.approx(2.0, abs=0.1)


def test_no_more_is_read_than_is_compared(make_video, monkeypatch):
    monkeypatch.setattr(sound, "LONGEST", 0.7)
    heard = read_sound(make_video(frames=50, sound="aac"))
    assert heard is not None and len(heard) == round(0.7 * RATE)


def test_a_video_without_sound_and_what_is_no_video_have_none(make_video, tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert all(read_sound(path) is None for path in (make_video(), tmp_path / "no.mp4", Path("absent.mp4"), tmp_path))


def test_sound_that_is_cut_off_is_read_as_far_as_it_goes_and_odd_rates_are_not(make_video, tmp_path, monkeypatch):
    path = make_video("a.ts", frames=50, sound="aac")
    content, whole = path.read_bytes(), read_sound(path)
    (tmp_path / "cut.ts").write_bytes(content[: len(content) * 3 // 4])
    heard = read_sound(tmp_path / "cut.ts")
    assert whole is not None and heard is not None and 0.5 * RATE < len(heard) < len(whole)
    assert np.array_equal(heard[: -RATE // 20], whole[: len(heard)][: -RATE // 20])
    monkeypatch.setattr(sound, "TAKEN", range(4000, 40_000))
    assert read_sound(path) is None


def test_a_packet_that_is_damaged_is_left_out_and_those_behind_it_are_where_they_were(make_video):
    """To less than a sample, for which the tone would differ by 0.18."""
    path = make_video("a.mp4", frames=50, sound="aac")
    whole, content = read_sound(path), bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        packet = next(each for each in source.demux(source.streams.audio[0]) if each.pts > 24_000)
        content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(content)
    heard = read_sound(path)
    assert whole is not None and heard is not None and len(heard) == len(whole)
    at, near = round(packet.pts * packet.time_base * RATE), RATE // 20
    assert np.array_equal(heard[: at - near], whole[: at - near])
    assert np.allclose(
        heard[at + near + 1024 * RATE // 48_000 :], whole[at + near + 1024 * RATE // 48_000 :], atol=0.15
    )


class Restamped:
    """A source whose sound has other times, or a header that says another rate."""

    def __init__(self, source, rate=None, stamped=True):
        self.streams, self._source, self._rate, self._stamped = self, source, rate, stamped
        self.audio = [SimpleNamespace(codec_context=SimpleNamespace(sample_rate=rate or 48_000))]
        self.read = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._source.close()

    def demux(self, _):
        for packet in self._source.demux(self._source.streams.audio[0]):
            yield SimpleNamespace(decode=lambda packet=packet: self._decoded(packet))

    def decode(self, _):
        for packet in self._source.demux(self._source.streams.audio[0]):
            yield from self._decoded(packet)

    def _decoded(self, packet):
        for frame in packet.decode():
            self.read += frame.samples
            if not self._stamped:
                frame.pts = None
            yield frame


def test_the_rate_is_that_of_what_is_decoded(make_video, monkeypatch):
    """A header of sound whose upper band is replicated may have half of it."""
    path = make_video("a.mkv", frames=50, sound="pcm_s16le")
    whole = read_sound(path)
    monkeypatch.setattr(sound, "open_file", lambda path: Restamped(av.open(str(path)), rate=24_000))
    heard = read_sound(path)
    assert whole is not None and heard is not None and np.array_equal(heard, whole)


def test_sound_without_times_is_not_read_on_and_on(make_video, monkeypatch):
    path = make_video("a.mkv", frames=100, sound="pcm_s16le")
    source = Restamped(av.open(str(path)), stamped=False)
    monkeypatch.setattr(sound, "open_file", lambda path: source)
    monkeypatch.setattr(sound, "LONGEST", 0.5)
    read_sound(path)
    assert 48_000 * 0.8 < source.read < 48_000 * 1.3
