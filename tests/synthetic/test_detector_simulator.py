from dataclasses import replace
from pathlib import Path

import pytest
import roma
import torch

from vibe.body.load import load_body
from vibe.body.pose import mirror_quaternions
from vibe.data.motion import Motions
from vibe.skeletons import DETECTED27, mirrored
from vibe.synthetic import detector_simulator
from vibe.synthetic.detector_simulator import (
    ANSWER,
    CONDITION,
    DetectorSimulator,
    SimulatorConfig,
    answers_of,
    frequencies,
    load_simulator,
    mirror_pairs,
    points_from_answers,
    simulate,
    simulated_windows,
)
from vibe.synthetic.examples import example_points, see_keypoints
from vibe.synthetic.rendered_evidence import CONFIG, RenderedWindows
from vibe.train.simulator import SIMULATOR_RECIPE, ToldAnswers, begin_in_units, draw_flows, flow_loss, in_units

SMALL = SimulatorConfig(width=32, dilations=(1, 2))
LEFT, RIGHT = (DETECTED27.index(f"{side}_wrist") for side in ("left", "right"))
FLIP = torch.tensor([-1.0, 1.0, 1.0])


def people(count: int = 6, still: bool = True) -> RenderedWindows:
    """Windows of people near the rest pose, whom the detector marks where they are, in a picture of 800 pixels."""
    seed = torch.Generator().manual_seed(0)
    frames = CONFIG.frames
    rotvec = 0.2 * torch.randn(count, 1 if still else frames, 24, 3, generator=seed).expand(-1, frames, -1, -1).clone()
    rotvec[:, :, 0] = torch.tensor([torch.pi, 0.0, 0.0])
    pelvis = torch.tensor([0.3, -0.1, 4.0]) + 0.3 * torch.randn(count, 1, 3, generator=seed).expand(-1, frames, -1)
    betas, ones = torch.randn(count, 10, generator=seed), torch.ones(count)
    empty = torch.zeros(count, frames, len(DETECTED27), 6)
    windows = RenderedWindows(
        roma.rotvec_to_unitquat(rotvec),
        pelvis,
        betas,
        empty,
        ones,
        torch.tensor([0.3, 0.4]).expand(count, -1),
        800 * ones,
    )
    viewed, answers = answers_of(windows, load_body())
    answers = torch.cat([torch.zeros_like(answers[..., :135]), torch.full_like(answers[..., 135:162], 2.0)], -1)
    said = points_from_answers(torch.cat([answers, -torch.ones(count, frames, 1)], -1), viewed)
    return replace(windows, points=said)


def test_answers_are_what_the_detector_said_and_back() -> None:
    windows = people()
    windows.points[0, 3] = 0.0
    viewed, answers = answers_of(windows, load_body())
    assert viewed.condition.shape[-1] == CONDITION and answers.shape[-1] == ANSWER
    torch.testing.assert_close(points_from_answers(answers, viewed), windows.points, atol=1e-5, rtol=1e-5)
    assert (answers[..., -1] > 0).sum() == 1


def test_of_people_in_a_mirror_conditions_and_answers_are_mirrored() -> None:
    windows = people()
    windows.points[..., LEFT, 0] += 0.02
    other = windows.points[:, :, mirrored(DETECTED27)] * torch.tensor([-1.0, 1.0, -1.0, 1.0, 1.0, 1.0])
    turned = replace(
        windows, quaternions=mirror_quaternions(windows.quaternions), pelvis_cam=windows.pelvis_cam * FLIP, points=other
    )
    body = load_body()
    (seen, answers), (seen_there, answers_there) = answers_of(windows, body), answers_of(turned, body)
    condition, mirror_answers = mirror_pairs(seen.condition, answers)
    torch.testing.assert_close(condition, seen_there.condition, atol=2e-5, rtol=0)
    torch.testing.assert_close(mirror_answers, answers_there, atol=2e-5, rtol=0)


