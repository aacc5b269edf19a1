"""A video file's container: what is refused, which stream is the video, its rate, and the boxes that FFmpeg hides."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.stream import Disposition

from vibe.video.orientation import Orientation

MOST_BOXES = 10_000
"""That are looked at in one walk."""


@dataclass(frozen=True)
class Box:
    """One box of a file."""

    kind: bytes
    holder: bytes
    """Kind of the box around it; empty at the top."""
    start: int
    """Place of its content in the file ..."""
    stop: int
    """... and of the first byte behind it."""


def walk_boxes(
    file: IO[bytes], start: int, stop: int, holding: Container[bytes], most: int = MOST_BOXES
) -> Iterator[Box]:
    """The boxes in a part of a file, and those in boxes of the kinds that are `holding` others.

    Raises OSError, and struct.error where the file ends too early. A box that claims to be larger than the one around
    it ends with that one.
    """
    waiting, seen = [(b"", start, stop)], 0
    while waiting:
        holder, at, end = waiting.pop()
        while at + 8 <= end and (seen := seen + 1) <= most:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            inside = at + 8
            if size == 1:
                (size,), inside = struct.unpack(">Q", file.read(8)), at + 16
            at = end if size == 0 else min(max(at + size, inside), end)
            box = Box(kind, holder, inside, at)
            if kind in holding:
                waiting.append((kind, box.start, box.stop))
            yield box


LARGEST_PX = 16384
"""Longest side of a picture that is read."""
MOST_PIXELS = 80_000_000
"""Of one picture, which takes up to ten bytes for each while it is decoded; films in 12K have 79,626,240."""
LARGEST_FILE = 1 << 29
"""Bytes of a picture's file."""
DECODING = 64 << 20
"""Bytes that must be free for what cannot be decoded to be called damaged."""
THREADS = min(8, os.cpu_count() or 1)
NOT_VIDEO = {"tty", "hls", "concat", "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "sap", "image2"}
"""Containers that FFmpeg would open but that are text, lists of other files or patterns of file names."""
NO_TIMES = {"h264", "hevc", "vvc", "obu", "m4v", "mpegvideo", "cavsvideo"}
"""Containers that are bare streams: the rate is the one that the stream itself names, if it names one."""
MATROSKA = "matroska,webm"
"""The container that tells its length in the beginning and, cut off, is read up to its end as if that were all."""
SPARE = 0.5
"""Seconds by which it may end earlier."""
ORDER_ONLY = "avi"
"""The container that stamps pictures as they are decoded, which may be in another order than they are shown."""
PROBED = 256
"""Packets that are looked at to tell which of several streams move."""
NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""What is no moving picture: a cover, a row of thumbnails, a photo."""
HOLDING_EDITS = {b"moov", b"trak", b"edts"}
"""Boxes of MP4 and QuickTime files in which edit lists lie, one in the other."""


class FileSource:
    """The packets and frames of the video in a file that FFmpeg opens."""

    turn: Orientation | None = None
    """How all frames are shown, if they do not tell it themselves."""

    def __init__(self, path: Path):
        """Raises ValueError with one line."""
        self._path = path
        self._container, self._stream, self.notes = open_container(path)
        self.context = self._stream.codec_context
        self.time_base, self.ratio = self._stream.time_base, self._stream.sample_aspect_ratio
        rates = self._stream.average_rate, self._stream.guessed_rate
        if self._container.format.name in {*NO_TIMES, ORDER_ONLY}:  # of a bare stream FFmpeg takes 25 a second
            rates = rates[::-1]
        rate = next((float(rate) for rate in rates if rate), 0.0)
        self.rate = rate if 0.01 <= rate <= 2000 else None
        """Frames a second, as the file tells it."""
        seconds = (self._container.duration or 0) / av.time_base
        if self._stream.duration and self._stream.time_base:
            seconds = float(self._stream.duration * self._stream.time_base)
        guess = round(seconds * self.rate) if self.rate and seconds > 0 else None
        self.expected_frames = self._stream.frames or guess
        """About how many frames there are; None if the file does not tell."""
        self._length = seconds if self._container.format.name == MATROSKA else 0.0
        self._shown = (-1, 0)  # stamps of the last two frames, where the container tells the order only
        self._reached = 0.0  # where the packet of any stream that was read so far and is the last in time ends

    def packets(self) -> Iterator[av.Packet]:
        """Packets of the video, from the place sought last; raises FFmpegError where they are damaged."""
        for packet in self._container.demux(*([] if self._length else [self._stream])):
            if packet.pts is not None:
                ends = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._reached = max(self._reached, ends)
            if packet.stream.index == self._stream.index:
                yield packet

    @property
    def missing(self) -> str:
        """What is to be said of a file that was read to its end, before that which it tells itself; often nothing."""
        if self._reached > self._length - SPARE - 1 / (self.rate or 1):
            return ""
        return f"it ends after {self._reached:.1f} of the {self._length:.1f} s that it tells: the rest is missing"

    def decode(self, packet: av.Packet) -> Sequence[av.VideoFrame]:
        """The frames that can be shown after this packet; raises FFmpegError."""
        frames = packet.decode()
        if self._container.format.name == ORDER_ONLY:
            for frame in frames:
                # those that come behind the last packet have no stamp: they go on by the step before
                frame.pts = 2 * self._shown[1] - self._shown[0] if frame.dts is None else frame.dts
                self._shown = self._shown[1], frame.pts
        return frames

    def seek(self, tick: int) -> None:
        """Go back to a key frame at or before a time stamp; raises FFmpegError."""
        self._container.seek(tick, stream=self._stream)

    def unreadable(self) -> str:
        """Why a file of which no frame could be decoded is no video."""
        if self._container.format.name == "webp_pipe" and b"ANIM" in self._path.open("rb").read(1 << 10):
            return f"{self._path} is an animated WebP, which FFmpeg cannot decode: convert it to a GIF or an mp4"
        return (
            f"{self._path} has no picture that can be decoded: it is cut off or damaged, copy it again "
            f"(or its pictures have more than {MOST_PIXELS // 10**6} million pixels)"
        )

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def open_container(path: Path) -> tuple[InputContainer, av.VideoStream, tuple[str, ...]]:
    """A file and its video, ready to be decoded, and what there is to remark; raises ValueError with one line.

    FFmpeg gets no leave to follow links to other places, and no other file is opened: what lists files is refused.
    """
    container = _opened(path)
    try:
        stream, rivals = choose_stream(container, _moving(path, container))
        if stream is None:
            found = "only sound" if container.streams.audio else "no pictures"
            raise ValueError(f"{path} has {found}: give a file with video")
        if stream.codec_context is None:
            raise ValueError(f"{path} holds video of an unknown kind: convert it to H.264")
        context = stream.codec_context
        refuse_huge(path, context.width, context.height)
        context.options = {"max_pixels": str(MOST_PIXELS)}
        stream.thread_type, context.thread_count = "AUTO", THREADS
    except BaseException:
        container.close()
        raise
    notes = []
    if rivals > 1:
        notes.append(f"it has {rivals} video streams: the one of {context.width}x{context.height} was read")
    if "mp4" in container.format.name and edits_change_speed(path):
        notes.append(
            "its edit list changes the speed, which players seldom obey: it was read at the speed it was filmed"
        )
    return container, stream, tuple(notes)


def choose_stream(container: InputContainer, moving: set[int] | None = None) -> tuple[av.VideoStream | None, int]:
    """The video of a file that may have several, and among how many was chosen.

    Covers and thumbnails do not count, and grey pictures (depth maps) only without others. Of those left the one with
    the default flag is taken, of several the largest. `moving` are the streams that have more than one picture. In MP4
    and QuickTime files the flag says that a track is enabled, as the first one is where nobody chose: then it is of no
    account.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & NO_FILM]
    streams = [stream for stream in streams if stream.codec_context] or streams
    if len(streams) < 2:
        return next(iter(streams), None), len(streams)
    colour = [stream for stream in streams if not str(stream.codec_context.pix_fmt).startswith("gray")]
    left = [stream for stream in colour or streams if moving is None or stream.index in moving] or colour or streams
    flagged = [stream for stream in left if stream.disposition & Disposition.default]
    if "mp4" in container.format.name and flagged == streams[:1]:
        flagged = []
    best = max(flagged or left, key=lambda one: (one.codec_context.width * one.codec_context.height, -one.index))
    return best, len(streams)


