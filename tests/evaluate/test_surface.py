import pytest
import roma
import torch

from vibe.body.lbs import vertices
from vibe.body.load import load_body
from vibe.body.pose import rest_joints
from vibe.evaluate import metrics
from vibe.evaluate.metrics import PosedBodies, has_one_mesh, surface_errors_mm
from vibe.records import SmplParams

BODY = load_body(detail="low")


def posed(frames: int, shapes: bool) -> PosedBodies:
    betas = torch.randn(*((frames, 10) if shapes else (10,)))
    return PosedBodies(BODY, SmplParams(roma.random_rotmat((frames, 24)), betas, torch.zeros(frames, 3)))


@pytest.mark.parametrize("shapes", [False, True], ids=["one shape", "a shape a frame"])
def test_a_surface_in_pieces_has_the_errors_of_the_whole(shapes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = posed(7, shapes), posed(7, shapes)
    monkeypatch.setattr(metrics, "PIECE", 3)
    found = surface_errors_mm(one, other)
    skins = [vertices(each.body, each.smpl.rotmat, each.smpl.betas).double() for each in (one, other)]
    pelves = [rest_joints(each.body, each.smpl.betas)[..., :1, :].double() for each in (one, other)]
    apart = skins[0] - skins[1]
    torch.testing.assert_close(found["pve_unaligned_mm"], apart.norm(dim=-1).mean(-1) * 1000)
    at_pelvis = apart - (pelves[0] - pelves[1])
    torch.testing.assert_close(found["pve_mm"], at_pelvis.norm(dim=-1).mean(-1) * 1000, atol=1e-3, rtol=0)


def test_the_same_body_has_no_error_and_no_frames_no_errors() -> None:
    one = posed(5, True)
    assert all(error.max() == 0 for error in surface_errors_mm(one, one).values())
    assert all(len(error) == 0 for error in surface_errors_mm(posed(0, False), posed(0, False)).values())


def test_only_surfaces_of_one_mesh_are_compared() -> None:
    assert has_one_mesh(BODY, BODY) and not has_one_mesh(BODY, load_body())
