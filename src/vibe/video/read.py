"""Upright frames of any video file, one pass, with their real times."""

from __future__ import annotations

import os
import threading
from array import array
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import cv2
import numpy as np
import torch
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import UInt8
from numpy import ndarray

from vibe.records import Clip
from vibe.video.stream import FIRST, JOINED, LAST, REMEMBERED, Clock, Mark, picture_checksum

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv", ".mxf", ".vob"),
)
"""How the names of videos end, where a folder is searched for them."""
LARGEST_PX = 16384
"""Longest side of a picture that is read."""
MOST_PIXELS = 80_000_000
"""Of one picture, which takes up to ten bytes for each while it is decoded; films in 12K have 79,626,240."""
THREADS = min(8, os.cpu_count() or 1)
NOT_VIDEO = {"tty", "hls", "concat", "dash", "sdp", "image2"}
"""Containers that FFmpeg opens but that are text, lists of other files or patterns of file names."""
SEEK_BACK = (0.0, 10.0)
"""Seconds before a mark's frames at which a key frame is looked for, in turn."""
DEFAULT_FPS = 25.0
"""Of a file that does not tell, such as a single picture."""
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


ITU709, ITU601 = 1, 5
SCALER_COLOURS = {1: ITU709, 4: 4, 5: ITU601, 6: ITU601, 7: 7, 9: 9, 10: 9}
"""FFmpeg's scaler's number for each colour space that a frame may name; as numbers, for older PyAV lacks some names."""


@dataclass(frozen=True)
class Frame:
    """One upright picture."""

    index: int
    time: float
    """Seconds from the first frame; greater than that of the frame before."""
    rgb: UInt8[ndarray, "height width 3"]


@dataclass(frozen=True)
class Picture:
    """One picture as the decoder gave it, before its time is known."""

    decoded: av.VideoFrame
    rgb: UInt8[ndarray, "height width 3"]
    """Upright."""
    damaged: int
    """Packets up to here that could not be decoded."""
    packet: int
    """`Mark.packet`."""
    check: int
    """`checksum` of the pixels."""


