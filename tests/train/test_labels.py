from dataclasses import replace

import pytest
import roma
import torch

from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data.motion import Motions, clip_weights, find_motion, load_motions
from vibe.records import GeneratorOutput
from vibe.synthetic.examples import Example, SynthesisConfig, count_labelled, synthesise
from vibe.train.labels import LabelConfig, fit_labels
from vibe.train.losses import LossConfig, keypoint_losses
from vibe.train.recipes import Recipe

HALF = SynthesisConfig(batch=6, frames=8, labelled=0.5)


@pytest.fixture
def body() -> Body:
    return load_body()


@pytest.fixture
def motions(tiny: Recipe) -> Motions:
    return load_motions([find_motion(tiny.motion[0])], held_out=False)


def example(motions: Motions, body: Body, config: SynthesisConfig = HALF, noisy: bool = False) -> Example:
    return synthesise(motions, clip_weights(motions), body, config, torch.Generator().manual_seed(4), noisy)


def near(batch: Example, angle: float = 0.15) -> GeneratorOutput:
    """The truth, each joint turned a little and the same way through a window; the camera of the truth."""
    turn = roma.rotvec_to_rotmat(angle * torch.randn(len(batch.rotmat), 1, 24, 3, generator=torch.manual_seed(1)))
    depth = 1 / (0.9 * batch.half_side)
    pred_cam = torch.stack([0.9 * torch.ones_like(depth), *torch.zeros(2, *depth.shape)], -1)
    return GeneratorOutput(batch.rotmat @ turn, batch.betas[:, None].expand(-1, batch.rotmat.shape[1], -1), pred_cam)


def error(batch: Example, truth: Example) -> torch.Tensor:
    return (batch.points - truth.points)[3:].norm(dim=-1).mean((1, 2))


def test_the_share_of_labelled_windows_is_as_asked_for_and_changes_nothing_else(motions: Motions, body: Body) -> None:
    whole, half = (example(motions, body, replace(HALF, labelled=share)) for share in (1.0, 0.5))
    assert whole.labelled.all() and half.labelled.tolist() == [True] * 3 + [False] * 3
    assert torch.equal(whole.points, half.points) and torch.equal(whole.evidence.keypoints, half.evidence.keypoints)


def test_a_share_smaller_than_a_window_holds_over_a_run() -> None:
    seed, few = torch.Generator().manual_seed(0), SynthesisConfig(batch=24, labelled=0.02)
    counts = [count_labelled(few, seed) for _ in range(4000)]
    assert set(counts) == {0, 1}
    assert sum(counts) / len(counts) == pytest.approx(0.48, abs=0.03)
    for share, whole in ((0.0, 0), (0.5, 12), (1.0, 24)):
        state = seed.get_state()
        assert count_labelled(replace(few, labelled=share), seed) == whole
        assert torch.equal(seed.get_state(), state)


def test_the_truth_of_windows_without_labels_moves_no_loss(motions: Motions, body: Body) -> None:
    batch = example(motions, body, noisy=True)
    made = near(batch)
    hidden = ~batch.labelled
    other = replace(
        batch,
        **{
            name: torch.where(
                hidden.view(-1, *[1] * (getattr(batch, name).ndim - 1)), torch.ones(()), getattr(batch, name)
            )
            for name in ("rotmat", "betas", "points", "keypoints_2d")
        },
    )
    config = LossConfig()
    one, two = keypoint_losses(made, batch, body, config), keypoint_losses(made, other, body, config)
    assert {name: float(term) for name, term in one.items()} == {name: float(term) for name, term in two.items()}


def test_windows_without_labels_teach_by_their_detected_keypoints(motions: Motions, body: Body) -> None:
    batch = example(motions, body, replace(HALF, labelled=0.0), noisy=True)
    made = near(batch)
    rotmat = made.rotmat.requires_grad_()
    terms = keypoint_losses(made, batch, body, LossConfig())
    assert all(float(term.detach()) == 0 for name, term in terms.items() if name != "reprojection")
    terms["reprojection"].backward()
    assert rotmat.grad is not None and float(rotmat.grad.abs().amax((1, 2, 3, 4)).min()) > 0
    unseen = replace(batch, evidence=replace(batch.evidence, keypoints=batch.evidence.keypoints * 0))
    assert float(keypoint_losses(made, unseen, body, LossConfig())["reprojection"].detach()) == 0


def test_the_fit_gives_labels_nearer_the_truth_than_the_generator_was(motions: Motions, body: Body) -> None:
    batch = example(motions, body)
    made = near(batch)
    labels = fit_labels(made, batch, body, LabelConfig(fit=True))
    begun = fit_labels(made, batch, body, LabelConfig(fit=True, evaluations=1))
    assert labels.labelled.all()
    assert torch.equal(labels.points[:3], batch.points[:3]) and torch.equal(labels.rotmat[:3], batch.rotmat[:3])
    assert (error(labels, batch) < 0.9 * error(begun, batch)).all()


def test_windows_are_fitted_as_if_each_were_alone(motions: Motions, body: Body) -> None:
    batch = example(motions, body)
    made, config = near(batch), LabelConfig(fit=True, evaluations=200)
    together = fit_labels(made, batch, body, config)
    for window in (3, 5):
        alone = replace(batch, labelled=torch.arange(6) != window)
        found = fit_labels(made, alone, body, config)
        off = (found.points - together.points)[window].norm(dim=-1).mean()
        assert float(off) < 0.1 * float(error(together, batch)[window - 3] + 0.02)


def test_a_window_that_is_hardly_seen_gets_no_label(motions: Motions, body: Body) -> None:
    batch = example(motions, body)
    batch.evidence.keypoints[4, ..., 2] = 0.05
    assert fit_labels(near(batch), batch, body, LabelConfig(fit=True)).labelled.tolist() == [True] * 4 + [False, True]