def test_noise_has_the_spectrum_of_the_answers_that_were_shown() -> None:
    windows = people(32)
    viewed, answers = answers_of(windows, load_body())
    wander = torch.randn(32, 1, ANSWER, generator=torch.Generator().manual_seed(1))
    shiver = 0.3 * torch.randn(32, CONFIG.frames, ANSWER, generator=torch.Generator().manual_seed(2))
    network = DetectorSimulator(SMALL)
    begin_in_units(network, ToldAnswers(viewed.condition, answers + wander + shiver))
    waves = frequencies(CONFIG.frames) @ network.noise(1000, torch.Generator().manual_seed(3))
    ratio = waves.std(0) / network.spectrum
    assert ratio.min() > 0.85 and ratio.max() < 1.15
    assert (network.spectrum[0] > 5 * network.spectrum[1:].mean(0)).all()


def test_it_learns_what_an_error_depends_on_and_says_the_same_for_the_same_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detector_simulator, "STEPS", 6)
    windows, body = people(32, still=False), load_body()
    viewed, answers = answers_of(windows, body)
    # All is marked as far up as the wrists are: a mirror keeps that.
    height = viewed.places[..., RIGHT, 1] + viewed.places[..., LEFT, 1]
    wanted = 0.1 * (height - height.mean()) / height.std()
    answers[..., 1 : 2 * len(DETECTED27) : 2] += wanted[..., None]
    torch.manual_seed(0)
    network = DetectorSimulator(replace(SMALL, dropout=0.0))
    shown = ToldAnswers(viewed.condition, answers)
    begin_in_units(network, shown)
    untrained = simulate(network.eval(), viewed, torch.Generator().manual_seed(5))
    pairs, recipe = in_units(network, shown), replace(SIMULATOR_RECIPE, batch=32, simulator=SMALL)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for step in range(120):
        loss = flow_loss(network, draw_flows(network, pairs, recipe, step), "float32").mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    one, two = (simulate(network, viewed, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)

    def follows(said: torch.Tensor) -> float:
        off = ((said[..., 1] - windows.points[..., 1]) / viewed.metre).mean(2)
        return float(torch.corrcoef(torch.stack([off.flatten(), wanted.flatten()]))[0, 1])

    assert follows(one) > 0.8 > 0.5 > follows(untrained)


def test_windows_of_a_detector_without_errors_are_marked_where_people_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_simulator, "STEPS", 1)
    network, body = DetectorSimulator(SMALL), load_body()
    network.last.weight.data.zero_()
    network.last.bias.data.zero_()
    network.spectrum.zero_()
    network.answer_mean[135:162], network.answer_mean[-1] = 2.0, -1.0
    seed = torch.Generator().manual_seed(0)
    rotvec = 0.1 * torch.randn(1, 24, 3, generator=seed).expand(200, -1, -1).clone()
    one = torch.tensor([0]), torch.tensor([200]), ("somebody",)
    motions = Motions(roma.rotvec_to_unitquat(rotvec), torch.tensor([0.0, 0.95, 0.0]).expand(200, -1).clone(), *one)
    windows = simulated_windows(network, motions, torch.ones(1), body, 5, seed)
    points = example_points(body, roma.unitquat_to_rotmat(windows.quaternions), windows.betas[:, None])
    truth, _ = see_keypoints(points, windows.pelvis_cam, windows.focal)
    assert len(windows.focal) == 5
    torch.testing.assert_close(windows.points[..., :2], truth, atol=1e-5, rtol=0)
    torch.testing.assert_close(windows.half_picture.norm(dim=-1), torch.full((5,), 0.5))
    with pytest.raises(ValueError, match="1 or more"):
        simulated_windows(network, motions, torch.ones(1), body, 0, seed)
    network.answer_mean[-1] = 1.0
    monkeypatch.setattr(detector_simulator, "PATIENCE", 1)
    with pytest.raises(ValueError, match="sees nobody"):
        simulated_windows(network, motions, torch.ones(1), body, 1, seed)


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="no simulator"):
        load_simulator("open", ())
    with pytest.raises(FileNotFoundError):
        load_simulator(Path("nowhere.safetensors"), ())
