#!/usr/bin/env bash
# BVH whose joints below the root have position channels too: bvhio 1.5.4 puts them in OFFSET's place, three.js 0.187.0
# (BVHLoader) adds them to OFFSET, UPC's pymotion 0.3.4 leaves them out when it computes places, and pybvh 0.9.0 refuses the
# file. Where the channels repeat OFFSET, each bone is twice as long in three.js as in bvhio, without a word. Give position
# channels to the root alone, and take them off the other joints before handing a file on.
# Prints where each puts the elbow of one file; exits with 1 if all agree. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet bvhio==1.5.4 pybvh==0.9.0 numpy==2.4.6
"$python" -m pip install --quiet --no-deps upc-pymotion==0.3.4
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0)
cat > "$place/arm.bvh" <<'FILE'
HIERARCHY
ROOT shoulder
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT elbow
  {
    OFFSET 30 0 0
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 25 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0 0 0 0 30 0 0 0 0 0
0 0 0 0 0 0 33 0 0 0 0 0
FILE
cat > "$place/read.py" <<'PROGRAM'
import json
import subprocess
import sys
from importlib.metadata import version

import bvhio
import numpy as np
import pybvh
from pymotion.io.bvh import BVH
from pymotion.ops.skeleton import fk

path = sys.argv[1]


def by_bvhio():
    root = bvhio.readAsHierarchy(path)
    return [round(root.loadPose(frame).filter("elbow")[0].PositionWorld.x, 3) for frame in (0, 1)]


def by_pymotion():
    file = BVH()
    file.load(path)
    rotations, places, parents, offsets, _, _ = file.get_data()
    return fk(rotations, places[:, 0], offsets, parents)[0][:, 1, 0].round(3).tolist()


def by_three():
    return json.loads(subprocess.run(["node", "read.mjs", path], check=True, capture_output=True).stdout)


def by_pybvh():
    return pybvh.read_bvh_file(path)


print(*(f"{name} {version(name)}" for name in ("bvhio", "upc-pymotion", "pybvh")), "three 0.187.0")
found = []
for read in (by_bvhio, by_three, by_pymotion, by_pybvh):
    try:
        found.append(str(np.array(read()).tolist()))
    except ValueError as error:
        found.append(f"ValueError: {str(error).split(': ')[-1]}")
    print(f"{read.__name__:12} x of the elbow in both frames: {found[-1]}")
sys.exit(len(set(found)) == 1)
PROGRAM
cat > "$place/read.mjs" <<'PROGRAM'
import fs from "node:fs";
import { AnimationMixer, Vector3 } from "three";
import { BVHLoader } from "three/examples/jsm/loaders/BVHLoader.js";

const { skeleton, clip } = new BVHLoader().parse(fs.readFileSync(process.argv[2], "utf8"));
const root = skeleton.bones[0];
const mixer = new AnimationMixer(root);
mixer.clipAction(clip).play();
const places = [0, 0.04].map((time) => {
  mixer.setTime(time * (1 - 1e-6));
  root.updateMatrixWorld(true);
  return Number(skeleton.bones[1].getWorldPosition(new Vector3()).x.toFixed(3));
});
console.log(JSON.stringify(places));
PROGRAM
cd "$place"
"$python" read.py arm.bvh
