"""VRM animations: three.js's published loaders put them on an avatar of another size, limb by limb as ours."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
from readers import read_glb

from vibe.body import Body
from vibe.export.export import export
from vibe.export.rigs import NEXT, RIGS
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL

LICENCE = "https://vrm.dev/licenses/1.0/"
PROGRAM = """
globalThis.self = globalThis;
import fs from "fs";
import * as THREE from "three";
import {GLTFLoader} from "three/examples/jsm/loaders/GLTFLoader.js";
import {VRMLoaderPlugin} from "@pixiv/three-vrm";
import {VRMAnimationLoaderPlugin, createVRMAnimationClip} from "@pixiv/three-vrm-animation";
const [avatar, motion, fps, frames] = process.argv.slice(1);
const warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));
const loader = new GLTFLoader();
loader.register(parser => new VRMLoaderPlugin(parser));
loader.register(parser => new VRMAnimationLoaderPlugin(parser));
const opened = name => loader.parseAsync(new Uint8Array(fs.readFileSync(name)).buffer, "");
const vrm = (await opened(avatar)).userData.vrm;
const animation = (await opened(motion)).userData.vrmAnimations[0];
const mixer = new THREE.AnimationMixer(vrm.scene);
const action = mixer.clipAction(createVRMAnimationClip(animation, vrm));
action.setLoop(THREE.LoopOnce);
action.clampWhenFinished = true;
action.play();
const found = [];
for (let frame = 0; frame < +frames; frame++) {
  mixer.setTime(frame / +fps);  // the last one may lie past the clip's end by rounding
  vrm.update(0);
  vrm.scene.updateMatrixWorld(true);
  found.push(Object.fromEntries(Object.keys(vrm.humanoid.humanBones).map(
    name => [name, vrm.humanoid.getRawBoneNode(name).getWorldPosition(new THREE.Vector3()).toArray()])));
}
console.log(JSON.stringify({found, warnings}));
"""


def as_avatar(path: Path) -> None:
    """Make a GLB on VRM's bones a VRM 1.0 avatar: its bones are named in the extension."""
    head, content = read_glb(path)
    named = {node.get("name"): place for place, node in enumerate(head["nodes"])}
    bones = {name: {"node": named[name]} for name in RIGS["vrm"].bones.values() if name in named}
    meta = {"name": "x", "version": "1", "authors": ["x"], "licenseUrl": LICENCE}
    head["extensions"] = {"VRMC_vrm": {"specVersion": "1.0", "meta": meta, "humanoid": {"humanBones": bones}}}
    head["extensionsUsed"] = ["VRMC_vrm"]
    del head["animations"]
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(content), b"BIN\0") + content
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts)


@pytest.fixture
def avatar(body: Body, tmp_path: Path) -> Path:
    """Somebody else."""
    other = performers.show(body, performers.fingered(performers.performer(body, torch.arange(2), 5)))
    export(other, tmp_path / "avatar.glb", "glb", rig="vrm", body=body)
    as_avatar(tmp_path / "avatar.glb")
    return tmp_path / "avatar.glb"


def test_an_avatar_s_limbs_point_as_ours_and_its_hips_keep_their_share_of_the_height(
    given, body, avatar, node_modules, tmp_path
):
    if not (node_modules / "@pixiv" / "three-vrm-animation").is_dir():
        pytest.skip("three-vrm-animation is not here: make interop installs it")
    export(given, tmp_path / "x.vrma", "vrma", person=1, body=body)
    (character,) = build_scene(given, body, SceneOptions(), 1).characters
    node = shutil.which("node")
    assert node, "the loaders were installed by node's npm"
    fps, frames = given.clip.fps, len(character.joints)
    command = [node, "--input-type=module", "-e", PROGRAM, "--", str(avatar), str(tmp_path / "x.vrma")]
    done = subprocess.run(
        [*command, str(fps), str(frames)], capture_output=True, text=True, cwd=node_modules.parent, env=dict(os.environ)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["warnings"] == []
    bones, worst = RIGS["vrm"].bones, 0.0
    places = {name: np.array([frame[name] for frame in said["found"]]) for name in said["found"][0]}
    for joint in ("shoulder", "elbow", "hip", "knee"):
        for side in ("left", "right"):
            first, last = f"{side}_{joint}", NEXT[f"{side}_{joint}"]
            theirs = places[bones[last]] - places[bones[first]]
            ours = character.joints[:, SMPL.index(last)] - character.joints[:, SMPL.index(first)]
            cosine = (theirs * ours).sum(1) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1)
            worst = max(worst, float(np.degrees(np.arccos(cosine.clip(-1, 1))).max()))
    assert worst < 5, "T-poses differ by a few degrees between bodies, and no more"
    share = places["hips"][:, 1] / character.joints[:, 0, 1]
    assert np.ptp(share) < 0.01 and 0.7 < share.mean() < 1.4
