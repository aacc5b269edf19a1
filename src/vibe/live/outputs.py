"""Where live poses go: JSON, packets for the page, OSC, sent by threads so that no frame waits, and a motion file."""

from __future__ import annotations

import errno
import json
import queue
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import roma
import torch
from torch import Tensor

from vibe import __version__
from vibe.arrays import as_numpy
from vibe.body.record import Body
from vibe.errors import needs_extra
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame
from vibe.motion import Result
from vibe.motion.tensors import to_motion
from vibe.records import Camera, Clip, SmplParams, Track, Weights
from vibe.skeletons import SMPL, SMPL_PARENTS
from vibe.video.container import refuse_huge
from vibe.viewer.motion_json import at_rest

DIGITS = 5
"""After the point: a hundredth of a millimetre."""


def start_json(source: str, camera: Camera, delay: int, body: Weights, weights: Weights) -> str:
    """The first line: what does not change."""
    return _text(
        {
            "type": "start",
            "vibe": __version__,
            "source": source,
            "width": camera.width,
            "height": camera.height,
            "K_px": _rounded(camera.K_px),
            "frames_back": delay,
            "joint_names": SMPL,
            "parents": SMPL_PARENTS,
            "body": body.name,
            "weights": weights.name,
        }
    )


def poses_json(poses: LivePoses, delay_ms: float) -> str:
    """The line of one answer."""
    people = [
        {
            "number": pose.number,
            "confidence": round(pose.confidence, 3),
            "pelvis": _rounded(pose.trans),
            "rotations": _rounded(roma.rotmat_to_rotvec(pose.rotmat)),
            "betas": _rounded(pose.betas),
            "joints": _rounded(pose.joints),
        }
        for pose in poses.people
    ]
    about = {"frame": poses.index, "time": round(poses.time, DIGITS), "delay_ms": round(delay_ms, 1)}
    return _text({"type": "frame", **about, "people": people})


def _rounded(numbers: Tensor) -> list:
    return [_rounded(row) for row in numbers] if numbers.dim() > 1 else [round(x, DIGITS) for x in numbers.tolist()]


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


LONGEST_PX = 960
"""Longer side of a picture for the page."""
QUALITY = 75
"""Of its JPEG, out of 100."""
SAME_SHAPE = 0.3
"""Distance of betas up to which a page keeps the surface that it has: some millimetres."""


class Packet:
    """One answer, with its picture."""

    def __init__(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        self.poses = poses
        self._frame, self._delay_ms = frame, delay_ms
        self._making = threading.Lock()
        self._packet: bytes | None = None

    @cached_property
    def text(self) -> str:
        """The line of JSON."""
        return poses_json(self.poses, self._delay_ms)

    def packet(self) -> bytes:
        """The line's length (four bytes, little-endian), the line, and the picture as JPEG."""
        with self._making:
            if self._packet is None:
                text, rgb = self.text.encode(), self._frame.rgb
                scale = LONGEST_PX / max(rgb.shape[:2])
                if scale < 1:
                    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
                    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
                bgr, quality = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
                self._packet = struct.pack("<I", len(text)) + text + cv2.imencode(".jpg", bgr, quality)[1].tobytes()
            return self._packet


class Packets:
    """The newest answer, and everybody's shape."""

    def __init__(self, body: Body) -> None:
        """`body` is the one that a page shows."""
        self.newest: Packet | None = None
        self._body = as_numpy(body)
        self._shapes: dict[int, tuple[Tensor, str]] = {}

    def shapes(self, poses: LivePoses, known: dict[int, Tensor]) -> Iterator[str]:
        """What a page has to be told before an answer: surfaces of those whom it doesn't know so; notes them there."""
        for pose in poses.people:
            told = known.get(pose.number)
            if told is None or float(torch.dist(told, pose.betas)) > SAME_SHAPE:
                known[pose.number], text = self._shape(pose.number, pose.betas)
                yield text
        here = {pose.number for pose in poses.people}
        self._shapes = {number: held for number, held in self._shapes.items() if number in here}

    def _shape(self, number: int, betas: Tensor) -> tuple[Tensor, str]:
        """The message of a shape; the last one of this person, where it is near enough."""
        held = self._shapes.get(number)
        if held is None or float(torch.dist(held[0], betas)) > SAME_SHAPE / 2:
            betas = betas.clone()
            held = betas, _text({"type": "shape", **at_rest(number, betas.numpy(), self._body)})
            self._shapes = {**self._shapes, number: held}
        return held


WAITING = 64
"""Answers that may wait for somebody slow; the oldest gives way to a newer one."""


class Outbox:
    """Hands answers on from a thread of its own; what comes too fast for the receiver is left out."""

    def __init__(self, send: Callable[[LivePoses, float], None], name: str, lossy: bool = False) -> None:
        """`send` may raise OSError when the receiver is gone: the next `put` passes it on.

        What goes over a `lossy` line is counted as dropped instead, and the next answer is sent all the same.
        """
        self.dropped = 0
        self.name = name
        self._send, self._lossy = send, lossy
        self._waiting: queue.Queue[tuple[LivePoses, float] | None] = queue.Queue(WAITING)
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=f"vibe-live-{name}", daemon=True)
        self._thread.start()

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """Leave an answer; raises OSError if the receiver is gone."""
        if self._error is not None:
            raise self._error
        try:
            self._waiting.put_nowait((poses, delay_ms))
        except queue.Full:
            self.dropped += 1
            self._make_room()
            self.put(poses, frame, delay_ms)

    def close(self, seconds: float = 2.0) -> None:
        """Hand on what still waits, for some seconds at most."""
        while True:
            try:
                self._waiting.put(None, timeout=seconds)
                break
            except queue.Full:
                self._make_room()
        self._thread.join(seconds)

    def _make_room(self) -> None:
        with suppress(queue.Empty):
            self._waiting.get_nowait()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._send(*item)
            except OSError as error:
                if not self._lossy:
                    self._error = error
                    return
                self.dropped += 1


