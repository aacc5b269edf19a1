#!/usr/bin/env bash
# BVH's CHANNELS gives the number of a joint's channels before their names: a knee may have one rotation, an ankle two. bvhtools
# 1.6.0 does not turn such a joint at all when it computes places (getFKAtFrame, and speeds and contacts from it), without a
# word: a leg whose knee bends by 90 degrees stays straight, and the ankle is 57 cm off. bvhio 1.5.4 and three.js 0.187.0
# (BVHLoader) bend it. bvh-converter 1.0.2 (UnboundLocalError) and bvhtoolbox 0.1.3 (KeyError) stop at it; UPC's pymotion
# 0.3.4, bvhsdk 0.2.1 and pybvh 0.9.0 refuse it. Write three rotations, with zeros, for every joint before handing a file on.
# Prints where each puts the ankle; exits with 1 if any of it changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet bvhtools==1.6.0 bvhio==1.5.4 bvh-converter==1.0.2 bvhtoolbox==0.1.3 bvhsdk==0.2.1 pybvh==0.9.0 \
    'setuptools==65.5.0' numpy==2.4.6
"$python" -m pip install --quiet --no-deps upc-pymotion==0.3.4
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0)
cat > "$place/leg.bvh" <<'FILE'
HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 0 -40 0
    CHANNELS 1 Xrotation
    JOINT ankle
    {
      OFFSET 0 -40 0
      CHANNELS 2 Zrotation Xrotation
      End Site
      {
        OFFSET 0 0 15
      }
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.04
0 90 0 0 0 0 0 0 0
0 90 0 0 0 0 90 0 -90
0 90 0 0 0 0 90 0 -90
FILE
cat > "$place/bend.py" <<'PROGRAM'
import contextlib
import io
import json
import math
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

FRAME, ANKLE = 1, [0.0, 50.0, -40.0]  # 40 cm below the hips, then 40 cm back
SCRIPT = """import * as three from "three";
import { BVHLoader } from "three/addons/loaders/BVHLoader.js";
import { readFileSync } from "node:fs";
const { skeleton, clip } = new BVHLoader().parse(readFileSync("leg.bvh", "utf8"));
const mixer = new three.AnimationMixer(skeleton.bones[0]);
mixer.clipAction(clip).play();
mixer.setTime(0.04);
skeleton.bones[0].updateMatrixWorld(true);
console.log(JSON.stringify(skeleton.bones[2].getWorldPosition(new three.Vector3()).toArray()));"""


def by_three():
    Path("bend.mjs").write_text(SCRIPT)
    return json.loads(subprocess.run(["node", "bend.mjs"], capture_output=True, text=True, check=True).stdout)


def by_bvhio():
    import bvhio

    root = bvhio.readAsHierarchy("leg.bvh")
    root.loadPose(FRAME)
    return list(root.filter("ankle")[0].PositionWorld)


def by_bvhtools():
    from bvhTools.bvhIO import readBvh

    return readBvh("leg.bvh").getFKAtFrame(FRAME)["ankle"][1]


def by_bvh_converter():
    from bvh_converter.bvhplayer_skeleton import process_bvhfile, process_bvhkeyframe

    read = process_bvhfile("leg.bvh")
    process_bvhkeyframe(read.keyframes[FRAME], read.root, FRAME * read.dt)
    return read.get_frame(FRAME)["ankle"][1]


def by_bvhtoolbox():
    from bvhtoolbox import BvhTree
    from bvhtoolbox.convert.bvh2csv import write_joint_positions

    write_joint_positions(BvhTree(Path("leg.bvh").read_text()), "leg.csv")
    return np.genfromtxt("leg.csv", delimiter=",", names=True)[FRAME]


def by_pymotion():
    from pymotion.io.bvh import BVH

    BVH().load("leg.bvh")


def by_bvhsdk():
    import bvhsdk

    return bvhsdk.ReadFile("leg.bvh").root.getPosition(FRAME)


def by_pybvh():
    import pybvh

    pybvh.read_bvh_file("leg.bvh")


packages = ("bvhtools", "bvhio", "bvh-converter", "bvhtoolbox", "bvhsdk", "pybvh", "upc-pymotion")
print(*(f"{name} {version(name)}" for name in packages), "three 0.187.0")
print("ankle by the file:", ANKLE)
off = {}
for reader in (by_three, by_bvhio, by_bvhtools, by_bvh_converter, by_bvhtoolbox, by_pymotion, by_bvhsdk, by_pybvh):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            place = reader()
    except Exception as error:
        off[reader] = math.inf
        print(f"{reader.__name__}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        continue
    off[reader] = math.dist(place, ANKLE)
    print(f"{reader.__name__}: {np.round(np.asarray(place, float), 2).tolist()}, {off[reader]:.1f} cm off")
refused = [reader for reader in off if off[reader] == math.inf]
assert off[by_three] < 1e-3 and off[by_bvhio] < 1e-3
sys.exit(not (abs(off[by_bvhtools] - 40 * math.sqrt(2)) < 1e-3 and len(refused) == 5))
PROGRAM
cd "$place"
"$python" bend.py
