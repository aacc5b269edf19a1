"""Upright frames of any video, one pass, with their real times."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from vibe.records import Clip
from vibe.video import stills
from vibe.video.colour import Converter
from vibe.video.container import FileSource, refuse_huge, refuse_starved
from vibe.video.stream import FIRST, JOINED, LAST, REMEMBERED, Clock, Mark, frame_rate, picture_checksum

SEEK_BACK = (0.0, 10.0)
"""Seconds before a mark's frames at which a key frame is looked for, in turn."""
Source = FileSource | stills.PictureSource
LATE = "it begins between two key frames: what comes before the first one could not be decoded, and is missing"
DEFAULT_FPS = 25.0
"""Of a file that does not tell, such as a single picture."""


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


def open_video(path: str | Path, after: Mark | None = None, fps: float | None = None) -> Video:
    """The video in a file or a folder of numbered pictures, at its first frame or after a mark; close it or use `with`.

    `fps` is the rate of a folder of pictures, 30 if it is not given; files tell their own. Raises FileNotFoundError,
    PermissionError or ValueError with one line that says what is wrong and what to do.
    """
    path = Path(path)
    video = Video(path, _source(path, fps))
    if after is None or video._sought(after):
        return video
    video.close()
    video = Video(path, _source(path, fps))
    try:
        video._skip(after)
    except BaseException:
        video.close()
        raise
    return video


def count_frames(path: str | Path) -> int:
    """How many pictures a video really holds, whatever its header tells; only the first is decoded.

    Raises as `open_video` does.
    """
    return sum(count_packets(path))


def count_packets(path: str | Path) -> tuple[int, int]:
    """How many pictures of a video come before its first key frame, which may not be decoded, and how many from there.

    Raises as `open_video` does.
    """
    open_video(path).close()
    before = after = 0
    with closing(_source(Path(path), None)) as source, suppress(av.error.FFmpegError):
        for packet in source.packets():
            if packet.size and not packet.is_corrupt and not packet.is_discard:
                known = bool(after) or packet.is_keyframe or isinstance(source, stills.PictureSource)
                before, after = before + (not known), after + known
    return before, after


