from dataclasses import replace

import pytest
import roma
import torch

from vibe import skeletons
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data.windows import Annotation
from vibe.records import GeneratorOutput
from vibe.train.labels import LabelConfig, coco_keypoints, fit_clip_labels
from vibe.train.task_features import project_output

CLIPS, FRAMES = 3, 8


@pytest.fixture
def body() -> Body:
    return load_body()


def walked(angle: float) -> GeneratorOutput:
    """A motion seen from the front; with an angle, another that is off by so much in every joint."""
    seed = torch.Generator().manual_seed(0)
    time = torch.arange(FRAMES)[:, None, None] / 25
    rotvec = 0.25 * torch.sin(2 * time + 6 * torch.rand(CLIPS, 1, 24, 3, generator=seed))
    rotmat = roma.rotvec_to_rotmat(rotvec)
    rotmat[:, :, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turn = roma.rotvec_to_rotmat(angle * torch.randn(CLIPS, 1, 24, 3, generator=seed))
    pred_cam = torch.tensor([0.9, 0.0, 0.0]).expand(CLIPS, FRAMES, 3)
    return GeneratorOutput(rotmat @ turn, torch.zeros(CLIPS, FRAMES, 10), pred_cam)


def annotation(body: Body) -> tuple[Annotation, Annotation]:
    """The whole truth, and what is known: only the first clip's 3D labels, and nothing of the last."""
    made = walked(0.0)
    seen = project_output(made, body)
    everywhere = torch.ones(CLIPS, FRAMES, dtype=torch.bool)
    keypoints = torch.cat([seen.points_2d, torch.ones(CLIPS, FRAMES, 49, 1)], -1)
    keypoints[2, ..., 2] = 0.1
    whole = Annotation(keypoints, seen.points, made.rotmat, made.betas, everywhere, everywhere)
    known = everywhere & torch.tensor([True, False, False])[:, None]
    blank = replace(
        whole, points=whole.points * known[..., None, None], rotmat=made.rotmat * known[..., None, None, None]
    )
    return whole, replace(blank, has_points=known, has_theta=known)


def test_clips_in_2d_alone_get_labels_nearer_the_truth_than_what_they_were_fitted_from(body: Body) -> None:
    (truth, given), made = annotation(body), walked(0.15)
    found = fit_clip_labels(made, given, body, LabelConfig(fit=True, evaluations=40))
    assert found.has_points[:2].all() and found.has_theta[:2].all() and not found.has_points[2].any()

    def error(points: torch.Tensor) -> float:
        off = (points - points[..., 39:40, :]) - (truth.points - truth.points[..., 39:40, :])
        return float(off[1].norm(dim=-1).mean())

    assert error(found.points) < 0.7 * error(project_output(made, body).points)


def test_what_is_known_already_and_what_is_hardly_seen_stays_as_it_is(body: Body) -> None:
    _, given = annotation(body)
    found = fit_clip_labels(walked(0.15), given, body, LabelConfig(fit=True, evaluations=2))
    for name in Annotation.__dataclass_fields__:
        assert torch.equal(getattr(found, name)[[0, 2]], getattr(given, name)[[0, 2]]), name
    assert fit_clip_labels(walked(0.15), found, body, LabelConfig(fit=True)) is found


def test_keypoints_are_those_that_data_sets_mark_or_openpose_finds_whichever_is_surer() -> None:
    keypoints = torch.zeros(49, 3)
    keypoints[skeletons.SPIN49.index("left_knee")] = torch.tensor([1.0, 2.0, 0.9])
    keypoints[skeletons.SPIN49.index("op_left_knee")] = torch.tensor([3.0, 4.0, 0.5])
    keypoints[skeletons.SPIN49.index("op_nose")] = torch.tensor([5.0, 6.0, 0.5])
    found = coco_keypoints(keypoints)
    assert found[skeletons.COCO.index("left_knee")].tolist() == pytest.approx([1.0, 2.0, 0.9])
    assert found[skeletons.COCO.index("nose")].tolist() == [5.0, 6.0, 0.5] and (found[:, 2] > 0).sum() == 2