def refuse_huge(path: Path, width: int, height: int) -> None:
    """Raises ValueError for pictures that take too much memory, be it only as the file's header claims."""
    if max(width, height) > LARGEST_PX or width * height > MOST_PIXELS:
        limit = f"{LARGEST_PX} pixels a side, {MOST_PIXELS // 10**6} million in all"
        raise ValueError(f"{path} is {width}x{height}: scale it to {limit}, or less")


def refuse_starved(error: av.error.FFmpegError) -> None:
    """Raises MemoryError for an error of FFmpeg that comes of too little memory, which it may well call damage.

    It calls sizes that a damaged file makes up too little memory, too: then there is room for more.
    """
    if isinstance(error, BlockingIOError):  # it finds no room for a thread
        raise MemoryError from error
    np.empty(DECODING * (4 if isinstance(error, MemoryError) else 1), np.uint8)


def _opened(path: Path) -> InputContainer:
    kinds = {name for names in av.formats_available for name in names.split(",")} - NOT_VIDEO
    # The number of pixels is for the decoders that look at the first frames to find out what they are.
    options = {"format_whitelist": ",".join(sorted(kinds)), "max_pixels": str(MOST_PIXELS)}
    try:
        return open_file(path, options)
    except av.error.FFmpegError as error:
        refuse_starved(error)
        what = f"is not a video that can be read ({error.strerror or type(error).__name__})"
        if isinstance(error, av.error.ArgumentError):
            what = "is a text or a list, not a video that can be read"
        if _lacks_its_table(path):
            raise ValueError(f"{path} is cut off, and the table of its pictures with it: copy it again") from error
        raise ValueError(f"{path} {what}: give an mp4, mov, mkv or the like") from error


