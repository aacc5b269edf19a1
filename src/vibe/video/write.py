"""Frames into a video file or an animated GIF that appears whole or not at all, with the sound of the source."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import av.error
import cv2
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from jaxtyping import UInt8
from numpy import ndarray

from vibe.assets.paths import is_device
from vibe.video.colour import SCALER_COLOURS
from vibe.video.container import THREADS
from vibe.video.read import Video
from vibe.video.sound import Sound

TICKS = 120_000
"""Per second, the unit of time stamps: a whole number for 24, 25, 30, 50 and 60 frames and for 23.976 and the like."""


@dataclass(frozen=True)
class Encoding:
    """How frames become a file of some ending."""

    codec: str
    pixels: str
    options: dict[str, str]


H264 = Encoding("libx264", "yuv420p", {"preset": "veryfast", "crf": "21"})
VP9 = {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
ENCODINGS = {".mp4": H264, ".mov": H264, ".webm": Encoding("libvpx-vp9", "yuv420p", VP9)}
"""By the ending of the file."""
WITH_OPACITY = {
    ".mov": Encoding("prores_ks", "yuva444p10le", {"profile": "4444"}),
    ".webm": Encoding("libvpx-vp9", "yuva420p", VP9 | {"auto-alt-ref": "0"}),
}
"""Of frames of four channels."""


Own = TypeVar("Own", bound="PartFile")


class PartFile(ABC):
    """A file that takes its name when all is well; after an exception nothing is left of it."""

    def __init__(self, path: str | Path):
        """Raises OSError where it can't take the place of what is there."""
        self.path = Path(path)
        self.notes: tuple[str, ...] = ()
        """What could not be taken over from the source's sound."""
        if is_device(self.path):
            raise OSError(f"{path} is a device or a pipe: give the name of a file")
        self._part = self.path.with_name(f".{uuid.uuid4().hex[:12]}.part{self.path.suffix.lower()}")
        self._last_tick = -1
        self._open = ExitStack()

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                with clear_errors(self.path):
                    self._finish()
                    self._part.replace(self.path)
        finally:
            self._open.close()
            with suppress(OSError):
                self._part.unlink()

    @abstractmethod
    def _finish(self) -> None:
        """Write what is missing."""


