#!/usr/bin/env bash
# mcp-persor 1.0.6, BVH: a joint's "absolute" motion (get_joint_motion_df) is the sum of the channels from the root to the
# joint. Euler angles about different axes cannot be added: with the hips turned by 90 degrees about x and the spine by 90
# about z it is 120 degrees off what bvhio 1.5.4 gives; only where all turn about one axis it is right. Columns are found by
# a joint's name anywhere in a column's name: `Spine` brings the columns of `Spine1` with it, as NaN. Neither is told.
# Compose rotation matrices along the chain yourself. Prints both for one file; exits with 1 if they agree, or
# columns are found by their whole names.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet mcp-persor==1.0.6 bvhio==1.5.4 numpy==2.4.6 scipy==1.17.1
cat > "$place/chain.py" <<'PROGRAM'
import sys
from importlib.metadata import version
from pathlib import Path

import bvhio
import numpy as np
from mcp_persor import BVHparser
from scipy.spatial.transform import Rotation

HIPS, SPINE = {"z": 0, "x": 90, "y": 0}, {"z": 90, "x": 0, "y": 0}  # degrees, in the order of the channels
Path("body.bvh").write_text(f"""HIERARCHY
ROOT Hips
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {{
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT Spine1
    {{
      OFFSET 0 8 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {{
        OFFSET 0 5 0
      }}
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: 0.033333
0 90 0 {" ".join(map(str, [*HIPS.values(), *SPINE.values()]))} 0 0 0
""")


def by_persor(name):
    row = BVHparser("body.bvh").get_joint_motion_df(name, mode="absolute").iloc[0]
    print(f"  mcp-persor, {name}: {row.to_dict()}")
    return Rotation.from_euler("ZXY", [row[f"{axis}rotation"] for axis in "ZXY"], degrees=True)


def by_bvhio(name):
    turned = bvhio.readAsHierarchy("body.bvh").loadPose(0).filter(name, isEqual=True)[0].RotationWorld
    return Rotation.from_quat([turned.x, turned.y, turned.z, turned.w])


def by_hand(name):
    turns = [Rotation.from_euler("ZXY", list(joint.values()), degrees=True) for joint in (HIPS, SPINE)]
    return turns[0] if name == "Hips" else turns[0] * turns[1]


print(*(f"{name} {version(name)}" for name in ("mcp-persor", "bvhio", "scipy")))
right = 0
for name in ("Hips", "Spine"):
    off = [np.degrees((by_hand(name).inv() * read(name)).magnitude()) for read in (by_bvhio, by_persor)]
    print(f"{name}: bvhio is {off[0]:.1f}, mcp-persor {off[1]:.1f} degrees off the product of the joints' rotations")
    right += off[0] < 0.1 and off[1] < 0.1
columns = BVHparser("body.bvh").get_joint_motion_df("Spine", mode="absolute").columns
sys.exit(int(right == 2 or not any("Spine1" in column for column in columns)))
PROGRAM
cd "$place"
"$python" chain.py
