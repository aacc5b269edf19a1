"""Frames into an animated GIF that appears whole or not at all."""

from __future__ import annotations

import uuid
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import numpy as np
from av.filter import Graph
from jaxtyping import UInt8
from numpy import ndarray

from vibe.video.write import clear_errors

TICKS = 100
"""Per second, the unit of time in GIF."""
MOST_BYTES = 1 << 30
"""Of pictures, which are all held until the colours that serve them best are known."""


class GifWriter:
    """A GIF of one palette, made of all frames, that repeats for ever.

    The file takes its name when all is well; after an exception nothing is left of it.
    """

    def __init__(self, path: str | Path, width: int, height: int, fps: float, frames: int, opacity: bool = False):
        """`fps` is the nominal rate, `frames` how many there will be; raises ValueError if they are too many."""
        if 4 * width * height * frames > MOST_BYTES:
            raise ValueError(
                f"{frames} frames of {width}x{height} are too many for a gif: ask for a lower frame rate, a smaller "
                "size or a shorter stretch, or for an mp4"
            )
        self.path = Path(path)
        self.notes: tuple[str, ...] = ()
        self._part = self.path.with_name(f".{uuid.uuid4().hex[:12]}.part.gif")
        self._size, self._fps = (width, height), min(max(fps, 1.0), 50.0)
        self._graph = Graph()
        self._source = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgba"), time_base=Fraction(1, TICKS)
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
        self._last_tick = -1

    def __enter__(self) -> GifWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            with suppress(OSError):
                self._part.unlink()

    def write(self, picture: UInt8[ndarray, "height width channel"], time: float) -> None:
        """Add a frame at this time, seconds from the first, to the nearest hundredth; two in one become the second."""
        if picture.shape[2] == 3:
            picture = np.concatenate([picture, np.full_like(picture[..., :1], 255)], -1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgba")
        self._last_tick = max(self._last_tick + 1, round(time * TICKS))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, TICKS)
        self._source.push(frame)

    def _finish(self) -> None:
        """Choose the colours and write the file."""
        with clear_errors(self.path):
            self._source.push(None)
            with av.open(str(self._part.absolute()), "w", options={"loop": "0"}) as container:
                stream = container.add_stream("gif", rate=Fraction(self._fps).limit_denominator(100))
                stream.width, stream.height, stream.pix_fmt = *self._size, "pal8"
                stream.codec_context.time_base = Fraction(1, TICKS)
                while True:
                    try:
                        frame = self._graph.pull()
                    except (av.error.BlockingIOError, av.error.EOFError):
                        break
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            self._part.replace(self.path)
