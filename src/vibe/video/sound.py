"""The source's sound, carried into the new file as it is where mp4 allows, else as AAC."""

from __future__ import annotations

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer, OutputContainer

from vibe.video.read import Video

AS_IT_IS = {"aac", "mp3", "ac3", "eac3", "alac"}
"""Codecs that every mp4 player knows."""
CUT_SHORT = "the sound of the source is damaged: what could be read of it was kept"


class Sound:
    """Copies a file's sound, piece by piece, beside the pictures of a container that is being written.

    Sound that cannot be read is left out and noted; it never fails the video.
    """

    def __init__(self, source: InputContainer, target: OutputContainer, start: float):
        """`source` has a sound stream that can be read; its first is taken, from `start` seconds on."""
        self.notes: tuple[str, ...] = ()
        self._source, self._target = source, target
        self._from = source.streams.audio[0]
        context = self._from.codec_context
        self._as_it_is = context.codec.canonical_name in AS_IT_IS
        if self._as_it_is:
            self._to = target.add_stream_from_template(self._from)
        else:
            rate = context.sample_rate if context.sample_rate in (32000, 44100, 48000) else 48000
            self._to = target.add_stream("aac", rate=rate, layout="stereo" if context.channels > 1 else "mono")
        self._tick = self._from.time_base or Fraction(1, 1000)
        self._start = start
        self._pieces = self._copied() if self._as_it_is else self._encoded()
        self._ahead: tuple[float, av.Packet] | None = next(self._pieces, None)

    @staticmethod
    def beside(video: Video, target: OutputContainer, start: float = 0.0) -> Sound | None:
        """The sound of a video from `start` seconds after its first frame; None if it has none that can be read."""
        try:
            source = _opened(video.path)
        except (av.error.FFmpegError, OSError):
            return None
        stream = source.streams.audio[0] if source.streams.audio else None
        if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
            source.close()
            return None
        return Sound(source, target, video.starts + start)

    def copy_until(self, time: float) -> None:
        """Write what sounds up to this time, seconds from the first picture."""
        while self._ahead is not None and self._ahead[0] <= time:
            self._target.mux(self._ahead[1])
            self._ahead = next(self._pieces, None)

    def close(self) -> None:
        """Close the source."""
        self._pieces.close()
        self._source.close()

    def _copied(self) -> Generator[tuple[float, av.Packet], None, None]:
        """Packets as they are, with times from the first picture."""
        shift = round(self._start / self._tick)
        last = -1
        for packet in self._packets():
            if packet.dts is None or packet.pts is None or packet.dts - shift <= last:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            last, packet.stream = packet.dts, self._to
            yield float(packet.dts * self._tick), packet

    def _encoded(self) -> Generator[tuple[float, av.Packet], None, None]:
        """Packets of AAC, with times from the first picture."""
        time = 0.0
        for packet in self._packets():
            try:
                frames = [frame for frame in packet.decode() if frame.pts is not None]
                for frame in frames:
                    time = float(frame.pts * frame.time_base) - self._start
                    frame.pts = round(time / frame.time_base)
                    for out in self._to.encode(frame) if time >= 0 else ():
                        yield time, out
            except (av.error.FFmpegError, ValueError):
                self.notes = (CUT_SHORT,)
        try:
            for out in self._to.encode(None):
                yield time, out
        except (av.error.FFmpegError, ValueError):
            self.notes = (CUT_SHORT,)

    def _packets(self) -> Generator[av.Packet, None, None]:
        """The source's packets of sound, as far as they can be read."""
        try:
            for packet in self._source.demux(self._from):
                if packet.size:
                    yield packet
        except (av.error.FFmpegError, OSError):
            self.notes = (CUT_SHORT,)


def has_sound(path: Path) -> bool:
    """Whether a file has a stream of sound."""
    try:
        with _opened(path) as source:
            return bool(source.streams.audio)
    except (av.error.FFmpegError, OSError):
        return False


def _opened(path: Path) -> InputContainer:
    return av.open(str(path.resolve()), options={"protocol_whitelist": "file"}, metadata_errors="replace")
