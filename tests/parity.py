"""The published program's numbers beside ours, entry by entry; fails if one is off.

    python tests/parity.py NPZ [--seed 0] [--recipe FILE]

NPZ holds the outputs of the published code on inputs and weights that a recipe rebuilds from a seed; the recipe is the
`recipe.py` beside NPZ or, if there is none, that of the development data. Bounds, absolute plus relative: 1e-5 for
rotations, metrics, cameras, the body and one-euro; 1e-4 plus 1e-3 for what runs through networks and for the fit;
crops within one grey level.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import pytest
import roma
import torch
import tyro
from torch import Tensor, nn
from tyro.conf import Positional

from vibe import cameras, rotations, skeletons
from vibe.body import Body, keypoints, load_smpl, vertices
from vibe.evaluate import metrics
from vibe.model.discriminator import DiscriminatorConfig, MotionDiscriminator, motion_numbers
from vibe.model.encoder import EncoderConfig, GRUEncoder
from vibe.model.regressor import Regressor, RegressorConfig
from vibe.model.vibe import VIBE
from vibe.observe.crops import cut
from vibe.observe.features import Extractor
from vibe.observe.resnet import ResNet50
from vibe.records import Theta
from vibe.refine import published
from vibe.refine.fitting import BODY, CAMERA, ENERGIES
from vibe.refine.mixture import Mixture, axis_angle, mixture, mixture_energy
from vibe.refine.one_euro import one_euro
from vibe.refine.priors import TORSO, Evidence, Pose
from vibe.train.adversarial import contest
from vibe.train.official import Annotation, Prediction, losses
from vibe.train.recipes import RELEASED_RECIPE

DEFAULT_RECIPE = Path("../shared/reference/recipe.py")
CAMERAS = ("cam_t", "cam_t0")
"""Where the recipe's fit stands, and where it began."""
DEEP = ("vibe", "resnet50", "hmr", "discriminator", "loss", "smplify")
Answers = Iterator[tuple[str, Tensor]]


@dataclass(frozen=True)
class Given:
    """What the reference was made from."""

    recipe: ModuleType
    seed: int
    theirs: Mapping[str, np.ndarray]

    def array(self, name: str, *shape: int, scale: float = 1.0) -> Tensor:
        """One of the recipe's inputs."""
        return torch.from_numpy(self.recipe.array(name, shape, scale, seed=self.seed))

    def fill(self, module: Any, keys: str | None) -> Any:
        """The module with the recipe's parameters, by their official names, which must be those of the entry `keys`."""
        official = {name: name.removeprefix("resnet.").removeprefix("head.") for name in module.state_dict()}
        shapes = {official[name]: tuple(value.shape) for name, value in module.state_dict().items()}
        if keys in self.theirs:
            _same_names(keys, self.theirs[keys], shapes)
        module.load_state_dict({name: self.parameter(theirs, shapes[theirs]) for name, theirs in official.items()})
        return module.eval()

    def parameter(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """One parameter or buffer."""
        leaf = name.rsplit(".", 1)[-1]
        if leaf.startswith("init_"):
            return self.mean[leaf.removeprefix("init_")][None]
        return torch.from_numpy(np.asarray(self.recipe.tensor(name, shape, seed=self.seed)))

    @cached_property
    def body(self) -> Body:
        """The recipe's body and regressors, as the user's own files are read."""
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("VIBE_HOME", folder)
            np.savez(Path(folder) / "smpl_neutral.npz", **self.recipe.body(seed=self.seed))
            for name, joints in (("extra", 9), ("h36m", 17)):
                rows = self.recipe.joint_regressor(f"J_regressor_{name}", joints, seed=self.seed)
                np.savez(Path(folder) / f"j_regressor_{name}.npz", regressor=rows)
            return load_smpl()

    @cached_property
    def mixture(self) -> Mixture:
        """The recipe's prior of poses."""
        factors = self.array("gmm.factors", 8, 69, 69, scale=0.05).double()
        weights = self.array("gmm.weights", 8).double().abs() + 0.1
        covars = factors @ factors.mT + 0.05 * torch.eye(69)
        return mixture(self.array("gmm.means", 8, 69, scale=0.3), covars, weights / weights.sum())

    @cached_property
    def mean(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value) for name, value in self.recipe.mean_params(seed=self.seed).items()}


def rotation_entries(given: Given) -> Answers:
    """Six numbers, matrices and axis-angle."""
    rotmat = rotations.rotmat_from_6d(given.array("rot6d", 64, 6))
    yield "rot6d.rotmat", rotmat
    yield "rotmat.axis_angle", roma.rotmat_to_rotvec(rotmat)
    yield "axis_angle.rotmat", roma.rotvec_to_rotmat(given.array("axis_angle", 64, 3))


