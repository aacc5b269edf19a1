#!/usr/bin/env bash
# VMD, MikuMikuDance's motions, which hold a bone's rotation as a quaternion and say when a leg's IK is on. pypmxvmd 2.7.2 gives
# Euler angles instead, and where the middle one is 90 or -90 degrees it drops the twist: an arm turned by 90 about y and by 70
# about x has lost the 70 when it is saved again; at 89 about y it has not. A motion with a shadow frame it reads but does not
# save (RuntimeError). mmd-parser 1.0.4 (npm) leaves the frames of the IK out, so that legs that are turned joint by joint, with
# their IK off, cannot be told from others. pymeshio 3.0.1 prints "invalid signature" of the same file and gives None. No word of
# the twist or the IK. Read the quaternions and the IK's frames yourself. Prints what each makes of one motion; exits with 1 if
# any of it changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet pypmxvmd==2.7.2 pymeshio==3.0.1 numpy==2.4.6 scipy==1.17.1
(cd "$place" && npm install --silent --no-fund --no-audit mmd-parser@1.0.4)
cat > "$place/parse.cjs" <<'PROGRAM'
const { Parser } = require("mmd-parser");
const bytes = new Uint8Array(require("fs").readFileSync(process.argv[2]));
const motion = new Parser().parseVmd(bytes.buffer, true);
console.log(JSON.stringify({ keys: Object.keys(motion), frames: motion.motions.length, text: JSON.stringify(motion) }));
PROGRAM
cat > "$place/arm.py" <<'PROGRAM'
import contextlib
import io
import json
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pymeshio.vmd.reader
import pypmxvmd
from scipy.spatial.transform import Rotation

HEADER, BONE, PLACE_OF_TURN = 54, 111, 31  # bytes: before the first bone's frame, of each, before its quaternion
TWIST_DEG = 70
SIDEWAYS_DEG = [60, 89, 90, -90]
IK = "左足ＩＫ"


def text(word, size):
    return word.encode("shift_jis").ljust(size, b"\0")


def curve():
    """The 64 bytes of MikuMikuDance's even interpolation: a row of 16, and three times the same moved on by one."""
    row = bytes([20] * 8 + [107] * 8)
    return row + b"".join(row[step:] + bytes(step) for step in (1, 2, 3))


def write(path, turns, shadow=False):
    """An arm's turns, a key a frame, and a leg whose IK is switched off at frame 0."""
    arm, none = text("左腕", 15), struct.pack("<I", 0)
    bones = b"".join(arm + struct.pack("<I7f", frame, 0, 0, 0, *turn.as_quat()) + curve() for frame, turn in enumerate(turns))
    shadows = struct.pack("<IIBf", 1, 0, 1, 0.08875) if shadow else none
    ik = struct.pack("<II?I", 1, 0, True, 1) + text(IK, 20) + struct.pack("<?", False)
    parts = text("Vocaloid Motion Data 0002", 30), text("model", 20), struct.pack("<I", len(turns)), bones
    Path(path).write_bytes(b"".join(parts) + none + none + none + shadows + ik)  # morphs, cameras, lights


def turns_of(path, count):
    data = Path(path).read_bytes()
    return [Rotation.from_quat(struct.unpack_from("<4f", data, HEADER + BONE * frame + PLACE_OF_TURN)) for frame in range(count)]


turns = [Rotation.from_euler("YX", [sideways, TWIST_DEG], degrees=True) for sideways in SIDEWAYS_DEG]
write("arm.vmd", turns)
write("shadow.vmd", turns, shadow=True)
with contextlib.redirect_stdout(io.StringIO()) as printed:
    motion = pypmxvmd.load_vmd("arm.vmd")
    pypmxvmd.save_vmd(motion, "saved.vmd")
    by_meshio = pymeshio.vmd.reader.read_from_file("arm.vmd")
    try:
        pypmxvmd.save_vmd(pypmxvmd.load_vmd("shadow.vmd"), "shadow_saved.vmd")
        refused = None
    except RuntimeError as error:
        refused = type(error).__name__
off_deg = [np.degrees((now * then.inv()).magnitude()) for now, then in zip(turns_of("saved.vmd", len(turns)), turns, strict=True)]
switched = [bone.to_list() for frame in motion.ik_frames for bone in frame.ik_bones]
parsed = json.loads(subprocess.run(["node", "parse.cjs", "arm.vmd"], check=True, capture_output=True, text=True).stdout)

print(*(f"{name} {version(name)}" for name in ("pypmxvmd", "pymeshio", "numpy", "scipy")), "mmd-parser 1.0.4")
for sideways, frame, off in zip(SIDEWAYS_DEG, motion.bone_frames, off_deg, strict=True):
    read = np.round(frame.rotation, 2).tolist()
    print(f"pypmxvmd, {sideways} about y, {TWIST_DEG} about x: read {read}, saved {off:.2f} degrees off")
print(f"pypmxvmd: IK {switched}; a motion with a shadow frame: {refused or 'saved'}")
print(f"mmd-parser: {parsed['frames']} of a bone's frames, gives {parsed['keys']}; names the IK: {IK in parsed['text']}")
print(f"pymeshio: {by_meshio}, printed", next(line for line in printed.getvalue().splitlines() if "signature" in line))
sys.exit(not (
    max(off_deg[:2]) < 0.01
    and np.allclose(off_deg[2:], TWIST_DEG, atol=0.01)
    and switched == [[IK, False]]
    and refused
    and parsed["frames"] == len(turns)
    and parsed["keys"] == ["metadata", "motions", "morphs", "cameras"]
    and IK not in parsed["text"]
    and by_meshio is None
))
PROGRAM
cd "$place"
"$python" arm.py
