"""Upright frames of any video file, one pass, with their real times."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import cv2
import torch
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import UInt8
from numpy import ndarray

from vibe.records import Clip

LARGEST_PX = 16384
"""Longest side of a picture that is read."""
THREADS = min(8, os.cpu_count() or 1)
NOT_VIDEO = {"tty", "hls", "concat", "dash", "sdp", "image2"}
"""Containers that FFmpeg opens but that are text, lists of other files or patterns of file names."""
RESTART_BEFORE, RESTART_AFTER = 1.0, 600.0
"""Seconds back and forth: a larger jump of the time stamps means that they began anew."""
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


def open_video(path: str | Path) -> Video:
    """The video in a file, at its first frame; close it or use it in a `with` statement.

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
    return Video(path)


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
        self._container = _open(path)
        try:
            self._stream = _video_stream(self._container, path)
            self._frames = self._decoded()
            self._first = next(self._frames, None)
            if self._first is None:
                raise ValueError(f"{path} has no picture that can be decoded: it is cut off or damaged, copy it again")
            self._measure(self._first)
        except BaseException:
            self._container.close()
            raise
        self._reformatter = VideoReformatter()
        self._clock = _Clock(self.fps, self._notes)
        self._times: list[float] = []

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
        if max(self.width, self.height) > LARGEST_PX:
            size = f"{self.width}x{self.height}"
            raise ValueError(f"{self.path} is {size}: scale it to {LARGEST_PX} pixels a side or less")
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
        """Close the file."""
        self._frames.close()
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames from first to last, once; raises ValueError the second time."""
        if self._first is None:
            raise ValueError(f"the frames of {self.path} have been read: open it again")
        frame, self._first = self._first, None
        while frame is not None:
            stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
            self._times.append(self._clock.time(stamp))
            yield Frame(len(self._times) - 1, self._times[-1], self._upright(frame))
            frame = next(self._frames, None)

    def clip(self) -> Clip:
        """What has been found up to the frame read last."""
        times = torch.tensor(self._times, dtype=torch.float64)
        fps = (len(times) - 1) / float(times[-1]) if len(times) > 1 else self.fps
        return Clip(self.path, fps, self.width, self.height, times, self.damaged)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that was repaired so far."""
        return tuple(note if times == 1 else f"{note} ({times} times)" for note, times in self._notes.items())

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = self._notes.get(sentence, 0) + 1

    def _decoded(self) -> Generator[av.VideoFrame, None, None]:
        """Frames in the order of showing; what cannot be decoded is counted and passed over."""
        for packet in self._packets():
            try:
                yield from packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1

    def _packets(self) -> Iterator[av.Packet]:
        """Packets of the video; where the container is damaged, reading goes on behind the damage."""
        for _ in range(1000):
            try:
                yield from self._container.demux(self._stream)
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1

    def _upright(self, frame: av.VideoFrame) -> UInt8[ndarray, "height width 3"]:
        if (frame.width, frame.height) != self._native:
            self._note("the picture changed its size on the way: it was scaled to that of the first frame")
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


class _Clock:
    """Turns a file's time stamps, which may be missing, doubled or begin anew, into increasing seconds."""

    def __init__(self, fps: float, notes: dict[str, int]):
        self._step = 1 / fps
        self._notes = notes
        self._start: float | None = None
        self._last = -1.0

    def time(self, stamp: float | None) -> float:
        """Seconds from the first frame."""
        if self._last < 0:
            self._last, self._start = 0.0, stamp
            return 0.0
        if stamp is None:
            return self._repaired("a frame had no time stamp: the mean rate filled it", self._last + self._step)
        if self._start is None:
            self._start = stamp - self._last - self._step
        step = stamp - self._start - self._last
        if not -RESTART_BEFORE <= step <= RESTART_AFTER:
            self._start = stamp - self._last - self._step
            return self._repaired("the time stamps began anew on the way: they were joined", self._last + self._step)
        if step <= 1e-6:
            return self._repaired("a time stamp did not increase: it was moved", self._last + self._step / 2)
        self._last += step
        return self._last

    def _repaired(self, note: str, time: float) -> float:
        self._notes[note] = self._notes.get(note, 0) + 1
        self._last = time
        return time


def _open(path: Path) -> InputContainer:
    """The container, opened without leave to follow links to other places."""
    try:
        container = av.open(str(path.resolve()), options={"protocol_whitelist": "file"}, metadata_errors="replace")
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
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = THREADS
    return stream


def _colourspace(frame: av.VideoFrame) -> int:
    """As the frame tells it; else, as players do, by its size."""
    guess = ITU709 if frame.height > 576 or frame.width >= 1280 else ITU601
    return SCALER_COLOURS.get(int(frame.colorspace), guess)
