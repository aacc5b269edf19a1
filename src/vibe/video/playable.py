"""Whether browsers play a file as it is, and at which times they show its pictures."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path

import av
import av.error
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.video.orientation import frame_orientation

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
    with suppress(av.error.FFmpegError), av.open(str(path.resolve()), options={"protocol_whitelist": "file"}) as file:
        stream = file.streams.video[0]
        kind = _container_kind(path, file.format.name, file.metadata.get("major_brand", ""))
        context = stream.codec_context
        if kind is None or context.pix_fmt not in CODECS[kind].get(context.codec.canonical_name, ()):
            return None
        if len(file.streams.video) > 1 or abs(file.start_time or 0) > LATE * av.time_base:
            return None
        packets = [packet for packet in file.demux(stream) if packet.size and not packet.is_discard]
        if any(packet.pts is None or packet.is_corrupt for packet in packets):
            return None
        if _is_mirrored(path):
            return None
        times = np.sort([float(packet.pts * packet.time_base) for packet in packets])[: len(timestamps)]
        fits = len(times) == len(timestamps) and bool((abs(times - timestamps) < LATE).all())
        return kind if fits else None
    return None


def _is_mirrored(path: Path) -> bool:
    """Whether the first picture is shown so that text in it reads backwards."""
    with av.open(str(path.resolve()), options={"protocol_whitelist": "file"}) as file:
        return any(frame_orientation(frame).mirrors for frame in islice(file.decode(video=0), 1))


def _container_kind(path: Path, name: str, brand: str) -> str | None:
    names = name.split(",")
    if "mp4" in names:
        return None if brand.strip() == "qt" else "video/mp4"
    with path.open("rb") as file:
        return "video/webm" if "webm" in names and b"webm" in file.read(HEAD) else None
