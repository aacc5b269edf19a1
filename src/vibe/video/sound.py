"""The source's sound carried into the new file or read to be compared, and whether browsers play a file as it is."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer
from jaxtyping import Float
from numpy import ndarray

from vibe.video.container import open_file
from vibe.video.orientation import frame_orientation
from vibe.video.read import Video, open_video

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
            source = open_file(video.path)
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


RATE = 8000
"""Samples a second of sound that is read."""
LONGEST = 300.0
"""Seconds of it: clocks of two devices drift apart by some milliseconds meanwhile."""
TAKEN = range(4000, 400_001)
"""Samples a second that a file may have: of fewer, a small file would grow large."""
SHORTEST = 20
"""Samples that a packet counts for, besides those that are read of it: damaged ones end too."""


def read_sound(path: Path) -> Float[ndarray, "sample"] | None:
    """A video's sound from its first picture on, at most `LONGEST`: one channel at `RATE`, 0 where there is none.

    None where no sound can be read; packets that are damaged are left out.
    """
    samples, count = np.zeros(round(LONGEST * RATE), np.float32), 0
    with suppress(av.error.FFmpegError, OSError, ValueError), open_file(path) as source:
        if not source.streams.audio or source.streams.audio[0].codec_context is None:
            return None
        with open_video(path) as video:
            starts = video.starts
        for piece in _resampled(source.demux(source.streams.audio[0])):
            if piece.pts is None or piece.time_base is None:
                continue
            part = np.nan_to_num(piece.to_ndarray()[0]).clip(-1, 1)
            at = round((float(piece.pts * piece.time_base) - starts) * RATE)
            first, last = max(at, 0), min(at + len(part), len(samples))
            if first < last:
                samples[first:last], count = part[first - at : last - at], max(count, last)
            if count == len(samples):
                break
    return samples[:count] if count else None


def _resampled(packets: Iterable[av.Packet]) -> Generator[av.AudioFrame, None, None]:
    """A file's sound as one channel at `RATE`, up to twice `LONGEST` of it, whatever times it has."""
    rate, left, resampler = None, 2 * round(LONGEST * RATE), av.AudioResampler("fltp", "mono", RATE)
    for packet in packets:
        frames = []
        with suppress(av.error.FFmpegError):
            frames = packet.decode()
        left -= SHORTEST
        for heard in frames:
            rate = rate or heard.sample_rate  # the header has half of it where a band is replicated
            if heard.sample_rate != rate or rate not in TAKEN:  # a new rate in midstream is not asked for again
                return
            for piece in resampler.resample(heard):
                left -= piece.samples
                yield piece
        if left <= 0:
            return


def has_sound(path: Path) -> bool:
    """Whether a file has a stream of sound."""
    try:
        with open_file(path) as source:
            return bool(source.streams.audio)
    except (av.error.FFmpegError, OSError):
        return False


CODECS = {
    "video/mp4": {"h264": {"yuv420p", "yuvj420p"}, "av1": {"yuv420p"}, "vp9": {"yuv420p"}},
    "video/webm": {"vp8": {"yuv420p"}, "vp9": {"yuv420p"}, "av1": {"yuv420p"}},
}
"""What a container may hold, and in which form, so that all current browsers show it."""
LATE = 1e-3
"""Seconds by which a picture's time may be off: of the file's start, and against the times that are expected."""
HEAD = 64
"""Bytes at the start of a file that tell webm from other Matroska files."""


def browser_kind(path: Path, timestamps: Float[ndarray, "frame"]) -> str | None:
    """The MIME type under which a browser plays the file and shows its pictures at these seconds; None if it does not.

    Browsers turn a video by its display matrix but do not mirror it, and they count time in their own ways where a file
    does not begin at 0, repeats a time or goes back; such a file is none that they play, and neither is one without the
    pictures that are expected. Raises OSError if it can't be read.
    """
    with suppress(av.error.FFmpegError), open_file(path) as file:
        stream, kind = file.streams.video[0], None
        context = stream.codec_context
        if "mp4" in file.format.name and file.metadata.get("major_brand", "").strip() != "qt":
            kind = "video/mp4"
        elif "webm" in file.format.name and b"webm" in path.open("rb").read(HEAD):
            kind = "video/webm"
        if kind is None or context.pix_fmt not in CODECS[kind].get(context.codec.canonical_name, ()):
            return None
        if len(file.streams.video) > 1 or abs(file.start_time or 0) > LATE * av.time_base:
            return None
        packets = [packet for packet in file.demux(stream) if packet.size and not packet.is_discard]
        if any(packet.pts is None or packet.is_corrupt for packet in packets):
            return None
        with open_file(path) as again:
            for turn in map(frame_orientation, islice(again.decode(video=0), 1)):
                if turn.transposed ^ turn.mirrored ^ turn.flipped:  # no quarter turn leads there
                    return None
        times = np.sort([float(packet.pts * packet.time_base) for packet in packets])[: len(timestamps)]
        fits = len(times) == len(timestamps) and bool((abs(times - timestamps) < LATE).all())
        return kind if fits else None
    return None
