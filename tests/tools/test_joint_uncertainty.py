import torch

from joint_uncertainty import Sample, fit_model, parts, scores
from vibe.inference.uncertainty import deviations


def test_deviations_that_depend_on_a_sign_are_found():
    signs = torch.randn(900, 24, 3)
    size = (0.5 * signs[..., :1] - 3).exp() * torch.tensor([1.0, 1.0, 2.0])
    sample = Sample(signs, size * torch.randn(900, 24, 3))
    model = fit_model([sample], steps=300)
    found = deviations(signs, model)
    assert ((found / size[..., 1:]).log().abs().mean((0, 1)) < 0.2).all()
    assert scores(model, [sample]).startswith("0.7")


def test_parts_of_an_error_are_as_long_as_it_and_the_last_lies_along_the_line_of_sight():
    found = torch.randn(5, 24, 3) + torch.tensor([0.0, 0.0, 4.0])
    true = found + 0.1 * torch.randn(5, 24, 3)
    off = found - true
    off[:, 1:] -= off[:, :1].clone()
    torch.testing.assert_close(parts(found, true).norm(dim=-1), off.norm(dim=-1))
    along = parts(found, torch.cat([1.1 * found[:, :1], found[:, 1:]], 1))[:, 0]
    assert along[:, :2].abs().max() < 1e-5 and (along[:, 2] < 0).all()
