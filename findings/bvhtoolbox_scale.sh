#!/usr/bin/env bash
# bvhtoolbox 0.1.3: `bvh2csv --scale`, meant for centimetres to metres, scales a joint's place in the world once for each joint
# above it: with 0.01 the hips are right, but the head's share of the hips' place is multiplied by 0.01 three times. A figure
# of 1.13 m that walks 1 m comes out 0.05 m high, with a head that moves by 0.1 mm. No error, no warning. It also stops with
# ValueError for some lengths, 126 frames at 0.033333 for one: its time column gets a row too many.
# Convert without a scale and multiply the columns yourself. Prints the places; exits with 1 if scaling is plain, or 126 frames are read.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet bvhtoolbox==0.1.3 'setuptools==65.5.0' numpy==2.4.6
cat > "$place/scale.py" <<'PROGRAM'
import sys
from importlib.metadata import version

import numpy as np
from bvhtoolbox import BvhTree
from bvhtoolbox.convert.bvh2csv import write_joint_positions

BODY = """HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT spine
  {
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT head
    {
      OFFSET 0 8 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 5 0
      }
    }
  }
}
MOTION
Frames: %d
Frame Time: 0.033333
"""


def places(count, scale):
    """Where each joint is in each frame, [count, 4, 3]: the hips go along x by 1 m (100 cm) in all."""
    rows = "".join(f"{100 * index / (count - 1):.6f} 90 0 0 0 0 0 0 0 0 0 0\n" for index in range(count))
    if not write_joint_positions(BvhTree(BODY % count + rows), "body.csv", scale=scale, end_sites=True):
        raise SystemExit("not written")
    return np.loadtxt("body.csv", delimiter=",", skiprows=1)[:, 1:].reshape(count, -1, 3)


print(*(f"{name} {version(name)}" for name in ("bvhtoolbox", "numpy")))
plain, scaled = places(2, 1.0), places(2, 0.01)
names = ("hips", "spine", "head", "end")
for index, name in enumerate(names):
    print(f"{name:6} height {plain[0, index, 1]:.0f} cm, way {plain[1, index, 0]:.0f} cm; with --scale 0.01: "
          f"height {scaled[0, index, 1]:.5f}, way {scaled[1, index, 0]:.5f} m")
lengths = {}
for count in (125, 126):
    try:
        lengths[count] = len(places(count, 1.0))
    except ValueError as error:
        lengths[count] = f"ValueError: {error}"
    print(f"{count} frames: {lengths[count]}")
sys.exit(int(np.allclose(scaled, plain * 0.01, atol=1e-4) or lengths[126] == 126))
PROGRAM
cd "$place"
"$python" scale.py