def open_video(path: str | Path, after: Mark | None = None) -> Video:
    """The video in a file, at its first frame or after a mark; close it or use it in a `with` statement.

    Raises FileNotFoundError, PermissionError or ValueError with one line that says what is wrong and what to do.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give a video file")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}: check the name")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read: change its permissions or copy it") from error
    if path.is_file() and size == 0:
        raise ValueError(f"{path} is empty (0 bytes): copy or download it again")
    video = Video(path)
    if after is None or video._sought(after):
        return video
    video.close()
    video = Video(path)
    try:
        video._skip(after)
    except BaseException:
        video.close()
        raise
    return video


def count_frames(path: str | Path) -> int:
    """How many pictures a video's file really holds, whatever its header tells; only the first is decoded.

    Raises as `open_video` does.
    """
    open_video(path).close()
    count = 0
    with _open(Path(path)) as container, suppress(av.error.FFmpegError):
        for packet in container.demux(_video_stream(container, Path(path))):
            count += bool(packet.size) and not packet.is_corrupt and not packet.is_discard
    return count


class Video:
    """A stream of upright frames, read once from first to last in constant memory."""

    def __init__(self, path: Path):
        """Decodes the first frame; `open_video` is the door with the friendly errors."""
        self.path = path
        self.damaged = 0
        """Packets so far that could not be decoded and were skipped."""
        self._notes: dict[str, int] = {}
        self._broken = 0
        self._packet, self._counted = FIRST, FIRST - 1
        self._begun = self._closed = False
        self._decoding = threading.Lock()
        self._container = _open(path)
        try:
            self._stream = _video_stream(self._container, path)
            self._frames = self._decoded()
            self._first = next(self._frames, None)
            if self._first is None:
                raise ValueError(
                    f"{path} has no picture that can be decoded: it is cut off or damaged, copy it again "
                    f"(or its pictures have more than {MOST_PIXELS // 10**6} million pixels)"
                )
            self._measure(self._first)
        except BaseException:
            self._container.close()
            raise
        self._reformatter = VideoReformatter()
        self._clock = Clock(self.fps, self._notes)
        self._times = array("d")
        self._recent: deque[tuple[int | None, int]] = deque(maxlen=REMEMBERED)
        self._taken = FIRST

    def _measure(self, first: av.VideoFrame) -> None:
        """Upright size, quarter turns and nominal rate, from the first frame."""
        self._turn = round(first.rotation / 90) * 90 % 360
        ratio = self._stream.sample_aspect_ratio or Fraction(1)
        ratio = ratio if Fraction(1, 8) < ratio < 8 else Fraction(1)
        self._native = (first.width, first.height)
        self._stored = (max(1, round(first.width * ratio)), first.height)
        if ratio != 1:
            self._note(f"its pixels are not square ({ratio}): it was widened to {self._stored[0]}x{self._stored[1]}")
        self.width, self.height = self._stored if self._turn % 180 == 0 else self._stored[::-1]
        """Pixels of the upright picture."""
        _check_size(self.path, self.width, self.height)
        self.starts = float(first.pts * first.time_base) if first.pts is not None and first.time_base else 0.0
        """Where the first frame stands on the file's own clock, seconds."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate and 0.01 <= rate <= 2000 else DEFAULT_FPS
        """Mean frame rate as the file tells it; after the whole pass, as measured, in `clip()`."""
        seconds = (self._container.duration or 0) / av.time_base
        if self._stream.duration and self._stream.time_base:
            seconds = float(self._stream.duration * self._stream.time_base)
        self.expected_frames = self._stream.frames or (round(seconds * self.fps) if seconds > 0 else None)
        """About how many frames there are; None if the file does not tell."""

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, also while another thread decodes."""
        with self._decoding:
            self._closed = True
            self._frames.close()
            self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames from first to last, once; raises ValueError the second time."""
        return self.taken(self.pictures())

    def pictures(self) -> Generator[Picture, None, None]:
        """The decoder's half of the work; raises ValueError the second time."""
        if self._begun:
            raise ValueError(f"the frames of {self.path} have been read: open it again")
        self._begun = True
        while (frame := self._next()) is not None:
            rgb = self._upright(frame)
            yield Picture(frame, rgb, self._broken, self._packet, picture_checksum(rgb))

    def taken(self, pictures: Iterator[Picture]) -> Iterator[Frame]:
        """The other half: `clip()`, `notes` and `mark()` grow by a picture only when it is taken from here."""
        for picture in pictures:
            yield self._take(picture)
        self.damaged = self._broken

    def mark(self) -> Mark:
        """The place behind the frame that was taken last: what `open_video` needs to go on from there."""
        stamps, checks = (tuple(each) for each in zip(*self._recent, strict=True)) if self._recent else ((), ())
        notes = tuple(self._notes.items())
        return Mark(self._times[:], stamps, checks, self._taken, self._clock.start, self.damaged, notes)

    def _next(self) -> av.VideoFrame | None:
        """The next frame as it is decoded; None at the end, or once the file is closed."""
        with self._decoding:
            if self._closed:
                return None
            frame, self._first = self._first, None
            return frame or next(self._frames, None)

    def _take(self, picture: Picture) -> Frame:
        """A picture with its time."""
        frame, self.damaged, self._taken = picture.decoded, picture.damaged, picture.packet
        if (frame.width, frame.height) != self._native:
            self._note("the picture changed its size on the way: it was scaled to that of the first frame")
        stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        self._times.append(self._clock.time(stamp))
        self._recent.append((frame.pts, picture.check))
        return Frame(len(self._times) - 1, self._times[-1], picture.rgb)

    def _sought(self, mark: Mark) -> bool:
        """Go on behind a mark from a key frame before it; False if the mark's own frames are not found there."""
        if not mark.can_be_sought or JOINED in dict(mark.notes):
            return False
        assert mark.stamps[0] is not None and self._stream.time_base
        for seconds in SEEK_BACK:
            with suppress(av.error.FFmpegError):
                self._container.seek(mark.stamps[0] - int(seconds / self._stream.time_base), stream=self._stream)
                if self._lands(mark):
                    break
        else:
            return False
        self._first, self._counted = None, mark.packet
        self._times, self._taken = mark.times[:], mark.packet
        self._clock.start, self._clock.last = mark.start, mark.times[-1]
        self._broken = self.damaged = mark.damaged
        self._notes.clear()
        self._notes.update(mark.notes)
        self._recent.extend(zip(mark.stamps, mark.checks, strict=True))
        return True

    def _lands(self, mark: Mark) -> bool:
        """Decode up to a mark's last frame, and tell whether its last ones are as they were."""
        first, last = mark.stamps[0], mark.stamps[-1]
        assert first is not None and last is not None
        found = []
        self._packet, self._frames = FIRST, self._decoded()
        for frame in self._frames:
            if frame.pts is None or frame.pts > last:
                return False
            if frame.pts >= first:
                found.append((frame.pts, picture_checksum(self._upright(frame))))
            if frame.pts == last:
                return found == list(zip(mark.stamps, mark.checks, strict=True))
        return False

    def _skip(self, mark: Mark) -> None:
        """Go on behind a mark from the first frame; raises ValueError if the file is not as it was when marked."""
        unseen, nothing = len(mark.times) - len(mark.stamps), np.empty((0, 0, 3), np.uint8)
        for index in range(len(mark.times)):
            if (frame := self._next()) is None:
                break
            rgb = self._upright(frame) if index >= unseen else nothing
            self._take(Picture(frame, rgb, self._broken, self._packet, picture_checksum(rgb)))
        if self.mark() != mark:
            raise ValueError(f"{self.path} is not as it was when the place {len(mark.times)} frames in was marked")

    def clip(self) -> Clip:
        """What has been found up to the frame read last."""
        times = torch.from_numpy(np.array(self._times))
        fps = (len(times) - 1) / float(times[-1]) if len(times) > 1 else self.fps
        return Clip(self.path, fps, self.width, self.height, times, self.damaged)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that was repaired so far, or could not be read."""
        lost = [f"it is damaged: what could not be decoded is missing ({self.damaged} packets)"] if self.damaged else []
        return (*lost, *(note if times == 1 else f"{note} ({times} times)" for note, times in self._notes.items()))

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = self._notes.get(sentence, 0) + 1

    def _decoded(self) -> Generator[av.VideoFrame, None, None]:
        """Frames in the order of showing; what cannot be decoded is counted and passed over."""
        for packet in self._packets():
            stamp = self._packet if packet.dts is None else packet.dts
            self._packet = stamp if packet.size else LAST
            try:
                yield from packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._broken += self._packet > self._counted

    def _packets(self) -> Iterator[av.Packet]:
        """Packets of the video; where the container is damaged, reading goes on behind the damage."""
        for _ in range(1000):
            try:
                yield from self._container.demux(self._stream)
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._broken += self._packet >= self._counted

    def _upright(self, frame: av.VideoFrame) -> UInt8[ndarray, "height width 3"]:
        same = (frame.width, frame.height) == self._stored
        picture = self._reformatter.reformat(
            frame,
            width=self._stored[0],
            height=self._stored[1],
            format="rgb24",
            src_colorspace=_colourspace(frame),
            interpolation=Interpolation.FAST_BILINEAR if same else Interpolation.BILINEAR,
        ).to_ndarray()
        return picture if self._turn == 0 else cv2.rotate(picture, TURNS[self._turn])


def _open(path: Path) -> InputContainer:
    """The container, opened without leave to follow links to other places."""
    try:
        # The number of pixels is for the decoders that look at the first frames to find out what they are.
        options = {"protocol_whitelist": "file", "max_pixels": str(MOST_PIXELS)}
        container = av.open(str(path.resolve()), options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(
            f"{path} is not a video that can be read ({reason}): give an mp4, mov, mkv or the like"
        ) from error
    if set(container.format.name.split(",")) & NOT_VIDEO:
        container.close()
        raise ValueError(f"{path} is a text or a list, not a video: give an mp4, mov, mkv or the like")
    return container


def _video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The first moving picture; a cover picture beside sound does not count."""
    cover = Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        found = "only sound" if container.streams.audio else "no pictures"
        raise ValueError(f"{path} has {found}: give a file with video")
    stream = streams[0]
    if stream.codec_context is None:
        raise ValueError(f"{path} holds video of an unknown kind: convert it to H.264")
    _check_size(path, stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = THREADS
    return stream


def _check_size(path: Path, width: int, height: int) -> None:
    """Raises ValueError for pictures that take too much memory, be it only as the file's header claims."""
    if max(width, height) > LARGEST_PX or width * height > MOST_PIXELS:
        limit = f"{LARGEST_PX} pixels a side, {MOST_PIXELS // 10**6} million in all"
        raise ValueError(f"{path} is {width}x{height}: scale it to {limit}, or less")


def _colourspace(frame: av.VideoFrame) -> int:
    """As the frame tells it; else, as players do, by its size."""
    guess = ITU709 if frame.height > 576 or frame.width >= 1280 else ITU601
    return SCALER_COLOURS.get(int(frame.colorspace), guess)
