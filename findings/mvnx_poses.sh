#!/usr/bin/env bash
# mvnx-parser 0.0.5, Xsens MVN's exports: of the poses that stand before the motion (frames of type identity, tpose and
# tpose-isb) it looks for identity three times: `tpose` and `tpose_isb` are the identity pose. Who aligns sensors or segments by
# the T-pose aligns them by another, here 90 degrees and 7 m off. Of a file with tpose and npose, as MVN Studio wrote, all three
# are empty. Quaternions, which its page calls x, y, z, w, are in the file's order, w first. No word of the poses.
# Find the frames by their type with xml.etree. Prints what it makes of two files; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet mvnx-parser==0.0.5 numpy==2.4.6 scipy==1.17.1
cat > "$place/poses.py" <<'PROGRAM'
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import metadata, version
from pathlib import Path

import numpy as np
from mvnx_parser import Mvnx_p
from scipy.spatial.transform import Rotation

POSES = {  # degrees about the vertical, and the pelvis's place in metres
    "identity": (0, (0, 0, 1)),
    "tpose": (90, (7, 0, 1)),
    "tpose-isb": (180, (7, 0, 1)),
    "npose": (90, (7, 0, 1)),
    "normal": (45, (3, 0, 1)),
}
FILE = """<?xml version="1.0" encoding="UTF-8"?>
<mvnx version="4" xmlns="http://www.xsens.com/mvn/mvnx">
<mvn version="2021.0.0"/>
<subject label="person" frameRate="60" segmentCount="1">
<segments><segment label="Pelvis" id="1"/></segments><sensors/><joints/>
<frames segmentCount="1" sensorCount="0" jointCount="0">
{frames}
</frames>
</subject>
</mvnx>
"""
SPACE = "{http://www.xsens.com/mvn/mvnx}"


def write_mvnx(path, kinds):
    lines = []
    for kind in kinds:
        degrees, place = POSES[kind]
        turned = Rotation.from_euler("z", degrees, degrees=True).as_quat(scalar_first=True)
        orientation, position = " ".join(f"{number:.6f}" for number in turned), " ".join(f"{number:.6f}" for number in place)
        content = f"<orientation>{orientation}</orientation><position>{position}</position>"
        lines.append(f'<frame time="0" index="" type="{kind}">{content}</frame>')
    Path(path).write_text(FILE.format(frames="\n".join(lines)))


def pose(frame):
    """Degrees about the vertical, of w x y z, and place of the first segment; None where there is none."""
    if not frame:
        return None
    w, _, _, z = (float(number) for number in frame["orientation"][0])
    return round(float(np.degrees(2 * np.arctan2(z, w)))), tuple(round(float(number)) for number in frame["position"][0])


def by_type(path, kind):
    frame = ElementTree.parse(path).find(f".//{SPACE}frame[@type='{kind}']")
    texts = {} if frame is None else {child.tag.removeprefix(SPACE): [child.text.split()] for child in frame}
    return pose(texts)


print("mvnx-parser", version("mvnx-parser"))
as_told = "x, y, z, w" in metadata("mvnx-parser").get_payload()
for kinds in (("identity", "tpose", "tpose-isb", "normal", "normal"), ("tpose", "npose", "normal", "normal")):
    write_mvnx("walk.mvnx", kinds)
    data = Mvnx_p("walk.mvnx")
    found = {"identity": pose(data.identity), "tpose": pose(data.tpose), "tpose-isb": pose(data.tpose_isb)}
    print(f"frames {', '.join(kinds)}: degrees and place by mvnx-parser, and by type")
    for kind, one in found.items():
        print(f"  {kind:9} {one!s:16} {by_type('walk.mvnx', kind)}")
    as_told &= all(one == (POSES["identity"] if "identity" in kinds else None) for one in found.values())
    as_told &= by_type("walk.mvnx", "tpose") == POSES["tpose"] and pose(data.frames[0]) == POSES["normal"]
sys.exit(not as_told)
PROGRAM
cd "$place"
"$python" poses.py