def json_lines(write: Callable[[str], None], start: str) -> Outbox:
    """Lines of JSON to what writes a line and sends it off; `start` is the first."""
    write(start)
    return Outbox(lambda poses, delay_ms: write(poses_json(poses, delay_ms)), "json")


def osc(address: str) -> Outbox:
    """OSC over UDP to HOST:PORT, where nobody need listen; errors as of `osc_outbox`."""
    return osc_outbox(address, "osc", osc_bundles)


def osc_outbox(address: str, name: str, bundles: Callable[[LivePoses, float], Iterable[Any]]) -> Outbox:
    """Sends what is made of answers and their delays as OSC to HOST:PORT, which was given with `--name`.

    Raises ValueError for what is no address, OSError for a host that is not known, ImportError without python-osc.
    """
    host, port = host_and_port(address)
    with needs_extra("OSC", "python-osc", "live"):
        from pythonosc.udp_client import UDPClient
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
    except (OSError, UnicodeError) as error:  # the second for names that no address can have
        raise OSError(f"{host} is not known: give --{name} an address that is, as in 127.0.0.1:{port}") from error
    client = UDPClient(host, port, family=family)

    def send(poses: LivePoses, delay_ms: float) -> None:
        for bundle in bundles(poses, delay_ms):
            client.send(bundle)

    return Outbox(send, name, lossy=True)


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of HOST:PORT or [IPv6]:PORT; raises ValueError."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s/]+)):(\d{1,5})", address)
    if not found or not 0 < int(found[3]) < 65536:
        raise ValueError(f"{address} is no address: give HOST:PORT, as in 127.0.0.1:9000")
    return found[1] or found[2], int(found[3])


def osc_bundles(poses: LivePoses, delay_ms: float) -> list[Any]:
    """One bundle with what there is, and two for each person, of joints and of rotations: each fits a packet.

    Places are metres, rotations quaternions x, y, z, w.
    """
    bundles = [
        osc_bundle(
            [
                ("/vibe/frame", [poses.index, poses.time, float(delay_ms), len(poses.people)]),
                ("/vibe/people", [pose.number for pose in poses.people]),
            ]
        )
    ]
    for pose in poses.people:
        here, quaternions = f"/vibe/{pose.number}", roma.rotmat_to_unitquat(pose.rotmat).tolist()
        places = {f"{here}/joint/{name}": place for name, place in zip(SMPL, pose.joints.tolist(), strict=True)}
        turns = {f"{here}/rotation/{name}": turn for name, turn in zip(SMPL, quaternions, strict=True)}
        shape = {f"{here}/confidence": [pose.confidence], f"{here}/pelvis": pose.trans.tolist()}
        turns[f"{here}/betas"] = pose.betas.tolist()
        bundles += [osc_bundle((shape | places).items()), osc_bundle(turns.items())]
    return bundles


