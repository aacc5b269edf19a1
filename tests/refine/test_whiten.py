import torch

from vibe.records import SmplParams
from vibe.refine.conditioning import whitening
from vibe.refine.energies import FitEvidence, FitPose
from vibe.refine.presets import OPEN
from vibe.refine.smplify import ENERGIES


def test_the_regular_energies_are_round_in_the_whitened_numbers(scene, body):
    a = scene(30)
    joints, keypoints = body(a.rotmat, a.betas)
    blind = FitEvidence(torch.zeros(30, 17, 3), a.K_px, torch.full((30,), 500.0), a.times, a.trans[:, 2])
    weights = {name: OPEN.weights[name] for name in ("nearness", "steadiness")}
    white = whitening(joints - joints[:, :1], a.trans, blind, weights)
    costs = []
    for _ in range(8):
        numbers = torch.nn.functional.normalize(torch.randn(24 * 30 * 3), dim=0).view(24, 30, 3)
        offset = (white.offset @ numbers).transpose(0, 1)
        pose = FitPose(offset, SmplParams(a.rotmat, a.betas, a.trans), joints, keypoints)
        costs.append(float(sum(weight * ENERGIES[name](pose, blind) for name, weight in weights.items())))
    assert max(abs(cost - 1) for cost in costs) < 1e-3