def camera_entries(given: Given) -> Answers:
    """From the crop to the picture."""
    pred_cam = given.array("cam", 20, 3, scale=0.1) + torch.tensor([0.9, 0.0, 0.0])
    box_px = given.array("bbox", 20, 4, scale=60.0).abs() + 100
    centre_px, side_px = box_px[:, :2], box_px[:, 2]
    yield "camera.full_image", cameras.picture_camera(pred_cam, centre_px, side_px, (1280, 720))
    keypoints = given.array("kp2d", 20, 49, 2, scale=0.4)
    yield "camera.keypoints_in_image", cameras.crop_to_picture(keypoints, centre_px, side_px)


def body_entries(given: Given) -> Answers:
    """A body's surface and its joint sets."""
    body = given.body
    rotmat = roma.rotvec_to_rotmat(given.array("smpl.pose", 4, 72, scale=0.4).unflatten(-1, (24, 3)))
    betas = given.array("smpl.betas", 4, 10)
    yield "smpl.vertices_every_53rd", vertices(body, rotmat, betas)[:, ::53]
    yield "smpl.joints49", keypoints(body, rotmat, betas, "spin49")
    yield "smpl.h36m17", keypoints(body, rotmat, betas, "h36m17")


def generator_entries(given: Given) -> Answers:
    """The paper's generator, in one direction as published and in both as written."""
    features = given.array("features", 2, 16, 2048, scale=0.5)
    for model in ("vibe.official", "vibe.bidirectional"):
        encoder = GRUEncoder(EncoderConfig(bidirectional=model == "vibe.bidirectional"))
        network = given.fill(VIBE(nn.Identity(), encoder, Regressor(RegressorConfig())), f"{model}.state_keys")
        theta = network(features)
        yield f"{model}.encoded_every_16th", encoder(features)[..., ::16]
        yield f"{model}.rotmat", theta.rotmat
        yield f"{model}.verts_every_211th", vertices(given.body, theta.rotmat, theta.betas)[..., ::211, :]
        yield f"{model}.kp_3d_h36m14", keypoints(given.body, theta.rotmat, theta.betas, "common14")
        yield from _answers(given, model, theta)


def picture_entries(given: Given) -> Answers:
    """Crops, their features, and the single-frame baseline."""
    picture = given.recipe.image("frame", 360, 480, seed=given.seed)
    boxes = torch.tensor([[250.0, 170.0, 200.0, 200.0], [20.0, 30.0, 160.0, 160.0]])
    crops = cut(picture, boxes)
    yield "crop.raw", torch.from_numpy(crops[0])
    yield "crop.raw_at_border", torch.from_numpy(crops[1])
    network = given.fill(nn.ModuleDict({"resnet": ResNet50(), "head": Regressor(RegressorConfig())}), "hmr.state_keys")
    features = Extractor(network["resnet"])(crops)
    yield "resnet50.features", features
    theta = network["head"](features[:, None])
    yield from _answers(given, "hmr", Theta(theta.rotmat[:, 0], theta.betas[:, 0], theta.pred_cam[:, 0]))


def discriminator_entries(given: Given) -> Answers:
    """Scores of motions by attention of two and three layers, and by pooling."""
    motion = given.array("motion", 3, 16, 69, scale=0.4)
    for name, config in {
        "attention_2x1024": DiscriminatorConfig(attention_layers=2),
        "attention_3x1024": DiscriminatorConfig(attention_layers=3),
        "concat": DiscriminatorConfig(pooling="concat"),
    }.items():
        network = given.fill(MotionDiscriminator(config), f"discriminator.{name}.state_keys")
        yield f"discriminator.{name}", network(motion)[:, None]


def loss_entries(given: Given) -> Answers:
    """The losses of a batch: two clips with 2D keypoints only, then two with everything but for some frames."""
    predicted, truth = loss_batch(given)
    discriminator = given.fill(MotionDiscriminator(), None)
    real = motion_numbers(_rotmat(given.array("loss.real.theta", 4, 16, 85, scale=0.3)))
    fake = motion_numbers(predicted.theta.rotmat)
    terms = losses(predicted, truth)
    with torch.enable_grad():
        told, _ = contest(discriminator, real, fake, RELEASED_RECIPE.adversarial.weight)
    for theirs, ours in {"kp_2d": "keypoints_2d", "kp_3d": "keypoints_3d", "pose": "pose", "shape": "shape"}.items():
        yield f"loss.loss_{theirs}", terms[ours]
    yield "loss.e_m_disc_loss", told["adversarial"]
    yield "loss.d_m_disc_real", told["real"]
    yield "loss.d_m_disc_fake", told["fake"]
    yield "loss.d_m_disc_loss", told["real"] + told["fake"]
    yield "loss.discriminator_total", told["real"] + told["fake"]
    yield "loss.generator_total", torch.stack(list(terms.values())).sum() + told["adversarial"]


