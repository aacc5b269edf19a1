"""Small videos made on the spot."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


def picture(index: int, width: int, height: int) -> np.ndarray:
    """A ramp from left to right in red and from top to bottom in green; blue tells the frame."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(20, 230, width)[None]
    rgb[..., 1] = np.linspace(20, 230, height)[:, None]
    rgb[..., 2] = 40 + 7 * index % 160
    return rgb


def tone(ticks: int) -> Iterator[av.AudioFrame]:
    """A second of silence, then a tone, for so many thousandths of a second."""
    samples = np.arange(48 * ticks)
    wave = np.sin(samples * 0.06).astype(np.float32)[None] * 0.5 * (samples >= 48000)
    for start in range(0, len(samples), 960):
        block = av.AudioFrame.from_ndarray(wave[:, start : start + 960], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = 48000, start, Fraction(1, 48000)
        yield block


@pytest.fixture
def make_video(tmp_path):
    """Writes a video and returns its path; `ticks` are the time stamps in thousandths of a second."""

    def make(
        name="clip.mp4", frames=12, width=64, height=48, codec="libx264", pixels="yuv420p", ticks=None, sound=None
    ):
        path: Path = tmp_path / name
        ticks = [40 * i for i in range(frames)] if ticks is None else ticks
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.gop_size = 6
            audio = container.add_stream(sound, rate=48000, layout="mono") if sound else None
            for index, tick in enumerate(ticks):
                frame = av.VideoFrame.from_ndarray(picture(index, width, height), format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            for block in tone(ticks[-1] + 40) if audio else ():
                container.mux(audio.encode(block))
            if audio:
                container.mux(audio.encode(None))
        return path

    return make


def turn(path: Path, matrix: tuple[int, ...]) -> None:
    """Write a display matrix (nine numbers, 16.16 and 2.30 fixed point) into the first track of an mp4."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