def _source(path: Path, fps: float | None) -> Source:
    """What a path names, opened; raises as `open_video` does."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}: check the name")
    try:
        if path.is_dir():
            pictures = stills.numbered_pictures(path)
            if not pictures:
                raise ValueError(
                    f"{path} is a folder: give a video file, or a folder that holds the numbered pictures of one video"
                )
            return stills.PictureSource(pictures, fps or stills.DEFAULT_FPS)
        if path.is_file() and path.stat().st_size == 0:
            raise ValueError(f"{path} is empty (0 bytes): copy or download it again")
        with path.open("rb"):
            pass
        return stills.PictureSource([path], DEFAULT_FPS) if stills.is_photo(path) else FileSource(path)
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read: change its permissions or copy it") from error


class Video:
    """A stream of upright frames, read once from first to last in constant memory."""

    def __init__(self, path: Path, source: Source):
        """Decodes the first frame; `open_video` is the door with the friendly errors."""
        self.path = path
        self.damaged = 0
        """Packets so far that could not be decoded and were skipped."""
        self._notes = dict.fromkeys(source.notes, 1)
        self._broken = 0
        self._packet, self._counted = FIRST, FIRST - 1
        self._begun = self._closed = self._ended = False
        self._begins_late: bool | None = None  # until the first packet is read
        self._decoding = threading.Lock()
        self._source = source
        try:
            self._frames = self._decoded()
            first = self._first = next(self._frames, None)
            if first is None:
                raise ValueError(source.unreadable())
            self._upright = Converter(first, source.context, source.ratio, source.turn)
            refuse_huge(path, self._upright.width, self._upright.height)
        except BaseException:
            source.close()
            raise
        for note in (*self._upright.notes, *([LATE] if self._begins_late and first.key_frame else [])):
            self._note(note)
        self.width, self.height = self._upright.width, self._upright.height
        """Pixels of the upright picture."""
        self.starts = float(first.pts * first.time_base) if first.pts is not None and first.time_base else 0.0
        """Where the first frame stands on the file's own clock, seconds."""
        self.fps = source.rate or DEFAULT_FPS
        """Frame rate as the file tells it; after the whole pass, as measured, in `clip()`."""
        self.expected_frames = source.expected_frames
        """About how many frames there are; None if the file does not tell."""
        self._clock = Clock(self.fps, self._notes)
        self._recent: deque[tuple[int | None, int]] = deque(maxlen=REMEMBERED)
        self._taken = FIRST

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, also while another thread decodes."""
        with self._decoding:
            self._closed = True
            self._frames.close()
            self._source.close()

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
        self.damaged, self._ended = self._broken, True

    def mark(self) -> Mark:
        """The place behind the frame that was taken last: what `open_video` needs to go on from there."""
        stamps, checks = (tuple(each) for each in zip(*self._recent, strict=True)) if self._recent else ((), ())
        notes = tuple(self._notes.items())
        return Mark(self._clock.times[:], stamps, checks, self._taken, self._clock.start, self.damaged, notes)

    def _next(self) -> av.VideoFrame | None:
        """The next frame as it is decoded; None at the end, or once the file is closed."""
        with self._decoding:
            if self._closed:
                return None
            frame, self._first = self._first, None
            return frame or next(self._frames, None)

    def _take(self, picture: Picture) -> Frame:
        frame, self.damaged, self._taken = picture.decoded, picture.damaged, picture.packet
        if (frame.width, frame.height) != self._upright.native:
            self._note("the picture changed its size on the way: it was scaled to that of the first frame")
        stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        time = self._clock.time(stamp)
        self._recent.append((frame.pts, picture.check))
        return Frame(len(self._clock.times) - 1, time, picture.rgb)

    def _sought(self, mark: Mark) -> bool:
        """Go on behind a mark from a key frame before it; False if the mark's own frames are not found there."""
        if not mark.can_be_sought or JOINED in dict(mark.notes):
            return False
        assert mark.stamps[0] is not None and self._source.time_base
        for seconds in SEEK_BACK:
            with suppress(av.error.FFmpegError):
                self._source.seek(mark.stamps[0] - int(seconds / self._source.time_base))
                if self._lands(mark):
                    break
        else:
            return False
        self._first, self._counted = None, mark.packet
        self._taken, self._clock.start, self._clock.times = mark.packet, mark.start, mark.times[:]
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
        times = np.array(self._clock.times)
        fps = frame_rate(times, self._clock.moved) if len(times) > 1 else self.fps
        return Clip(self.path, fps, self.width, self.height, torch.from_numpy(times), self.damaged)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that was repaired so far, or could not be read."""
        lost = [f"it is damaged: what could not be decoded is missing ({self.damaged} packets)"] if self.damaged else []
        lost += [missing] if self._ended and (missing := self._source.missing) else []
        return (*lost, *(note if times == 1 else f"{note} ({times} times)" for note, times in self._notes.items()))

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = self._notes.get(sentence, 0) + 1

    def _decoded(self) -> Generator[av.VideoFrame, None, None]:
        """Frames in the order of showing; what cannot be decoded is counted and passed over."""
        for packet in self._packets():
            if self._begins_late is None:
                self._begins_late = isinstance(self._source, FileSource) and bool(
                    packet.size and not packet.is_keyframe
                )
            stamp = self._packet if packet.dts is None else packet.dts
            self._packet = stamp if packet.size else LAST
            try:
                yield from self._source.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                refuse_starved(error)
                self._broken += self._packet > self._counted

    def _packets(self) -> Iterator[av.Packet]:
        """Packets of the video; where the container is damaged, reading goes on behind the damage."""
        for _ in range(1000):
            try:
                yield from self._source.packets()
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                if not isinstance(error, BlockingIOError):  # damage, where packets are only read: no thread is begun
                    refuse_starved(error)
                self._broken += self._packet >= self._counted


DEPTH = 3
"""Pictures decoded before they are asked for: enough to bridge a frame that takes long."""


def ahead(video: Video, depth: int = DEPTH) -> Generator[Frame, None, None]:
    """The frames of a video, as it gives them itself, decoded and turned upright up to `depth` frames early.

    What `video.clip()` and `video.notes` tell is that of the frames taken. An error of the decoder is raised where
    its frame would have come. The thread ends with the frames, or when the loop over them is left.
    """
    pool, pictures = ThreadPoolExecutor(1, "decoder"), video.pictures()
    waiting = deque(pool.submit(next, pictures, None) for _ in range(depth))

    def decoded() -> Iterator[Picture]:
        while (picture := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, pictures, None))
            yield picture

    try:
        yield from video.taken(decoded())
    finally:
        pool.shutdown(cancel_futures=True)
