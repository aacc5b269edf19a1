#!/usr/bin/env bash
# raylib 6.2.0.0 (Python), glTF's animations, which it samples 60 times a second (LoadModelAnimations): of a CUBICSPLINE's
# tangents it leaves out w, so that a knee that bends evenly from 0 to 160 degrees is more than 21 degrees off between two keys.
# With STEP the last key's pose never comes. Rotations stored as 16-bit normalised integers, which glTF allows, turn nothing:
# there is no error, but a line a frame at the level of information. LINEAR is right, and so are all four in three.js 0.187.0
# (GLTFLoader); Khronos's gltf-validator 2.0.0-dev.3.10 finds no error in any file. Write LINEAR, in 32-bit floats, with a key for
# every frame. Prints how far off the knee is by both, and its last pose; exits with 1 if any of it changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet raylib==6.2.0.0 numpy==2.4.6
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0 gltf-validator@2.0.0-dev.3.10)
cat > "$place/play.mjs" <<'PROGRAM'
import { readFileSync } from "fs";
import * as three from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import validator from "gltf-validator";

globalThis.self = globalThis;
const [path, frames, fps] = process.argv.slice(2);
const bytes = new Uint8Array(readFileSync(path));
const { issues } = await validator.validateBytes(bytes);
const { scene, animations } = await new GLTFLoader().parseAsync(bytes.buffer, "");
const mixer = new three.AnimationMixer(scene);
const action = mixer.clipAction(animations[0]);
action.setLoop(three.LoopOnce);
action.clampWhenFinished = true;
action.play();
const degrees = Array.from({ length: Number(frames) }, (_, frame) => {
  mixer.setTime(frame / Number(fps));
  const { x, w } = scene.getObjectByName("knee").quaternion;
  return three.MathUtils.radToDeg(2 * Math.atan2(x, w));
});
console.log(JSON.stringify({ degrees, errors: issues.numErrors, revision: three.REVISION }));
PROGRAM
cat > "$place/bend.py" <<'PROGRAM'
import json
import struct
import subprocess
import sys
from importlib.metadata import version

import numpy as np

FPS, SECONDS, DEGREES = 60, [0.0, 1.0, 2.0], [0.0, 80.0, 160.0]
FLOAT, SHORT, BYTE = 5126, 5122, 5121
TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def quaternion(degrees, rate_deg=None):
    """Turn about x, as x, y, z, w, or its change a second at rate_deg degrees a second."""
    half = np.deg2rad(degrees) / 2
    if rate_deg is None:
        return [np.sin(half), 0, 0, np.cos(half)]
    return (np.deg2rad(rate_deg) / 2 * np.array([np.cos(half), 0, 0, -np.sin(half)])).tolist()