def osc_bundle(messages: Iterable[tuple[str, list]]) -> Any:
    """Addresses and their values as one packet."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, values in messages:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        bundle.add_content(message.build())
    return bundle.build()


ROW = np.dtype(
    [
        ("frame", "<i4"), ("number", "<i4"), ("time", "<f8"), ("rotmat", "<f4", (len(SMPL), 3, 3)),
        ("betas", "<f4", 10), ("trans", "<f4", 3), ("keypoints_px", "<f4", (17, 3)), ("box_px", "<f4", 4),
    ]
)  # fmt: skip
"""One person in one frame, as `LivePose` has it; a frame with nobody in view has a row of number 0."""
LONGEST_HEAD = 1 << 16
MOST_FRAMES = 10_000_000
UNFINISHED = ".part"
"""What the name of a recording ends with until it is a motion file."""


class Recorder:
    """Writes answers to a file as they come, 1.2 kB a person and frame, so that no end of the program loses them."""

    def __init__(
        self, path: Path, source: str, camera: Camera, body: Weights, weights: Weights, remarks: Sequence[str]
    ):
        """Raises OSError if the file cannot be made or is there."""
        head = {"recording": 1, "source": source, "width": camera.width, "height": camera.height, "remarks": remarks}
        head |= {"K_px": camera.K_px.tolist(), "body": asdict(body), "weights": asdict(weights)}
        self._file = path.open("xb", buffering=0)
        self._file.write(_text(head).encode() + b"\n")
        self.frames = 0
        """How many there were."""

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """Write an answer; raises OSError where there is no room."""
        rows = np.zeros(max(len(poses.people), 1), ROW)
        rows["frame"], rows["time"] = self.frames, poses.time
        for row, pose in zip(rows[: len(poses.people)], poses.people, strict=True):
            for name in ("number", "rotmat", "betas", "trans", "keypoints_px", "box_px"):
                row[name] = getattr(pose, name)
        if (self._file.write(rows.tobytes()) or 0) < rows.nbytes:
            raise OSError(errno.ENOSPC, "there is no room for the recording", self._file.name)
        self.frames += 1

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def read_recording(path: Path, body: Body) -> Result:
    """What a `Recorder` wrote, as of a video of the frames that were answered for.

    Frames that were not written whole are left out. Raises OSError, or ValueError for a file that is no recording, a
    damaged one, or one of another body.
    """
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline(LONGEST_HEAD))
            camera = Camera(torch.tensor(head["K_px"]).float().reshape(3, 3), int(head["width"]), int(head["height"]))
            origin, weights = Weights(**head["body"]), Weights(**head["weights"])
            source, remarks = str(head["source"]), [str(each) for each in head["remarks"]]
        except (ValueError, TypeError, KeyError, RuntimeError, RecursionError) as error:
            raise ValueError(f"{path} is no recording of vibe live: give one that it left unfinished") from error
        rows = np.fromfile(file, ROW, MOST_FRAMES)
    if origin.sha256 != body.origin.sha256:
        raise ValueError(f"{path} was recorded with the body {origin.name}: give that one with --body")
    refuse_huge(path, camera.width, camera.height)
    first = np.flatnonzero(np.diff(rows["frame"], prepend=-1))
    times, numbers = rows["time"][first], np.unique(rows["number"])
    sound = all(np.isfinite(rows[name]).all() for name in ROW.names or ()) and (np.diff(times) > 0).all()
    sound &= all((np.diff(rows["frame"][rows["number"] == number]) > 0).all() for number in numbers)
    if not len(rows) or not sound or (rows["frame"][first] != np.arange(len(first))).any():
        raise ValueError(f"{path} holds no answers that can be read: it is damaged or empty")
    times = torch.from_numpy(times - times[0])
    fps = (len(times) - 1) / float(times[-1]) if len(times) > 1 else 30.0
    people = []
    for number in numbers[numbers > 0]:
        own = {name: torch.from_numpy(rows[name][rows["number"] == number]) for name in ROW.names or ()}
        track = Track(own["frame"].long(), own["box_px"], own["keypoints_px"])
        smpl = SmplParams(own["rotmat"], own["betas"].mean(0), own["trans"])
        people.append(to_motion(smpl, track, times[track.frames], camera, body))
    clip = Clip(Path("live") / source, fps, camera.width, camera.height, times, 0)
    note = "made live: each index was told without what came later, and frames were left out for speed"
    return Result(as_numpy(clip), as_numpy(camera), tuple(people), origin, weights, (note, *remarks))
