"""An invented SMPL body in the user's folder, stores of invented people, and a predictor that knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch

from vibe.body.load import load_smpl
from vibe.body.record import Body
from vibe.body.shape import rest_joints
from vibe.data.recording import Recording
from vibe.data.store import open_store
from vibe.data.writer import StoreWriter
from vibe.evaluate.people import points_of
from vibe.evaluate.protocols import Protocol
from vibe.evaluate.surface import Posed
from vibe.network import Network, load_network
from vibe.reading import Reading
from vibe.records import Weights
from vibe.skeletons import SMPL_PARENTS

VERTICES = 40
SETS = ("common14", "mpii3d_test17", "smpl24")


def write_bodies(home: Path) -> None:
    """SMPL bodies of three genders, and the regressor of Human3.6M's joints, where `vibe assets add` would put them."""
    random = np.random.default_rng(0)
    arrays = {
        "v_template": 0.4 * random.normal(size=(VERTICES, 3)),
        "shapedirs": 0.05 * random.normal(size=(VERTICES, 3, 10)),
        "J_regressor": random.dirichlet(np.ones(VERTICES), 24),
        "weights": random.dirichlet(np.ones(24), VERTICES),
        "f": random.integers(0, VERTICES, (50, 3)),
        "kintree_table": np.array([(2**32 - 1, *SMPL_PARENTS[1:]), range(24)], np.uint32),
    }
    for gender, larger in (("neutral", 1.0), ("female", 0.9), ("male", 1.1)):
        np.savez(home / f"smpl_{gender}.npz", **(arrays | {"v_template": larger * arrays["v_template"]}))
    np.savez(home / "j_regressor_h36m.npz", regressor=random.dirichlet(np.ones(VERTICES), 17))


def write_store(folder: Path, protocol: Protocol, gender: str = "neutral") -> Path:
    """A store of two people who are counted, one with a gap and frames that don't count, and of one who is not."""
    numbers = np.delete(np.arange(40), [17, 18])
    valid = np.arange(38) % 11 != 5
    camera = protocol.camera or "any"
    with StoreWriter(folder, "Invented.", {"set": protocol.store}, {}) as store:
        store.add(moving("one", np.arange(3, 26), gender, 0, source=f"one.{camera}.mp4"))
        store.add(moving("two", numbers, gender, 1, source=f"two.{camera}.mp4", valid=valid))
        store.add(replace(moving("three", np.arange(9), gender, 2), split="train"))
    return folder


def moving(name: str, frames: np.ndarray, gender: str, seed: int, **known: Any) -> Recording:
    """A person who moves until frame 20; the first of their features numbers the rows of their truth."""
    random, count, time = np.random.default_rng(seed), len(frames), np.minimum(frames, 20)
    poses = 0.3 * np.sin(time[:, None] / 7 + 6 * random.random(72)).astype(np.float32)
    betas = np.tile(random.normal(size=10).astype(np.float32), (count, 1))
    trans = np.stack([0.1 * np.sin(time / 9), 0 * time, 4 + 0.02 * time], -1).astype(np.float32)
    features = np.zeros((count, 2048), np.float16)
    features[:, 0], features[:, 1] = np.arange(count), seed
    body = load_smpl(gender)
    posed = Posed(body, rotmat_of(poses), torch.from_numpy(betas))
    points = {joints: points_of(posed, joints).numpy() + trans[:, None] for joints in SETS}
    box_px = np.tile(np.array([500 + 300 * seed, 400, 100, 200], np.float32), (count, 1))
    K_px = np.array([[900.0, 0, 500], [0, 900, 400], [0, 0, 1]])
    recording = Recording(
        name, frames, 25.0, split="test", gender=gender, K_px=K_px, poses=poses, betas=betas, trans=trans,
        points=points, box_px=box_px, features=features,
    )  # fmt: skip
    return replace(recording, **known)


def rotmat_of(poses: np.ndarray) -> torch.Tensor:
    return roma.rotvec_to_rotmat(torch.from_numpy(poses).unflatten(-1, (24, 3)))


def picture_network() -> Network:
    """A network that reads features; what it says is put in its mouth by `knowing`."""
    about = Weights("knowing", "abc123" * 10, "Invented.")
    return replace(load_network(), evidence="images", body="smpl", about=about)


def knowing(folder: Path, turn: torch.Tensor | None = None) -> Callable[..., Reading]:
    """In place of `reading.read_features`: the truth of a store, turned about the pelvis."""
    store = open_store(folder)
    starts = {int(store.column("features")[each.start, 1]): each.start for each in store.sequences}

    def read(track, times, camera, network: Network, features: torch.Tensor, body: Body) -> Reading:
        rows = features[:, 0].long().numpy() + np.array([starts[int(seed)] for seed in features[:, 1]])
        poses, betas, trans = (np.array(store.column(name)[rows]) for name in ("poses", "betas", "trans"))
        rotmat, shape = rotmat_of(poses), torch.from_numpy(betas)
        if turn is not None:
            rotmat[:, 0] = turn @ rotmat[:, 0]
        pelvis = rest_joints(body, shape)[:, 0] + torch.from_numpy(trans)
        every = (slice(0, len(rows)),)
        return Reading(rotmat, shape, pelvis, track.keypoints_px, times, every, every, True)

    return read