def write_glb(path, interpolation, seconds, rotations, short=False):
    """A leg of one triangle, hip and knee, whose knee turns."""
    blob, views, accessors = bytearray(), [], []

    def add(rows, kind, dtype, limits=False, normalized=False):
        rows = np.asarray(rows, dtype)
        blob.extend(bytes(-len(blob) % 4))
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": rows.nbytes})
        blob.extend(rows.tobytes())
        accessor = {"bufferView": len(views) - 1, "componentType": kind, "count": len(rows), "type": TYPES[rows[0].size]}
        if limits:
            accessor |= {name: np.atleast_1d(edge).tolist() for name, edge in (("min", rows.min(0)), ("max", rows.max(0)))}
        accessors.append(accessor | ({"normalized": True} if normalized else {}))
        return len(accessors) - 1

    bound = np.stack([np.eye(4)] * 2)
    bound[:, 3, 1] = -1, -0.5
    mesh = {
        "POSITION": add([[0, 1, 0], [0, 0.5, 0], [0.1, 0, 0]], FLOAT, "<f4", limits=True),
        "JOINTS_0": add([[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], BYTE, "u1"),
        "WEIGHTS_0": add([[1, 0, 0, 0]] * 3, FLOAT, "<f4"),
    }
    inverse = add(bound.reshape(2, 16), FLOAT, "<f4")
    times = add(seconds, FLOAT, "<f4", limits=True)
    if short:
        turns = add(np.round(32767 * np.array(rotations)), SHORT, "<i2", normalized=True)
    else:
        turns = add(rotations, FLOAT, "<f4")
    gltf = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, 2]}],
        "nodes": [{"name": "hip", "translation": [0, 1, 0], "children": [1]}, {"name": "knee", "translation": [0, -0.5, 0]},
                  {"name": "body", "mesh": 0, "skin": 0}],
        "meshes": [{"primitives": [{"attributes": mesh}]}],
        "skins": [{"joints": [0, 1], "inverseBindMatrices": inverse}],
        "animations": [{"channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
                        "samplers": [{"input": times, "output": turns, "interpolation": interpolation}]}],
        "accessors": accessors, "bufferViews": views,
    }
    blob.extend(bytes(-len(blob) % 4))
    gltf["buffers"] = [{"byteLength": len(blob)}]
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    with open(path, "wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def by_raylib(path):
    """The knee in degrees at each frame, and how many lines were printed on the way that say that something failed."""
    ran = subprocess.run([sys.executable, "load.py", path, "turns.json"], check=True, capture_output=True, text=True)
    with open("turns.json") as file:
        degrees = json.load(file)
    failed = [line for line in ran.stdout.splitlines() if "Failed" in line]
    assert all(line.startswith("INFO") for line in failed)
    return np.array(degrees), len(failed)


def by_three(path, frames):
    command = ["node", "play.mjs", path, str(frames), str(FPS)]
    loaded = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return np.array(loaded["degrees"]), loaded["errors"], loaded["revision"]


def without_w(rows, frames):
    """The spline of two keys, in degrees at each frame, if the tangents had no w."""
    (_, first, out), (enter, last, _) = (np.array(rows[start : start + 3]) for start in (0, 3))
    share, whole = np.linspace(0, 1, frames)[:, None], SECONDS[-1] - SECONDS[0]
    cubed, squared = share**3, share**2
    turned = (2 * cubed - 3 * squared + 1) * first + (3 * squared - 2 * cubed) * last
    turned += whole * ((cubed - 2 * squared + share) * out + (cubed - squared) * enter) * [1, 1, 1, 0]
    return np.degrees(2 * np.arctan2(turned[:, 0], turned[:, 3]))


turns, even = [quaternion(degrees) for degrees in DEGREES], DEGREES[-1] / SECONDS[-1]
spline = [row for degrees in (DEGREES[0], DEGREES[-1])
          for row in (quaternion(degrees, even), quaternion(degrees), quaternion(degrees, even))]
write_glb("linear.glb", "LINEAR", SECONDS, turns)
write_glb("short.glb", "LINEAR", SECONDS, turns, short=True)
write_glb("step.glb", "STEP", SECONDS, turns)
write_glb("spline.glb", "CUBICSPLINE", [SECONDS[0], SECONDS[-1]], spline)
frames = round(FPS * SECONDS[-1]) + 1
right = {name: even * np.arange(frames) / FPS for name in ("linear", "short", "spline")}
right["step"] = np.repeat(DEGREES, [FPS, FPS, 1])
as_told = True
for name, degrees in right.items():
    raylib_deg, failed = by_raylib(f"{name}.glb")
    three_deg, errors, revision = by_three(f"{name}.glb", frames)
    if name == "linear":
        print(f"raylib {version('raylib')}, three.js {revision}, numpy {version('numpy')}: frames, most degrees off, last pose")
    off = {who: np.abs(found - degrees).max() for who, found in (("raylib", raylib_deg), ("three.js", three_deg))}
    print(f"{name}: raylib {len(raylib_deg)}, {off['raylib']:.2f}, {raylib_deg[-1]:.2f} ({failed} lines of failures); "
          f"three.js {len(three_deg)}, {off['three.js']:.2f}, {three_deg[-1]:.2f}; validator: {errors} errors")
    as_told &= len(raylib_deg) == frames and off["three.js"] < 0.3 and errors == 0
    as_told &= failed == (frames if name == "short" else 0)
    as_told &= {
        "linear": off["raylib"] < 0.1,
        "short": not raylib_deg.any(),
        "spline": off["raylib"] > 21 and np.abs(raylib_deg - without_w(spline, frames)).max() < 0.01,
        "step": abs(raylib_deg[-1] - DEGREES[1]) < 0.01 and np.abs(raylib_deg - degrees)[:-1].max() < 0.01,
    }[name]
sys.exit(not as_told)
PROGRAM
cat > "$place/load.py" <<'PROGRAM'
import json
import math
import sys

import raylib

path, target = sys.argv[1:]
count = raylib.ffi.new("int *")
animation = raylib.rl.LoadModelAnimations(path.encode(), count)[0]
turns = [animation.keyframePoses[frame][1].rotation for frame in range(animation.keyframeCount)]
with open(target, "w") as file:
    json.dump([math.degrees(2 * math.atan2(turn.x, turn.w)) for turn in turns], file)
PROGRAM
cd "$place"
"$python" bend.py