def open_file(path: Path, options: dict[str, str] | None = None) -> InputContainer:
    """A file as FFmpeg opens it, which gets no leave to follow links to other places; raises FFmpegError, OSError."""
    options = {"protocol_whitelist": "file", **(options or {})}
    return av.open(str(path.resolve()), options=options, metadata_errors="replace")


def _moving(path: Path, container: InputContainer) -> set[int] | None:
    """The indices of the video streams with more than one picture; None if there is but one, which need not move."""
    if len(container.streams.video) < 2:
        return None
    counts: Counter[int] = Counter()
    with _opened(path) as probe, suppress(av.error.FFmpegError):
        for number, packet in enumerate(probe.demux(*probe.streams.video), start=1):
            counts[packet.stream.index] += bool(packet.size)
            if number == PROBED:
                break
    return {one.index for one in container.streams.video if max(one.frames, counts[one.index]) > 1}


def _lacks_its_table(path: Path) -> bool:
    """Whether a file is an MP4 or QuickTime file without the box that tells where its pictures are, often the last."""
    with suppress(OSError, struct.error), path.open("rb") as file:
        kinds = [box.kind for box in walk_boxes(file, 0, path.stat().st_size, ())]
        return kinds[:1] == [b"ftyp"] and b"mdat" in kinds and b"moov" not in kinds
    return False


def edits_change_speed(path: Path) -> bool:
    """Whether an edit list of an MP4 or QuickTime file plays a part of it at another speed; FFmpeg takes no notice."""
    with suppress(OSError, struct.error), path.open("rb") as file:
        boxes = walk_boxes(file, 0, path.stat().st_size, HOLDING_EDITS)
        return any(box.kind == b"elst" and _has_rate(file, box.start) for box in boxes)
    return False


def _has_rate(file: IO[bytes], start: int) -> bool:
    """Whether an edit list, whose content starts here, has a part at a rate that is neither 1 nor a still."""
    file.seek(start)
    version, count = struct.unpack(">B3xI", file.read(8))
    form = ">Qqi" if version == 1 else ">Iii"
    for _ in range(min(count, MOST_BOXES)):
        _, media_time, rate = struct.unpack(form, file.read(struct.calcsize(form)))
        if media_time >= 0 and rate not in (0, 1 << 16):
            return True
    return False
