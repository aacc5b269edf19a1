#!/usr/bin/env bash
# usd2gltf 0.3.5, USD's skeletons to glTF: the times of a skeleton's animation are written as 64-bit numbers under an accessor
# of 32-bit ones, so that 0, 1, 2, 3, 4 s come out as 0, 0, 0, 1.875 and 0 s, of which Khronos's gltf-validator 2.0.0-dev.3.10
# says that they do not increase. Where the joints turn but do not move, nothing is animated at all. Seconds are counted by
# framesPerSecond instead of timeCodesPerSecond, which USD scales times by: where the second alone says 60, the motion takes two
# and a half times as long. Centimetres and z upwards stay as they are, where glTF has metres and y. It logs no warning.
# Read the stage with usd-core and write the glTF yourself. Prints what comes out of four stages; exits with 1 if any of it
# changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet usd2gltf==0.3.5 usd-core==26.11 gltflib==1.0.13 numpy==2.4.6
(cd "$place" && npm install --silent --no-fund --no-audit gltf-validator@2.0.0-dev.3.10)
cat > "$place/validate.cjs" <<'PROGRAM'
const { readFileSync } = require("fs");
const read = (path) => new Uint8Array(readFileSync(path));
require("gltf-validator")
  .validateBytes(read(process.argv[2]), { externalResourceFunction: async (uri) => read(uri) })
  .then(({ issues }) => console.log([...new Set(issues.messages.map(({ code }) => code))].join("\n")));
PROGRAM
cat > "$place/convert.py" <<'PROGRAM'
import json
import logging
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt
from usd2gltf.converter import Converter

SAMPLES, JOINTS, FLOAT = 5, ["hip", "hip/knee"], 5126
UNSORTED = "ACCESSOR_ANIMATION_INPUT_NON_INCREASING"
said = []


class Listener(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


logging.getLogger().addHandler(Listener(logging.WARNING))


def leg(path, time_codes, frames=None, moving=True, unit=1.0, up="Y"):
    """A leg whose hip, 1 m up, goes on by 0.1 m a sample, if it is to move, while its knee bends by 10 degrees a sample."""
    stage = Usd.Stage.CreateNew(path)
    UsdGeom.SetStageUpAxis(stage, up)
    UsdGeom.SetStageMetersPerUnit(stage, unit)
    stage.SetTimeCodesPerSecond(time_codes)
    if frames:
        stage.SetFramesPerSecond(frames)
    stage.SetDefaultPrim(UsdSkel.Root.Define(stage, "/person").GetPrim())
    skeleton, animation = UsdSkel.Skeleton.Define(stage, "/person/bones"), UsdSkel.Animation.Define(stage, "/person/bones/walk")
    hip, knee = (Gf.Vec3f(*np.eye(3)["XYZ".index(up)] * metres / unit) for metres in (1.0, -0.5))
    rest = [Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(joint)) for joint in (hip, knee)]
    skeleton.CreateJointsAttr(JOINTS)
    skeleton.CreateJointNamesAttr(["hip", "knee"])
    skeleton.CreateRestTransformsAttr(rest)
    skeleton.CreateBindTransformsAttr([rest[0], rest[1] * rest[0]])
    animation.CreateJointsAttr(JOINTS)
    animation.CreateScalesAttr([Gf.Vec3h(1)] * 2)
    places, turns = animation.CreateTranslationsAttr([hip, knee]), animation.CreateRotationsAttr()
    for sample in range(SAMPLES):
        bent = Gf.Quatf(Gf.Rotation(Gf.Vec3d(1, 0, 0), 10 * sample).GetQuat())
        turns.Set(Vt.QuatfArray([Gf.Quatf.GetIdentity(), bent]), sample)
        if moving:
            places.Set(Vt.Vec3fArray([hip + Gf.Vec3f(0.1 * sample / unit, 0, 0), knee]), sample)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    stage.Save()


def convert(name, **options):
    """What is animated, the times as stored, the last as stated, the hip's place in the world, the validator's codes."""
    leg(f"{name}.usda", **options)
    Converter().process(Usd.Stage.Open(f"{name}.usda"), f"{name}.gltf")
    gltf = json.loads(Path(f"{name}.gltf").read_text())
    codes = subprocess.run(["node", "validate.cjs", f"{name}.gltf"], check=True, capture_output=True, text=True).stdout.split()
    paths = sorted({channel["target"]["path"] for each in gltf.get("animations", []) for channel in each["channels"]})
    nodes = gltf["nodes"]
    parents = {child: parent for parent, node in enumerate(nodes) for child in node.get("children", [])}
    joint = next(index for index, node in enumerate(nodes) if node.get("name", "").endswith("joint_hip"))
    hip, above = nodes[joint]["translation"], parents.get(joint)
    while above is not None:  # nothing above the hip turns, moves or scales it
        assert not {"translation", "rotation", "scale", "matrix"} & set(nodes[above])
        above = parents.get(above)
    if not paths:
        return paths, None, None, hip, codes
    accessor = gltf["accessors"][gltf["animations"][0]["samplers"][0]["input"]]
    assert accessor["componentType"] == FLOAT and accessor["type"] == "SCALAR" and accessor["count"] == SAMPLES
    view = gltf["bufferViews"][accessor["bufferView"]]
    data = Path(gltf["buffers"][view["buffer"]]["uri"]).read_bytes()
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return paths, np.frombuffer(data, "<f4", SAMPLES, start).tolist(), accessor["max"][0], hip, codes


print(*(f"{name} {version(name)}" for name in ("usd2gltf", "usd-core", "gltflib", "numpy")))
STAGES = {
    "seconds": dict(time_codes=1, frames=1),
    "sixty": dict(time_codes=60),
    "turning": dict(time_codes=60, frames=60, moving=False),
    "centimetres": dict(time_codes=1, frames=1, unit=0.01, up="Z"),
}
found = {name: convert(name, **options) for name, options in STAGES.items()}
for name, (paths, stored, last, hip, codes) in found.items():
    print(f"{name}, {STAGES[name]}:")
    print(f"  animated {', '.join(paths) or 'nothing'}; times as stored {stored}, the last as stated {last}")
    print(f"  hip at {hip}; validator: {', '.join(codes)}")
print("logged:", said)
sys.exit(not (
    found["seconds"][0] == ["rotation", "scale", "translation"]
    and found["seconds"][1] == [0, 0, 0, 1.875, 0]
    and found["seconds"][2] == 4
    and UNSORTED in found["seconds"][4]
    and abs(found["sixty"][2] - 4 / 24) < 1e-6
    and found["turning"][0] == []
    and np.allclose(found["seconds"][3], [0, 1, 0])
    and np.allclose(found["centimetres"][3], [0, 0, 100])
    and not said
))
PROGRAM
cd "$place"
"$python" convert.py
