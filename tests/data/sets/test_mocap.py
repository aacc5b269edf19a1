import captures
import numpy as np
import pytest
import roma
import torch

from vibe import body
from vibe.data.sets import mocap
from vibe.records import SmplParams


def recorded(rotmat: torch.Tensor, pelvis: torch.Tensor, fps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The motion as a recording has it."""
    smpl = SmplParams(rotmat, pelvis.new_zeros(10), pelvis)
    columns = mocap.mocap_recording("clip", smpl, fps, "somebody").columns
    poses = torch.from_numpy(columns["poses"]).reshape(-1, 24, 3)
    return roma.rotvec_to_rotmat(poses), torch.from_numpy(columns["trans"]) + mocap.pelvis_at_rest()


def spinning(fps: float, seconds: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Each joint turns at a steady pace about an axis of its own; the pelvis moves at a steady pace."""
    times = torch.arange(int(seconds * fps) + 1, dtype=torch.float64) / fps
    axes = torch.nn.functional.normalize(
        torch.randn(24, 3, generator=torch.Generator().manual_seed(1)).double(), dim=-1
    )
    return roma.rotvec_to_rotmat(times[:, None, None] * 2.0 * axes), times[:, None] * torch.tensor([1.0, 0.1, -0.5])


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0, 100.0, 119.88, 120.0, 150.0])
def test_a_steady_motion_is_the_same_at_any_frame_rate(fps):
    rotmat, pelvis = recorded(*spinning(fps), fps)
    plain, path = spinning(30.0)
    count = min(len(plain), len(rotmat))
    assert abs(len(plain) - len(rotmat)) <= 1
    assert torch.allclose(rotmat[:count], plain[:count], atol=1e-9)
    assert torch.allclose(pelvis[:count], path[:count], atol=1e-9)


def test_whole_multiples_keep_every_nth_frame():
    rotmat, path = captures.motion(24, 121, 120)
    fewer, places = recorded(rotmat, path, 120.0)
    assert len(fewer) == 31
    assert torch.allclose(fewer, rotmat[::4], atol=1e-9) and torch.allclose(places, path[::4], atol=1e-12)


@pytest.mark.parametrize(
    "frames, fps, left",
    [(2, 30.0, 2), (121, 120.0, 31), (120, 120.0, 30), (101, 100.0, 31), (100, 100.0, 30), (50, 25.0, 59)],
)
def test_a_clip_keeps_its_length_in_time_to_a_frame(frames, fps, left):
    assert len(recorded(*captures.motion(24, frames, fps), fps)[0]) == left


def test_the_pelvis_stands_where_it_was_when_the_body_is_moved_by_trans():
    rotmat, path = captures.motion(24, 10, 30)
    recording = mocap.mocap_recording("clip", SmplParams(rotmat, path.new_zeros(10), path), 30.0, "somebody")
    moved = body.load_body().J_template[0].numpy() + recording.columns["trans"]
    assert np.allclose(moved, path, atol=1e-7)
    assert recording.fps == 30 and recording.frames.tolist() == list(range(10)) and not recording.columns["betas"].any()
    poses = torch.from_numpy(recording.columns["poses"]).reshape(-1, 24, 3)
    assert np.allclose(roma.rotvec_to_rotmat(poses), rotmat, atol=1e-9)


@pytest.mark.parametrize("frames, fps", [(1, 30.0), (9, 0.0), (9, float("nan")), (9, 1e6)])
def test_a_take_without_motion_or_frame_rate_is_refused_by_name(frames, fps):
    with pytest.raises(ValueError, match="clip has"):
        recorded(*captures.motion(24, frames, 30), fps)
