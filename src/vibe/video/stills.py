"""Photos, and folders of numbered pictures, as videos."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from vibe.video.container import LARGEST_FILE, MOST_PIXELS, THREADS
from vibe.video.orientation import exif_orientation

CODECS = {
    ".jpg": "mjpeg",
    ".jpeg": "mjpeg",
    ".png": "png",
    ".tga": "targa",
    ".bmp": "bmp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
"""FFmpeg's decoder by the ending of a picture's name."""
BY_NAME = {".jpg": b"\xff\xd8\xff", ".jpeg": b"\xff\xd8\xff", ".tga": b""}
"""Pictures that FFmpeg's containers do not tell from a pattern of names, and how their files begin."""
DEFAULT_FPS = 30.0
"""Of a folder of pictures whose rate nobody names."""
MOST_PICTURES = 1_000_000
NUMBER = re.compile(r"(\d+)(?=\D*$)")


class PictureSource:
    """Pictures, each a file, as the packets of a video."""

    ratio = None
    missing = ""
    """As of `FileSource`: a folder tells nothing of what it lacks."""

    def __init__(self, paths: Sequence[Path], fps: float):
        """At least one picture, all in the format of the first; raises ValueError or OSError."""
        self._paths, self._next = paths, 0
        self.notes = _gaps(paths)
        context = av.CodecContext.create(CODECS[paths[0].suffix.lower()], "r")
        assert isinstance(context, VideoCodecContext)
        self.context = context
        context.options = {"max_pixels": str(MOST_PIXELS)}
        context.thread_type, context.thread_count = "SLICE", THREADS  # each packet gives its frame at once
        self.rate, self.expected_frames = fps, len(paths)
        self.time_base = 1 / Fraction(fps).limit_denominator(1001)
        self.turn = exif_orientation(self._content(0))

    def packets(self) -> Iterator[av.Packet]:
        """As of `FileSource`; the last one is empty."""
        while self._next < len(self._paths):
            packet = av.Packet(self._content(self._next) or b"\0")  # an empty one would be the end of the video
            packet.pts = packet.dts = self._next
            packet.time_base = self.time_base
            packet.is_keyframe = True  # else the decoder of PNG adds the picture before
            self._next += 1
            yield packet
        yield av.Packet()

    def decode(self, packet: av.Packet) -> Sequence[av.VideoFrame]:
        """As of `FileSource`."""
        frames = self.context.decode(packet if packet.size else None)
        for frame in frames:
            frame.time_base = self.time_base
        return frames

    def seek(self, tick: int) -> None:
        """As of `FileSource`; each picture is a key frame."""
        self._next = max(0, min(tick, len(self._paths)))
        self.context.flush_buffers()

    def unreadable(self) -> str:
        """As of `FileSource`."""
        return (
            f"{self._paths[0]} is not a picture that can be decoded: it is cut off, damaged, or has more than "
            f"{MOST_PIXELS // 10**6} million pixels"
        )

    def close(self) -> None:
        """Nothing is open between two packets."""

    def _content(self, index: int) -> bytes:
        """A picture's file; raises ValueError if it is larger than a picture can be."""
        path = self._paths[index]
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ValueError(f"{path} is no picture: it has more than {LARGEST_FILE >> 20} MB")
        return content


def _gaps(paths: Sequence[Path]) -> tuple[str, ...]:
    """What is to be said of pictures in order whose numbers do not grow by the same step throughout."""
    numbers = [int(found.group()) for path in paths if (found := NUMBER.search(path.stem))]
    steps = [after - before for before, after in pairwise(numbers)]
    missing = sum(max(step // sorted(steps)[len(steps) // 2] - 1, 0) for step in steps)
    if not missing:
        return ()
    numbers_are = "number is" if missing == 1 else "numbers are"
    return (
        f"{missing} {numbers_are} missing between its {len(paths)} pictures, which were taken to follow one another",
    )


def is_photo(path: Path) -> bool:
    """Whether a file is a picture of a kind that FFmpeg tells by its name alone."""
    begins = BY_NAME.get(path.suffix.lower())
    if begins is None:
        return False
    with path.open("rb") as file:
        return file.read(len(begins)) == begins


def numbered_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder by the last number in their names; none if it does not hold the pictures of one video.

    They have one ending and differ in nothing but the number. Raises OSError if the folder can't be read.
    """
    found: dict[tuple[str, str], dict[int, Path]] = {}
    for count, path in enumerate(folder.iterdir()):
        number = NUMBER.search(path.stem)
        if count >= MOST_PICTURES:
            return []
        if path.suffix.lower() in CODECS and number and not path.name.startswith("."):
            series = path.stem[: number.start()], path.stem[number.end() :] + path.suffix.lower()
            found.setdefault(series, {})[int(number.group())] = path
    if len(found) != 1:
        return []
    (pictures,) = found.values()
    return [pictures[number] for number in sorted(pictures)]
