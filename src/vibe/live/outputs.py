"""Where live poses go: JSON lines and OSC, sent by threads of their own so that no frame waits, and a motion file."""

from __future__ import annotations

import queue
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import roma
import torch
from torch import Tensor

from vibe.arrays import as_numpy
from vibe.errors import missing_extra
from vibe.inference.estimate import Estimator
from vibe.live.messages import poses_json
from vibe.live.person import LivePose
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame
from vibe.motion import Result
from vibe.motion.tensors import to_motion
from vibe.records import Camera, Clip, SmplParams, Track
from vibe.skeletons import SMPL

WAITING = 64
"""Answers that may wait for somebody slow; the oldest gives way to a newer one."""


class Outbox:
    """Hands answers on from a thread of its own; what comes too fast for the receiver is left out."""

    def __init__(self, send: Callable[[LivePoses, float], None], name: str) -> None:
        """`send` may raise OSError when the receiver is gone: the next `put` passes it on."""
        self.dropped = 0
        self._send = send
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
                self._error = error
                return


def json_lines(write: Callable[[str], None], start: str) -> Outbox:
    """Lines of JSON to what writes a line and sends it off; `start` is the first."""
    write(start)
    return Outbox(lambda poses, delay_ms: write(poses_json(poses, delay_ms)), "json")


def osc(address: str) -> Outbox:
    """OSC osc_bundles over UDP to HOST:PORT.

    Raises ValueError for what is no address, OSError for a host that is not known, ImportError without python-osc.
    """
    host, port = host_and_port(address)
    try:
        from pythonosc.udp_client import UDPClient
    except ImportError as error:
        raise missing_extra("OSC", "python-osc", "live") from error
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
    except OSError as error:
        raise OSError(f"{host} is not known: give --osc an address that is, as in 127.0.0.1:{port}") from error
    client = UDPClient(host, port, family=family)

    def send(poses: LivePoses, delay_ms: float) -> None:
        for bundle in osc_bundles(poses, delay_ms):
            client.send(bundle)

    return Outbox(send, "osc")


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of HOST:PORT or [IPv6]:PORT; raises ValueError."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s/]+)):(\d{1,5})", address)
    if not found or not 0 < int(found[3]) < 65536:
        raise ValueError(f"{address} is no address: give HOST:PORT, as in 127.0.0.1:9000")
    return found[1] or found[2], int(found[3])


def osc_bundles(poses: LivePoses, delay_ms: float) -> list[Any]:
    """One bundle with what there is, and two for each person, of joints and of rotations: each fits a packet."""
    there = [("/vibe/frame", [poses.index, poses.time, float(delay_ms), len(poses.people)])]
    there.append(("/vibe/people", [pose.number for pose in poses.people]))
    return [_bundle(there)] + [_bundle(part) for pose in poses.people for part in _parts(pose)]


def _parts(pose: LivePose) -> list[list[tuple[str, list]]]:
    """A person's messages: places in metres, then quaternions x, y, z, w."""
    here = f"/vibe/{pose.number}"
    places = [(f"{here}/joint/{name}", place) for name, place in zip(SMPL, pose.joints.tolist(), strict=True)]
    quaternions = roma.rotmat_to_unitquat(pose.rotmat).tolist()
    turns = [(f"{here}/rotation/{name}", turn) for name, turn in zip(SMPL, quaternions, strict=True)]
    shape = [(f"{here}/confidence", [pose.confidence]), (f"{here}/trans", pose.trans.tolist())]
    return [[*shape, *places], [*turns, (f"{here}/betas", pose.betas.tolist())]]


def _bundle(messages: list[tuple[str, list]]) -> Any:
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, values in messages:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        bundle.add_content(message.build())
    return bundle.build()


class Recorder:
    """Everybody's answers, about 0.6 kB a person and index."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._people: dict[int, list[tuple[int, tuple[Tensor, ...]]]] = {}

    @property
    def frames(self) -> int:
        """How many there were."""
        return len(self._times)

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """Take an answer."""
        index = len(self._times)
        self._times[index] = poses.time
        for pose in poses.people:
            self._people.setdefault(pose.number, []).append((index, _few(pose)))

    def result(self, name: str, camera: Camera, estimator: Estimator) -> Result:
        """The motion as of a video of the frames that were answered for."""
        times = torch.tensor(list(self._times.values()), dtype=torch.float64)
        times = times - times[:1]
        fps = (len(times) - 1) / float(times[-1]) if len(times) > 1 else 30.0
        clip = Clip(Path("live") / name, fps, camera.width, camera.height, times, 0)
        people = []
        for _, rows in sorted(self._people.items()):
            frames = torch.tensor([index for index, _ in rows])
            rotmat, betas, trans, keypoints_px, box_px = (torch.stack(each) for each in zip(*(row for _, row in rows)))
            track = Track(frames, box_px, keypoints_px)
            shape = betas.mean(0)
            people.append(to_motion(SmplParams(rotmat, shape, trans), track, times[frames], camera, estimator.body))
        notes = ("made live: each index was told without what came later, and frames were left out for speed",)
        origin = estimator.body.origin
        notes = (*notes, *estimator.remarks)
        return Result(as_numpy(clip), as_numpy(camera), tuple(people), origin, estimator.network.about, notes)


def _few(pose: LivePose) -> tuple[Tensor, ...]:
    return pose.rotmat, pose.betas.clone(), pose.trans, pose.keypoints_px, pose.box_px
