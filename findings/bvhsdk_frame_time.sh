#!/usr/bin/env bash
# bvhsdk 0.2.1 writes a BVH's frame time with five decimals, whatever `precision` is: 120 frames a second (0.00833333) come
# back as 0.00833, so ten minutes of motion end 0.24 s, 29 frames, early against sound or video, and at 240 a second
# (0.00417) 0.48 s late. Put the frame time of the original back into the text after writing. bvhio 1.5.4 keeps it.
# Prints what comes back for usual rates; exits with 1 if bvhsdk keeps them all.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet bvhsdk==0.2.1 bvhio==1.5.4
cat > "$place/rates.py" <<'PROGRAM'
import contextlib
import io
import sys
from importlib.metadata import version
from pathlib import Path

import bvhio
import bvhsdk

BONE = """HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  End Site
  {
    OFFSET 0 10 0
  }
}
MOTION
Frames: 2
Frame Time: %.12f
0 0 0 0 0 0
1 0 0 0 0 0
"""
MINUTES = 10


def by_bvhsdk():
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it saved
        bvhsdk.WriteBVH(bvhsdk.ReadFile("bone.bvh"), ".", "copy", refTPose=False, precision=12)


def by_bvhio():
    bvhio.writeBvh("copy.bvh", bvhio.readAsBvh("bone.bvh"))


print(*(f"{name} {version(name)}" for name in ("bvhsdk", "bvhio")))
worst = {}
for write in (by_bvhsdk, by_bvhio):
    print(write.__name__)
    for rate in (25, 30, 50, 60, 90, 100, 120, 240):
        Path("bone.bvh").write_text(BONE % (1 / rate))
        write()
        (text,) = [line.split(":")[1].strip() for line in Path("copy.bvh").read_text().splitlines() if "Frame Time" in line]
        off = MINUTES * 60 * (float(text) * rate - 1)
        worst[write] = max(worst.get(write, 0), abs(off))
        print(f"  {rate:3} a second: frame time {text}, {MINUTES} minutes end {abs(off):.3f} s {'late' if off > 0 else 'early'}")
assert worst[by_bvhio] < 0.01
sys.exit(worst[by_bvhsdk] < 0.01)
PROGRAM
cd "$place"
"$python" rates.py
