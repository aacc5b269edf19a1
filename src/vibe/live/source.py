"""Where live frames come from: a camera, an address on the network, or a file played at its own speed.

A thread reads them as they come and holds the newest only; a reader that is slower misses frames, never time."""

from __future__ import annotations

import errno
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit, urlunsplit

import av
import av.error
from av.codec.context import Flags
from av.container import InputContainer
from jaxtyping import UInt8
from numpy import ndarray

from vibe.video.colour import Converter
from vibe.video.container import choose_stream
from vibe.video.read import open_video

PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls",
    "http": "http,tcp",
    "https": "https,http,tcp,tls",
    "udp": "udp",
}
"""What an address may begin with, and what FFmpeg may speak to read it."""
FORMATS = "rtsp,mpegts,mpjpeg,mjpeg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,flv,h264,hevc,avi,asf,ogg"
"""Containers that an address may send: none of them names other places to read from."""
SYSTEMS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's name for what reads cameras."""
PATIENCE = 10.0
"""Seconds after which an address that does not answer, or a camera that sends nothing, is given up."""
LONGEST_STEP = 2.0
"""Seconds between two pictures that their time stamps may tell; else their arrival tells."""
LARGEST_PX = 8192
"""Longest side of a picture that is read."""
Pictures = Iterator[tuple[float | None, UInt8[ndarray, "height width 3"]]]
"""Upright pictures, each with the source's own seconds, if it tells any."""


@dataclass(frozen=True)
class LiveFrame:
    """One picture as it came."""

    time: float
    """Seconds from the first, increasing."""
    arrived: float
    """When it was here, on `time.monotonic`'s clock; of a file, when its turn to be shown came."""
    rgb: UInt8[ndarray, "height width 3"]


class LiveSource:
    """Pictures as they come, read by a thread of its own from the moment of `with`; the newest is in `shots`."""

    def __init__(
        self, name: str, width: int, height: int, pictures: Pictures, close: Callable[[], None], is_file: bool
    ) -> None:
        self.name = name
        """What to call it; without a password."""
        self.width, self.height = width, height
        """Pixels."""
        self.is_file = is_file
        """Whether it ends by itself."""
        self.shots: Latest[LiveFrame] = Latest()
        self._pictures, self._close = pictures, close
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name="vibe-live-source", daemon=True)

    def __enter__(self) -> LiveSource:
        self._reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more."""
        self._ended.set()
        self.shots.close()
        if self._reader.is_alive():
            self._reader.join(PATIENCE)
        elif self._reader.ident is None:
            self._close()

    def _read(self) -> None:
        """Read until the end, and say why if it was not meant."""
        try:
            for shot in self._played() if self.is_file else self._arriving():
                self.shots.put(shot)
                if self._ended.is_set():
                    break
            self.shots.close(None if self.is_file or self._ended.is_set() else self._gone("sends nothing more"))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.shots.close(self._gone(f"failed ({error.strerror if isinstance(error, OSError) else error})"))
        finally:
            self._close()

    def _gone(self, what: str) -> OSError:
        return OSError(f"{self.name} {what}: it was unplugged, switched off or cut off")

    def _played(self) -> Iterator[LiveFrame]:
        """A file's pictures, each when its time has come."""
        start = time.monotonic()
        for seconds, rgb in self._pictures:
            due = start + (seconds or 0.0)
            if self._ended.wait(max(0.0, due - time.monotonic())):
                return
            yield LiveFrame(seconds or 0.0, due, rgb)

    def _arriving(self) -> Iterator[LiveFrame]:
        """Pictures as they arrive, with the source's own clock where it is sound."""
        last, told, arrived = 0.0, None, time.monotonic()
        for seconds, rgb in self._pictures:
            now = time.monotonic()
            step = now - arrived
            if told is not None and seconds is not None and 0 < seconds - told <= LONGEST_STEP:
                step = seconds - told
            last, told, arrived = last + max(step, 1e-3), seconds, now
            yield LiveFrame(last, now, rgb)