def loss_batch(given: Given) -> tuple[Prediction, Annotation]:
    """The recipe's batch; what a clip does not have is not a number."""
    theta = given.array("loss.pred.theta", 4, 16, 85, scale=0.3)
    predicted = Prediction(
        Theta(_rotmat(theta), theta[..., 75:], theta[..., :3]),
        given.array("loss.pred.kp_3d", 4, 16, 49, 3, scale=0.4),
        given.array("loss.pred.kp_2d", 4, 16, 49, 2, scale=0.4),
    )
    seen = torch.cat([given.array(f"loss.target{n}d.kp_2d", 2, 16, 49, 3, scale=0.4) for n in (2, 3)])
    seen = torch.cat([seen[..., :2], (seen[..., 2:].abs() > 0.2).float()], -1)
    true = given.array("loss.target3d.theta", 2, 16, 85, scale=0.3)
    points = given.array("loss.target3d.kp_3d", 2, 16, 49, 3, scale=0.4)
    true, points = (torch.cat([torch.full_like(known, torch.nan), known]) for known in (true, points))
    has_points, has_theta = torch.zeros(2, 4, 16, dtype=torch.bool)
    has_points[2:], has_theta[2] = True, True
    has_points[2, :4] = False
    return predicted, Annotation(seen, points, _rotmat(true), true[..., 75:], has_points, has_theta)


def metric_entries(given: Given) -> Answers:
    """Errors of joints, metres."""
    predicted = given.array("metric.pred", 32, 14, 3, scale=0.3)
    truth = predicted + given.array("metric.noise", 32, 14, 3, scale=0.05)
    yield "metric.procrustes_aligned", metrics.procrustes_aligned(predicted, truth)
    yield "metric.pa_mpjpe_m", metrics.pa_mpjpe_mm(predicted, truth) / 1000
    yield "metric.mpjpe_m", metrics.mpjpe_mm(metrics.about(predicted), metrics.about(truth)) / 1000
    yield "metric.accel", metrics.acceleration_mm(predicted) / 1000
    yield "metric.accel_error", metrics.acceleration_error_mm(predicted, truth) / 1000


def one_euro_entries(given: Given) -> Answers:
    """The demo's filter over 72 numbers."""
    signal = given.array("signal", 50, 72, scale=0.05).cumsum(0)
    yield "one_euro.filtered", one_euro(signal, torch.arange(50.0))


def fitting_entries(given: Given) -> Answers:
    """Temporal SMPLify's energies; the crop is the picture, and its camera the paper's."""
    pose, seen = fitting_scene(given)
    prior = given.mixture
    yield "smplify.pose_prior", mixture_energy(axis_angle(pose.rotmat), prior)
    yield "smplify.angle_prior", published.bent_backwards(pose.rotmat)
    yield "smplify.reprojection", published.missed(*published.in_crop(pose, seen))
    energies = ENERGIES | {"pose_prior": published.mixture_prior(prior)}
    for name, stage in (("camera_loss", CAMERA), ("body_loss", BODY)):
        terms = [weight * energies[key](pose, seen) for key, weight in stage.weights.items()]
        yield f"smplify.{name}", torch.stack(terms).sum()


def fitting_scene(given: Given) -> tuple[Pose, Evidence]:
    """The recipe's pose and evidence."""
    body_pose = given.array("fit.body_pose", 16, 69, scale=0.3)
    rotmat = roma.rotvec_to_rotmat(nn.functional.pad(body_pose, (3, 0)).unflatten(-1, (24, 3)))
    trans, before = (given.array(f"fit.{name}", 16, 3, scale=0.1) + torch.tensor([0.0, 0, 45]) for name in CAMERAS)
    confidence = given.array("fit.confidence", 16, 49, scale=0.5).abs().clamp(0, 1)
    keypoints_px = given.array("fit.keypoints", 16, 49, 2, scale=40.0) + 112
    K_px = torch.tensor([[5000.0, 0.0, 112.0], [0.0, 5000.0, 112.0], [0.0, 0.0, 1.0]])
    seen = Evidence(
        torch.cat([keypoints_px, confidence[..., None]], -1),
        K_px,
        torch.full((16,), published.CROP_PX / cameras.CROP_SCALE),
        torch.arange(16.0),
        before[:, 2],
        tuple(skeletons.index(skeletons.SPIN49, ["op_" + name for name in TORSO])),
    )
    joints, betas = given.array("fit.joints", 16, 49, 3, scale=0.4), given.array("fit.betas", 1, 10)[0]
    return Pose(torch.zeros(16, 24, 3), rotmat, betas, trans, joints[:, :24], joints), seen


