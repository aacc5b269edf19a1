#!/usr/bin/env bash
# three.js 0.187.0, USDLoader: bones have the last word of their joint's path for a name, and animations find them by it. Of two
# people of one rig, whom usd-core 26.11 moves each by an animation of their own, the first gets a mixture of both and the second
# stands still. What an animation says once and for all, not at times, is left out: with translations of its own, which USD puts
# in the place of the rest pose's, a leg keeps the rest pose's length. Of a stage that begins at 1001, as film's do, the
# animation begins after 1001 frames of nothing, not at startTimeCode. No word of any of it. Write one person a file, every
# joint's translation at every frame, and times from 0. Prints the ankles by both of three stages, one frame after the start;
# exits with 1 if any of it changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet usd-core==26.11 numpy==2.4.6
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0)
cat > "$place/load.mjs" <<'PROGRAM'
import { readFileSync } from "fs";
import * as three from "three";
import { USDLoader } from "three/addons/loaders/USDLoader.js";

const [path, seconds] = process.argv.slice(2);
const warnings = [];
console.warn = console.error = (...words) => warnings.push(words.join(" "));
const scene = new USDLoader().parse(readFileSync(path, "utf8"));
const mixer = new three.AnimationMixer(scene);
for (const clip of scene.animations) mixer.clipAction(clip).play();
mixer.setTime(Number(seconds));
scene.updateMatrixWorld(true);
const joints = [];
scene.traverse((node) => {
  if (node.isBone) joints.push(new three.Vector3().setFromMatrixPosition(node.matrixWorld).toArray());
});
const tracks = scene.animations.map(({ tracks: [track] }) => ({ name: track.name, begins: track.times[0] }));
console.log(JSON.stringify({ joints, tracks, warnings, revision: three.REVISION }));
PROGRAM
cat > "$place/people.py" <<'PROGRAM'
import json
import subprocess
import sys
from importlib.metadata import version

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt

JOINTS, FPS, FRAMES = ["hip", "hip/knee", "hip/knee/ankle"], 10, 5
REST = [(0, 1, 0), (0, -0.5, 0), (0, -0.5, 0)]
LONG = [(0, 1.2, 0), (0, -0.6, 0), (0, -0.6, 0)]


def add_person(stage, name, x, turn_deg, translations):
    """A leg at x whose hip turns about x by turn_deg a frame; its one triangle hangs on hip, knee and ankle."""
    root = UsdSkel.Root.Define(stage, f"/{name}")
    UsdGeom.Xformable(root).AddTranslateOp().Set(Gf.Vec3d(x, 0, 0))
    skeleton, animation = UsdSkel.Skeleton.Define(stage, f"/{name}/bones"), UsdSkel.Animation.Define(stage, f"/{name}/bones/walk")
    rest = [Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(joint)) for joint in REST]
    skeleton.CreateJointsAttr(JOINTS)
    skeleton.CreateRestTransformsAttr(rest)
    skeleton.CreateBindTransformsAttr([rest[0], rest[1] * rest[0], rest[2] * rest[1] * rest[0]])
    animation.CreateJointsAttr(JOINTS)
    animation.CreateScalesAttr([Gf.Vec3h(1)] * 3)
    animation.CreateTranslationsAttr([Gf.Vec3f(joint) for joint in translations])
    still, start = Gf.Quatf.GetIdentity(), stage.GetStartTimeCode()
    for frame in range(FRAMES):
        turned = Gf.Quatf(Gf.Rotation(Gf.Vec3d(1, 0, 0), turn_deg * frame).GetQuat())
        animation.CreateRotationsAttr().Set(Vt.QuatfArray([turned, still, still]), start + frame)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    body = UsdGeom.Mesh.Define(stage, f"/{name}/body")
    body.CreatePointsAttr([(0, 1, 0), (0, 0.5, 0), (0, 0, 0)])
    body.CreateFaceVertexCountsAttr([3])
    body.CreateFaceVertexIndicesAttr([0, 1, 2])
    binding = UsdSkel.BindingAPI.Apply(body.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateJointIndicesPrimvar(False, 1).Set([0, 1, 2])
    binding.CreateJointWeightsPrimvar(False, 1).Set([1.0] * 3)


def write(path, people, start=0):
    stage = Usd.Stage.CreateNew(path)
    UsdGeom.SetStageUpAxis(stage, "Y")
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    stage.SetTimeCodesPerSecond(FPS)
    stage.SetFramesPerSecond(FPS)
    stage.SetStartTimeCode(start)
    stage.SetEndTimeCode(start + FRAMES - 1)
    for person in people:
        add_person(stage, *person)
    stage.Save()


def by_usd(path, frame):
    """Places of all joints, in the order of the people."""
    stage = Usd.Stage.Open(path)
    cache, places = UsdSkel.Cache(), []
    time = stage.GetStartTimeCode() + frame
    for prim in stage.Traverse():
        if prim.IsA(UsdSkel.Root):
            cache.Populate(UsdSkel.Root(prim), Usd.PrimDefaultPredicate)
        if prim.IsA(UsdSkel.Skeleton):
            query = cache.GetSkelQuery(UsdSkel.Skeleton(prim))
            places += [list(joint.ExtractTranslation()) for joint in query.ComputeJointWorldTransforms(UsdGeom.XformCache(time))]
    return np.array(places)


def by_three(path, frame):
    command = ["node", "load.mjs", path, str(frame / FPS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ankle(x, length, turn_deg):
    turn = np.deg2rad(turn_deg)
    return [x, length - length * np.cos(turn), -length * np.sin(turn)]


write("two.usda", [("anna", 0, 10, REST), ("bert", 1, -20, REST)])
write("long.usda", [("anna", 0, 10, LONG)])
write("film.usda", [("anna", 0, 10, REST)], start=1001)
EXPECTED = {  # the ankles one frame after the start: what the stage says, where three.js has them
    "two": ([ankle(0, 1, 10), ankle(1, 1, -20)], [ankle(0, 1, -5), ankle(1, 1, 0)]),
    "long": ([ankle(0, 1.2, 10)], [ankle(0, 1, 10)]),
    "film": ([ankle(0, 1, 10)], [ankle(0, 1, 0)]),
}
as_told = True
for name, (right, wrong) in EXPECTED.items():
    usd, loaded = by_usd(f"{name}.usda", 1)[2::3], by_three(f"{name}.usda", 1)
    three = np.array(loaded["joints"])[2::3]
    if name == "two":
        print(f"usd-core {version('usd-core')}, three.js {loaded['revision']}; ankles a frame after the start, in metres")
    print(f"{name}: USD {usd.round(3).tolist()}, three.js {three.round(3).tolist()}")
    print(f"  first tracks {loaded['tracks']}, in seconds; warnings {loaded['warnings']}")
    as_told &= np.allclose(usd, right, atol=1e-5) and np.allclose(three, wrong, atol=1e-5) and not loaded["warnings"]
    begins = 1001 / FPS if name == "film" else 0
    as_told &= all(track["name"] == "hip.quaternion" and np.isclose(track["begins"], begins) for track in loaded["tracks"])
sys.exit(not as_told)
PROGRAM
cd "$place"
"$python" people.py
