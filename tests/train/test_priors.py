from dataclasses import asdict, replace
from pathlib import Path

import pytest
import roma
import torch
from safetensors.torch import load_file

from vibe.body import load_body, vertices
from vibe.body.pose import mirror_rotmat
from vibe.data.motion import clip_weights, find_motion, load_motions
from vibe.models.priors import KINDS, MPoser, MPoserConfig, VPoserConfig, load_prior
from vibe.train.priors import (
    PRIOR_RECIPES,
    PriorRecipe,
    begin_at_axes,
    draw_batch,
    some_clips,
    train_prior,
    vae_points,
    validate_prior,
    vertex_errors_mm,
)

SIZES = {"mposer": MPoserConfig(hidden=12, layers=1), "vposer": VPoserConfig(hidden=12, dropout=0.0)}


@pytest.fixture(params=["mposer", "vposer"])
def toy(request: pytest.FixtureRequest, motion_folder: Path) -> PriorRecipe:
    """A recipe that runs in seconds."""
    return replace(
        PRIOR_RECIPES[request.param], motion=("tiny.npz",), prior=SIZES[request.param], steps=6, batch=4, frames=8,
        warmup=2, validate_every=3, save_every=2, log_every=1,
    )  # fmt: skip


def test_the_losses_and_the_error_fall(toy: PriorRecipe, tmp_path: Path) -> None:
    records = list(train_prior(replace(toy, steps=40, validate_every=20, save_every=40, rate=3e-3), tmp_path / "run"))
    errors = [record["trained_pve_mm"] for record in records if "pve_mm" in record]
    assert records[-1]["points"] < 0.9 * records[0]["points"]
    assert errors[-1] < errors[0]
    assert {"joints_mm", "angle_deg", "kl_nats", "trained_pve_mm"} <= records[-1].keys()


def test_a_run_that_was_stopped_ends_at_the_same_bits(toy: PriorRecipe, tmp_path: Path) -> None:
    whole = list(train_prior(toy, tmp_path / "whole"))
    stopped = train_prior(toy, tmp_path / "stopped")
    for _ in range(4):
        next(stopped)
    stopped.close()
    again = list(train_prior(toy, tmp_path / "stopped"))
    assert again[-1]["loss"] == whole[-1]["loss"] and again[-1]["pve_mm"] == whole[-1]["pve_mm"]
    for name in ("weights.safetensors", "best.safetensors"):
        one, other = (load_file(tmp_path / run / name) for run in ("stopped", "whole"))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_what_was_trained_is_loaded_with_its_sizes_and_licence(toy: PriorRecipe, tmp_path: Path) -> None:
    list(train_prior(toy, tmp_path / "run"))
    prior = load_prior(tmp_path / "run" / "weights.safetensors")
    assert prior.about.name == toy.name and "CMU Graphics Lab" in prior.about.licence
    assert prior.model(torch.eye(3).expand(5, 23, 3, 3))[0].isfinite().all()


def test_another_recipe_does_not_go_on_in_the_folder(toy: PriorRecipe, tmp_path: Path) -> None:
    list(train_prior(toy, tmp_path / "run"))
    with pytest.raises(ValueError, match="batch"):
        list(train_prior(replace(toy, batch=8), tmp_path / "run"))


def test_a_step_draws_the_same_windows_again_and_half_of_them_mirrored(toy: PriorRecipe) -> None:
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    weights, still = clip_weights(motions), replace(toy, fastest=1.0, frames=60, batch=200)
    one, again, other = (draw_batch(motions, weights, still, step) for step in (3, 3, 4))
    assert torch.equal(one, again) and not torch.equal(one, other)
    rotmat = roma.unitquat_to_rotmat(motions.quaternions)
    mirrored = mirror_rotmat(rotmat)[:, 1:]
    drawn = roma.rotvec_to_rotmat(one)
    plain = sum(torch.allclose(window, rotmat[:, 1:], atol=1e-4) for window in drawn)
    flipped = sum(torch.allclose(window, mirrored, atol=1e-4) for window in drawn)
    assert plain + flipped == 200 and 70 < flipped < 130