ENTRIES: tuple[Callable[[Given], Answers], ...] = (
    rotation_entries, camera_entries, body_entries, generator_entries, picture_entries, discriminator_entries,
    loss_entries, metric_entries, one_euro_entries, fitting_entries,
)  # fmt: skip


def _rotmat(theta: Tensor) -> Tensor:
    """The 24 rotations of the published 85 numbers: camera 3, axis-angle 72, betas 10."""
    return roma.rotvec_to_rotmat(theta[..., 3:75].unflatten(-1, (24, 3)))


def _answers(given: Given, model: str, theta: Theta) -> Answers:
    """The published 85 numbers, and the 49 joints in space and in the crop."""
    pose = roma.rotmat_to_rotvec(theta.rotmat).flatten(-2)
    yield f"{model}.theta", torch.cat([theta.pred_cam, pose, theta.betas], -1)
    points = keypoints(given.body, theta.rotmat, theta.betas, "spin49")
    yield f"{model}.kp_3d", points
    yield f"{model}.kp_2d", cameras.project_in_crop(points, theta.pred_cam)


def _same_names(entry: str, lines: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError unless these are the parameters that the reference lists."""
    ours = {f"{name} {shape}" for name, shape in shapes.items()}
    if odd := sorted(ours ^ set(map(str, lines))):
        raise ValueError(f"{entry} and our parameters differ in {', '.join(odd[:4])}")


def _nearest_turns(name: str, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Axis-angle has two names for a turn of about half a circle: ours by the name that the reference took."""
    first = {"theta": 3, "axis_angle": 0}.get(name.rsplit(".", 1)[-1])
    if first is None:
        return ours
    last = 75 if first else 3
    turns, wanted = (each[..., first:last].reshape(-1, 3) for each in (ours, theirs))
    angle = np.linalg.norm(turns, axis=-1, keepdims=True).clip(1e-12)
    other = turns * (1 - 2 * np.pi / angle)
    closer = np.abs(other - wanted).sum(-1) < np.abs(turns - wanted).sum(-1)
    ours = ours.copy()
    ours[..., first:last] = np.where(closer[:, None], other, turns).reshape(ours[..., first:last].shape)
    return ours


def _is_off(name: str, ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.shape != theirs.shape or not np.isfinite(ours).all():
        return True
    if name.startswith("crop"):
        return bool(np.abs(ours - theirs).max() > 1)
    atol, rtol = (1e-4, 1e-3) if name.startswith(DEEP) else (1e-5, 1e-5)
    return not np.allclose(ours, theirs, atol=atol, rtol=rtol)


def compare(
    given: Given, groups: Sequence[Callable[[Given], Answers]] = ENTRIES
) -> Iterator[tuple[str, float, float, bool]]:
    """For each entry: its name, the largest absolute and relative error, and whether it is off."""
    seen = {name for name in given.theirs if name.endswith("state_keys")}
    for entries in groups:
        for name, answer in entries(given):
            seen.add(name)
            theirs = given.theirs[name].astype(np.float64)
            ours = _nearest_turns(name, answer.detach().double().numpy(), theirs)
            if ours.shape != theirs.shape:
                raise ValueError(f"{name} is {theirs.shape} in the reference, {ours.shape} here")
            error = np.abs(ours - theirs)
            relative = error / np.maximum(np.abs(theirs), 1e-6)
            yield name, float(error.max()), float(relative.max()), _is_off(name, ours, theirs)
    for name in given.theirs.keys() - seen:
        yield name, float("nan"), float("nan"), True


def _load(path: Path) -> ModuleType:
    """The recipe as a module."""
    spec = importlib.util.spec_from_file_location("recipe", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no recipe {path}: name it with --recipe")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(
    npz: Annotated[Positional[Path], tyro.conf.arg(metavar="NPZ")], seed: int = 0, recipe: Path | None = None
) -> int:
    """Compare, print a line an entry, and return 1 if one is off."""
    beside = npz.parent / "recipe.py"
    make = _load(recipe or (beside if beside.is_file() else DEFAULT_RECIPE))
    with np.load(npz, allow_pickle=False) as file:
        given = Given(make, seed, {name: file[name] for name in file.files})
    failures = 0
    with torch.no_grad():
        for name, absolute, relative, off in compare(given):
            failures += off
            print(
                f"{'OFF' if off else 'ok ':3} {name:40} absolute {absolute:9.2e}  relative {relative:9.2e}", flush=True
            )
    entries = len(given.theirs)
    print(f"{entries - failures} of {entries} entries agree" if failures else f"all {entries} entries agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