def open_source(name: str, size: tuple[int, int] = (640, 480)) -> LiveSource:
    """What a user names: a camera by its number or device, an address, or a file.

    `size` is asked of cameras, which may give another. Raises FileNotFoundError, PermissionError, OSError or
    ValueError with one line that says what is wrong and what to do.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        return _address(name)
    if name.isdecimal() or name.startswith(("/dev/", "video=")):
        return _camera(name, size)
    path, video = Path(name), open_video(name)
    pictures = ((frame.time, frame.rgb) for frame in video)
    return LiveSource(path.name, video.width, video.height, pictures, video.close, True)


def _address(name: str) -> LiveSource:
    try:
        parts = urlsplit(name)
    except ValueError as error:
        raise ValueError(f"{name} is no address: {error}") from error
    if parts.scheme.lower() not in PROTOCOLS:
        raise ValueError(f"{parts.scheme}:// is not read: give an address of {', '.join(PROTOCOLS)}, or a file")
    place = parts.netloc.rpartition("@")[2]
    shown = urlunsplit((parts.scheme, place, parts.path, "", ""))
    options = {
        "protocol_whitelist": PROTOCOLS[parts.scheme.lower()],
        "format_whitelist": FORMATS,
        "timeout": str(int(PATIENCE * 1e6)),
    }
    if parts.scheme.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    try:
        container = av.open(name, options=options, timeout=(PATIENCE, PATIENCE), metadata_errors="replace")
    except (av.error.FFmpegError, UnicodeError) as error:
        raise OSError(
            f"{shown} sends no video that can be read ({_reason(error)}): is it on, and is the address right?"
        ) from error
    return _stream(container, shown)


def _camera(name: str, size: tuple[int, int]) -> LiveSource:
    system = SYSTEMS.get(sys.platform)
    if system is None:
        raise ValueError(f"no cameras are read on {sys.platform}: give a file or an address")
    device = _device(name, system)
    shown, rate = f"camera {name}", {"framerate": "30"}
    for options in ({"video_size": f"{size[0]}x{size[1]}"} | rate, rate, {}):
        try:
            return _stream(av.open(device, format=system, options=options, timeout=(PATIENCE, PATIENCE)), shown)
        except av.error.FFmpegError as error:
            if error.errno not in (errno.EINVAL, errno.EIO) or not options:
                raise _refused(shown, error) from error
    raise AssertionError("the last options are none")


def _device(name: str, system: str) -> str:
    """The camera's name for FFmpeg; a number counts from 0."""
    if not name.isdecimal():
        return name
    if system == "v4l2":
        return f"/dev/video{name}"
    if system == "avfoundation":
        return f"{name}:none"
    if not hasattr(av, "enumerate_input_devices"):
        raise ValueError(f"cameras have no numbers here: give this one's name, as in video={name}")
    cameras = [one.description for one in av.enumerate_input_devices(system) if "video" in one.media_types]
    if int(name) >= len(cameras):
        raise FileNotFoundError(f"there is no camera {name}: {', '.join(cameras) or 'none'} is here")
    return f"video={cameras[int(name)]}"


def _refused(shown: str, error: av.error.FFmpegError) -> OSError:
    """Why a camera can't be read, as its user would say it."""
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return FileNotFoundError(f"there is no {shown}: plug one in, or give another number, an address or a file")
    if error.errno == errno.EBUSY:
        return OSError(f"{shown} is in use: close the other program that has it")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionError(f"{shown} may not be read: allow this user or terminal to use it")
    return OSError(f"{shown} can't be read ({_reason(error)}): is it a camera, and free?")


def _stream(container: InputContainer, shown: str) -> LiveSource:
    """The pictures of an open camera or address, as soon as they can be decoded."""
    try:
        stream, _ = choose_stream(container)
        if stream is None:
            raise ValueError(f"{shown} sends no pictures")
        stream.codec_context.thread_type = "SLICE"
        stream.codec_context.flags |= Flags.low_delay
        pictures = _decoded(container, stream)
        first = next(pictures, None)
        if first is None:
            raise OSError(f"{shown} sends no picture that can be decoded: start it anew")
        height, width = first[1].shape[:2]
        if max(height, width) > LARGEST_PX:
            raise ValueError(f"{shown} is {width}x{height}: let it send {LARGEST_PX} pixels a side or less")
    except av.error.FFmpegError as error:
        container.close()
        raise OSError(f"{shown} sends no picture that can be decoded ({_reason(error)})") from error
    except BaseException:
        container.close()
        raise
    return LiveSource(shown, width, height, chain([first], pictures), container.close, False)


def _decoded(container: InputContainer, stream: av.VideoStream) -> Pictures:
    """What can be decoded, upright; a damaged packet is passed over. Raises ValueError where the size changes."""
    upright = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            upright = upright or Converter(frame, stream.codec_context, stream.sample_aspect_ratio)
            if (frame.width, frame.height) != upright.native:
                raise ValueError("its pictures changed their size")
            yield frame.time, upright(frame)


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


Item = TypeVar("Item")


class Latest(Generic[Item]):
    """Between one thread that puts and one that takes; neither waits for a slow other."""

    def __init__(self) -> None:
        self.dropped = 0
        """Things that were overtaken by a newer one before anybody took them."""
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._error: Exception | None = None
        self._closed = False

    def put(self, item: Item) -> None:
        """Leave a thing, in place of one that is still there; nothing happens once the box is closed."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify_all()

    def close(self, error: Exception | None = None) -> None:
        """Nothing more will come; with an error, whoever takes is told why."""
        with self._changed:
            self._closed, self._error = True, self._error or error
            self._changed.notify_all()

    def take(self, timeout: float | None = None) -> Item | None:
        """The newest thing, waited for; None at the end.

        Raises the error that the box was closed with, after the last thing was taken, and TimeoutError if nothing came
        within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._item is not None or self._closed, timeout):
                raise TimeoutError(f"nothing came for {timeout:g} s")
            item, self._item = self._item, None
            if item is None and self._error is not None:
                raise self._error
            return item
