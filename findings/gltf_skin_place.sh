#!/usr/bin/env bash
# glTF's skinned meshes lie where their joints are; the place of the mesh's own node is to be ignored (Khronos's validator
# says so too). three.js 0.187.0 does it that way. trimesh 5.2.0 (Scene.bounds) and gltf-transform 4.5.1 (getBounds) do the
# reverse: they take the node's place and leave the joints out. Of a valid file whose one joint stands 5 m further on they
# tell another place, without a word. Pose the vertices yourself before you measure or frame a skinned GLB with them.
# Prints the bounds by each; exits with 1 if all agree. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet trimesh==5.2.0 numpy==2.4.6
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0 @gltf-transform/core@4.5.1 @gltf-transform/functions@4.5.1 \
    gltf-validator@2.0.0-dev.3.10)
cat > "$place/bounds.py" <<'PROGRAM'
import json
import struct
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import trimesh


def write_glb(path):
    """A triangle, its node at x = 10, on one joint that rested at the origin and now stands at z = 5."""
    blocks = [
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32),
        np.zeros((3, 4), np.uint8),
        np.array([[1, 0, 0, 0]] * 3, np.float32),
        np.eye(4, dtype=np.float32),
    ]
    views, data = [], b""
    for block, target in zip(blocks, (34962, 34962, 34962, None), strict=True):
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": block.nbytes} | ({"target": target} if target else {}))
        data += block.tobytes()
    kinds = [(5126, 3, "VEC3"), (5121, 3, "VEC4"), (5126, 3, "VEC4"), (5126, 1, "MAT4")]
    accessors = [{"bufferView": k, "componentType": c, "count": n, "type": t} for k, (c, n, t) in enumerate(kinds)]
    accessors[0] |= {"min": [0, 0, 0], "max": [1, 1, 0]}
    head = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"mesh": 0, "skin": 0, "translation": [10, 0, 0]}, {"translation": [0, 0, 5]}],
        "skins": [{"joints": [1], "inverseBindMatrices": 3}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}}]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    with open(path, "wb") as file:
        file.write(struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + len(data), len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(data), b"BIN\0") + data)


write_glb("joint.glb")
told = json.loads(subprocess.run(["node", "bounds.mjs", "joint.glb"], check=True, capture_output=True).stdout)
print(f"validator: {told['validator']}")
found = {f"trimesh {version('trimesh')}": trimesh.load("joint.glb").bounds.tolist()} | told["bounds"]
for name, (low, high) in found.items():
    print(f"{name:21} from {[float(number) for number in low]} to {[float(number) for number in high]}")
sys.exit(len({str(np.array(bounds, float).tolist()) for bounds in found.values()}) == 1)
PROGRAM
cat > "$place/bounds.mjs" <<'PROGRAM'
import fs from "node:fs";
import { NodeIO } from "@gltf-transform/core";
import { getBounds } from "@gltf-transform/functions";
import { Box3, REVISION, Vector3 } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import validator from "gltf-validator";

globalThis.self = globalThis; // the loader's, of browsers
const bytes = new Uint8Array(fs.readFileSync(process.argv[2]));
const { issues } = await validator.validateBytes(bytes);
const { scene } = await new GLTFLoader().parseAsync(bytes.buffer, "");
scene.updateMatrixWorld(true);
const box = new Box3();
scene.traverse((mesh) => {
  for (let k = 0; mesh.isSkinnedMesh && k < 3; k++)
    box.expandByPoint(mesh.getVertexPosition(k, new Vector3()).applyMatrix4(mesh.matrixWorld));
});
const { min, max } = getBounds((await new NodeIO().readBinary(bytes)).getRoot().listScenes()[0]);
console.log(
  JSON.stringify({
    validator: `${issues.numErrors} errors; ${issues.messages.map((message) => message.message).join(" ")}`,
    bounds: { "gltf-transform 4.5.1": [min, max], [`three.js ${REVISION}`]: [box.min.toArray(), box.max.toArray()] },
  }),
);
PROGRAM
cd "$place"
"$python" bounds.py