def test_validation_is_that_of_whole_clips_and_leaves_the_network_as_it_was(toy: PriorRecipe) -> None:
    motions, body = load_motions([find_motion("tiny.npz")], held_out=True), load_body(detail="low")
    network = KINDS[toy.kind](asdict(toy.prior)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    errors = validate_prior(network, motions, body)
    assert network.training and errors == validate_prior(network, motions, body)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_vertex_errors_do_not_depend_on_the_chunks_and_are_zero_for_the_truth() -> None:
    body, rotmat = load_body(detail="low"), roma.random_rotmat((70, 23))
    assert vertex_errors_mm(rotmat, rotmat, body).abs().max() < 1e-3
    other = roma.random_rotmat((70, 23))
    whole = vertex_errors_mm(other, rotmat, body)
    torch.testing.assert_close(whole[60:], vertex_errors_mm(other[60:], rotmat[60:], body))


def test_a_prior_without_hands_is_measured_with_the_hands_at_rest(toy: PriorRecipe) -> None:
    motions = load_motions([find_motion("tiny.npz")], held_out=True)
    errors = validate_prior(MPoser(MPoserConfig(joints=21, hidden=8, layers=1)), motions, load_body(detail="low"))
    assert errors["pve_mm"] > 0 and errors["angle_deg"] > 0


def test_both_priors_have_the_same_budget() -> None:
    one, other = (asdict(PRIOR_RECIPES[kind]) for kind in ("mposer", "vposer"))
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"name", "kind", "prior"}


@pytest.mark.parametrize("joints", [21, 23])
def test_numbers_differ_by_what_the_surface_moves_and_the_code_begins_at_their_axes(shared: Path, joints: int) -> None:
    motions, body = load_motions([shared / "data" / "motion" / "open2_30fps.npz"], held_out=False), load_body()
    prior = MPoser(MPoserConfig(joints=joints, hidden=4, layers=1)).requires_grad_(False)
    begin_at_axes(prior, motions, clip_weights(motions), body)
    frames = some_clips(motions, 60)
    picked = torch.cat(
        [motions.quaternions[s : s + n : 30] for s, n in zip(frames.starts, frames.lengths, strict=True)]
    )
    rotvec = roma.unitquat_to_rotvec(picked[:, 1:])
    moved = rotvec + 0.02 * torch.randn(rotvec.shape, generator=torch.Generator().manual_seed(0))
    far = (prior.numbers(moved) - prior.numbers(rotvec)).norm(dim=-1)
    moved[:, joints:] = rotvec[:, joints:]
    pair = (vae_points(vertices, body, roma.rotvec_to_rotmat(each[:, :joints])) for each in (rotvec, moved))
    truth = torch.dist(*pair) / len(body.v_template) ** 0.5 / len(rotvec) ** 0.5
    assert far.square().mean().sqrt() == pytest.approx(float(truth), rel=0.15)
    code, numbers = prior.code(prior.numbers(rotvec)), prior.numbers(rotvec)
    assert (prior.uncode(code) - numbers).square().sum() < 0.05 * numbers.square().sum()
    assert code.std() == pytest.approx(1, abs=0.3)


def test_a_prior_begins_on_whatever_device_it_is_on(shared: Path) -> None:
    motions = load_motions([shared / "data" / "motion" / "open2_30fps.npz"], held_out=False)
    prior = MPoser(MPoserConfig(hidden=4, layers=1)).requires_grad_(False).to("meta")
    begin_at_axes(prior, motions, clip_weights(motions), load_body().to("meta"))
    assert prior.metric.device.type == prior.code.weight.device.type == "meta"


def test_subjects_that_are_left_out_are_not_trained_on(toy: PriorRecipe, tmp_path: Path) -> None:
    everybody = tuple(set(load_motions([find_motion("tiny.npz")], held_out=False).subjects))
    with pytest.raises(ValueError, match="no clip of subjects that are not held out"):
        list(train_prior(replace(toy, left_out=everybody), tmp_path / "run"))
