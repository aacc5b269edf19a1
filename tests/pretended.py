"""Short videos without anybody, and an estimate that pretends to find people in them."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vibe import method, pipeline
from vibe.cameras import default_camera
from vibe.many import crew
from vibe.motion import Motion, Result
from vibe.records import Weights
from vibe.spread import here
from vibe.video import open_video

SETTLE = method.settle

ABOUT = Weights("open", "0" * 64, "free for every use")


def person(time: int) -> Motion:
    ones = torch.ones(time)
    return Motion(
        frames=torch.arange(time),
        times=torch.arange(time, dtype=torch.float64) / 25,
        box_px=torch.full((time, 4), 20.0),
        global_orient=torch.zeros(time, 3),
        body_pose=torch.zeros(time, 69),
        betas=torch.zeros(10),
        trans=torch.zeros(time, 3) + torch.tensor([0.0, 0.0, 4.0]),
        pred_cam=torch.ones(time, 3),
        joints_cam=torch.zeros(time, 24, 3),
        joints_px=torch.zeros(time, 24, 2),
        keypoints_px=torch.ones(time, 17, 3),
        confidence=0.75 * ones,
        body=ABOUT,
    )


def make_video(path: Path, frames: int = 5, width: int = 64, height: int = 48, form: str | None = None) -> Path:
    """A grey gradient that moves; nobody is in it."""
    with av.open(str(path), "w", format=form) as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        ramp = np.linspace(40, 200, width, dtype=np.uint8)
        for index in range(frames):
            picture = np.broadcast_to(np.roll(ramp, index)[None, :, None], (height, width, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@lru_cache
def _settle(**options: object) -> method.Method:
    """The method, loaded once for the same options."""
    return SETTLE(**options)


def pretend(monkeypatch: pytest.MonkeyPatch, count: list[int]) -> list[Path]:
    """Lets estimate read each video, in this process, but find as many people as `count` says; the videos it was given.

    The stages' folder gets a file, as from the real one.
    """
    given: list[Path] = []

    def run(path: Path, method: object, stages: Path | None = None, progress=None) -> Result:
        given.append(path)
        with open_video(path) as video:
            for frame in video:
                if progress:
                    progress("people", frame.index + 1, video.expected_frames)
            clip = video.clip()
        if stages:
            (stages / "tracks.safetensors").touch()
        found = tuple(person(len(clip.timestamps)) for _ in range(count[0]))
        return Result(clip, default_camera(clip.width, clip.height), found, ABOUT, ABOUT, ("a note on it",))

    monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(method, "settle", _settle)
    monkeypatch.setattr(crew, "spread_over", lambda *_, heard, **__: partial(here, heard=heard))
    return given
