"""A grey video of uneven times, and two people in it."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

from vibe import cameras
from vibe.body import load_body, pose_joints
from vibe.motion import Result
from vibe.video import VideoWriter, open_video

WIDTH, HEIGHT, FRAMES = 160, 120, 40


@pytest.fixture(scope="session")
def low():
    """The open body of few polygons."""
    return load_body(detail="low")


@pytest.fixture(scope="session")
def grey(tmp_path_factory):
    """A video of 40 grey frames, and its clip."""
    path = tmp_path_factory.mktemp("grey") / "grey.mp4"
    with VideoWriter(path, WIDTH, HEIGHT, 25) as writer:
        for index in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), 0.04 * index + 0.01 * (index % 3))
    with open_video(path) as video:
        assert sum(1 for _ in video) == FRAMES
    return video.clip()


@pytest.fixture(scope="session")
def filmed(grey, low) -> Result:
    """Two people who stand in the grey video, arms out, the first from frame 10 to 29."""
    camera = cameras.default_camera(WIDTH, HEIGHT)
    people = []
    for frames, x, z in ((torch.arange(10, 30), -0.75, 4.0), (torch.arange(FRAMES), 0.85, 4.5)):
        still = performers.standing(low, len(frames))
        trans = torch.tensor([x, 0.1, z]).repeat(len(frames), 1)
        joints = pose_joints(low, still.rotmat, torch.zeros(10))[1]
        joints = joints - joints[:, :1] + trans[:, None]
        people.append(
            replace(
                still, frames=frames, times=grey.timestamps[frames], trans=trans, betas=torch.zeros(10),
                joints_cam=joints, joints_px=cameras.project(joints, camera.K_px),
            )
        )  # fmt: skip
    return replace(performers.show(low, *people), clip=grey, camera=camera)