class VideoWriter(PartFile):
    """A video file with the times that it is given and the sound of another video.

    The ending tells the kind: .mp4 and .mov are H.264, .webm is VP9; with opacity .mov is ProRes 4444 and .webm VP9.
    A picture of odd width or height gets its last column or row twice.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        fps: float,
        sound_from: Video | None = None,
        *,
        sound_start: float = 0.0,
        opacity: bool = False,
    ):
        """`fps` is the nominal rate, `sound_start` where in the source the first frame stands, in seconds.

        Frames have a fourth channel with `opacity`, by which their colours are not multiplied. Raises ValueError for
        an ending that is not known, OSError, with one line, where the file cannot be written.
        """
        self._encoding = encoding(Path(path), opacity)
        super().__init__(path)
        self._size, self._step = (width, height), 1 / min(max(fps, 0.1), 1000.0)
        self._sound_start = sound_start
        try:
            with clear_errors(self.path):
                self._container, self._stream, self._sound = self._opened(sound_from)
                self._open.callback(_close, self._container, self._sound)
        except BaseException:
            with suppress(OSError):
                self._part.unlink()
            raise

    def _opened(self, sound_from: Video | None) -> tuple[OutputContainer, av.VideoStream, Sound | None]:
        """The file with its header; without sound if the header cannot be written with it."""
        flags = {} if self._part.suffix == ".webm" else {"movflags": "+faststart"}
        container = av.open(str(self._part.absolute()), "w", options=flags)
        sound = None
        try:
            width, height = self._size
            rate = Fraction(1 / self._step).limit_denominator(1001)
            stream = container.add_stream(self._encoding.codec, rate=rate, options=self._encoding.options)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = width + width % 2, height + height % 2
            stream.pix_fmt = self._encoding.pixels
            context = stream.codec_context
            context.time_base, context.thread_count = Fraction(1, TICKS), THREADS
            context.colorspace, context.color_range = 6, 1  # BT.601 and narrow range: what cv2 converts to
            context.color_primaries, context.color_trc = 1, 1
            sound = Sound.beside(sound_from, container, self._sound_start) if sound_from is not None else None
            container.start_encoding()
        except BaseException as error:
            _close(container, sound)
            if sound_from is None or not isinstance(error, av.error.FFmpegError | ValueError):
                raise
            self.notes = ("the sound of the source cannot be kept in such a file: it was left out",)
            return self._opened(None)
        return container, stream, sound

    def write(self, picture: UInt8[ndarray, "height width channel"], time: float) -> None:
        """Add a frame at this time, seconds from the first; raises ValueError if its size or its time do not fit."""
        if picture.shape[:2] != self._size[::-1]:
            raise ValueError(
                f"the frame is {picture.shape[1]}x{picture.shape[0]}, the video {self._size[0]}x{self._size[1]}"
            )
        tick = round(time * TICKS)
        if tick <= self._last_tick:
            raise ValueError(f"the frame at {time} s does not come after the one before: give increasing times")
        self._last_tick = tick
        if self._size[0] % 2 or self._size[1] % 2:
            picture = cv2.copyMakeBorder(picture, 0, self._size[1] % 2, 0, self._size[0] % 2, cv2.BORDER_REPLICATE)
        if self._encoding.pixels == "yuv420p":
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        else:
            frame = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgba")
            frame = frame.reformat(format=self._encoding.pixels, dst_colorspace=SCALER_COLOURS[6])
        frame.pts, frame.time_base, frame.colorspace, frame.color_range = tick, Fraction(1, TICKS), 6, 1
        with clear_errors(self.path):
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._sound.copy_until(time)

    def _finish(self) -> None:
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.copy_until(self._last_tick / TICKS + self._step)
            self.notes = self._sound.notes
        self._container.close()


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turns what FFmpeg and the system say of a file that is being written into an OSError of one line."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(
            f"cannot write {path} ({reason}): choose a folder that may be written and has free space"
        ) from error


def encoding(path: Path, opacity: bool = False) -> Encoding:
    """How a file of this ending is written; raises ValueError for one that is not known, or that has no opacity."""
    found = (WITH_OPACITY if opacity else ENCODINGS).get(path.suffix.lower())
    if found is None:
        kind = "a video with a transparent background" if opacity else "a video"
        endings = ", ".join(WITH_OPACITY if opacity else ENCODINGS)
        raise ValueError(f"{path} cannot be {kind}: choose a name that ends with {endings}")
    return found


def _close(container: OutputContainer, sound: Sound | None) -> None:
    if sound is not None:
        sound.close()
    with suppress(av.error.FFmpegError, OSError):  # of a file that is about to be removed
        container.close()


GIF_TICKS = 100
"""Per second, the unit of time in GIF."""
MOST_BYTES = 1 << 30
"""Of pictures, which are all held until the colours that serve them best are known."""


class GifWriter(PartFile):
    """A GIF of one palette, made of all frames, that repeats for ever."""

    def __init__(self, path: str | Path, width: int, height: int, fps: float, frames: int, opacity: bool = False):
        """`fps` is the nominal rate, `frames` how many there will be; raises ValueError if they are too many."""
        if 4 * width * height * frames > MOST_BYTES:
            raise ValueError(
                f"{frames} frames of {width}x{height} are too many for a gif: ask for a lower frame rate, a smaller "
                "size or a shorter stretch, or for an mp4"
            )
        super().__init__(path)
        self._size, self._fps = (width, height), min(max(fps, 1.0), 50.0)
        self._graph = Graph()
        self._source = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgba"), time_base=Fraction(1, GIF_TICKS)
        )
        both = self._graph.add("split")
        palette = self._graph.add("palettegen", f"reserve_transparent={int(opacity)}:stats_mode=full")
        used = self._graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle:alpha_threshold=128")
        sink = self._graph.add("buffersink")
        self._source.link_to(both)
        both.link_to(palette, 0, 0)
        both.link_to(used, 1, 0)
        palette.link_to(used, 0, 1)
        used.link_to(sink)
        self._graph.configure()

    def write(self, picture: UInt8[ndarray, "height width channel"], time: float) -> None:
        """Add a frame at this time, seconds from the first, to the nearest hundredth; two in one become the second."""
        if picture.shape[2] == 3:
            picture = np.concatenate([picture, np.full_like(picture[..., :1], 255)], -1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgba")
        self._last_tick = max(self._last_tick + 1, round(time * GIF_TICKS))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, GIF_TICKS)
        self._source.push(frame)

    def _finish(self) -> None:
        self._source.push(None)
        with av.open(str(self._part.absolute()), "w", format="gif", options={"loop": "0"}) as container:
            stream = container.add_stream("gif", rate=Fraction(self._fps).limit_denominator(100))
            stream.width, stream.height, stream.pix_fmt = *self._size, "pal8"
            stream.codec_context.time_base = Fraction(1, GIF_TICKS)
            with suppress(av.error.BlockingIOError, av.error.EOFError):
                while True:
                    container.mux(stream.encode(self._graph.pull()))
            container.mux(stream.encode(None))
