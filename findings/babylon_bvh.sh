#!/usr/bin/env bash
# Babylon.js 9.28.0, its loader for BVH: a scene is left-handed unless told otherwise, and the loader, unlike the one for glTF,
# takes the file's right-handed numbers as they are. The person comes out mirrored: seen from the front, where the toes point
# to the camera, the hand that the file calls left is the right one, and so for every turn. The same joints as glTF, and the
# same BVH in three.js 0.187.0, are seen right, also while they move. Set the scene's useRightHandedSystem before you load a BVH.
# No word of it. Prints on which side of the picture each shows the left hand, at rest and raised; exits with 1 if all
# agree, or useRightHandedSystem does not mend it. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(cd "$place" && npm install --silent --no-fund --no-audit @babylonjs/core@9.28.0 @babylonjs/loaders@9.28.0 three@0.187.0)
cat > "$place/person.bvh" <<'FILE'
HIERARCHY
ROOT Hips
{
	OFFSET 0 0 0
	CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
	JOINT LeftArm
	{
		OFFSET 0.2 0.5 0
		CHANNELS 3 Zrotation Xrotation Yrotation
		JOINT LeftHand
		{
			OFFSET 0.5 0 0
			CHANNELS 3 Zrotation Xrotation Yrotation
			End Site
			{
				OFFSET 0.1 0 0
			}
		}
	}
	JOINT LeftToe
	{
		OFFSET 0.1 -0.9 0.2
		CHANNELS 3 Zrotation Xrotation Yrotation
		End Site
		{
			OFFSET 0 0 0.1
		}
	}
}
MOTION
Frames: 2
Frame Time: 0.1
0 1 0 0 0 0 0 0 0 0 0 0 0 0 0
0 1 0 0 0 0 30 0 0 0 0 0 0 0 0
FILE
cat > "$place/show.mjs" <<'PROGRAM'
import { readFileSync } from "fs";
import { FreeCamera } from "@babylonjs/core/Cameras/freeCamera.js";
import { Engine } from "@babylonjs/core/Engines/engine.js";
import { NullEngine } from "@babylonjs/core/Engines/nullEngine.js";
import { LoadAssetContainerAsync } from "@babylonjs/core/Loading/sceneLoader.js";
import { Matrix, Vector3 } from "@babylonjs/core/Maths/math.vector.js";
import { Logger } from "@babylonjs/core/Misc/logger.js";
import { Scene } from "@babylonjs/core/scene.js";
import "@babylonjs/loaders/BVH/index.js";
import "@babylonjs/loaders/glTF/2.0/index.js";
import * as three from "three";
import { BVHLoader } from "three/addons/loaders/BVHLoader.js";

const SIDE_PX = 400, AWAY = 5, RAISED_DEG = 30;
const bvh = readFileSync("person.bvh", "utf8");
const turn = (degrees) => [0, 0, Math.sin((degrees * Math.PI) / 360), Math.cos((degrees * Math.PI) / 360)];
const gltf = (frame) => JSON.stringify({
  asset: { version: "2.0" }, scene: 0, scenes: [{ nodes: [0] }],
  nodes: [
    { name: "Hips", translation: [0, 1, 0], children: [1, 3] },
    { name: "LeftArm", translation: [0.2, 0.5, 0], rotation: turn(RAISED_DEG * frame), children: [2] },
    { name: "LeftHand", translation: [0.5, 0, 0] },
    { name: "LeftToe", translation: [0.1, -0.9, 0.2] },
  ],
});
const warnings = [];
Logger.LogLevels = Logger.WarningLogLevel | Logger.ErrorLogLevel;
console.warn = console.error = (...words) => warnings.push(words.join(" "));

/** Joints by name, in the scene's coordinates. */
async function babylonJoints(scene, format, frame) {
  const text = format === ".bvh" ? bvh : gltf(frame);
  const loaded = await LoadAssetContainerAsync(`data:${text}`, scene, { pluginExtension: format });
  loaded.addAllToScene();
  const places = (joints) => Object.fromEntries(joints.map((joint) => [joint.name, joint.getAbsolutePosition().clone()]));
  if (format === ".gltf") {
    loaded.transformNodes.forEach((node) => node.computeWorldMatrix(true));
    return places(loaded.transformNodes);
  }
  const [{ bones }] = loaded.skeletons;
  for (const bone of bones) for (const animation of bone.animations) bone[animation.targetProperty] = animation.evaluate(frame);
  loaded.skeletons[0].computeAbsoluteMatrices(true);
  return places(bones);
}

/** Column and row of the left hand, of a camera at the height of the hips to which the toes point. */
async function byBabylon(format, frame, rightHanded) {
  const scene = new Scene(new NullEngine({ renderWidth: SIDE_PX, renderHeight: SIDE_PX }));
  scene.useRightHandedSystem = rightHanded;
  const { Hips, LeftHand, LeftToe } = await babylonJoints(scene, format, frame);
  const camera = new FreeCamera("front", Hips.add(new Vector3(0, 0, AWAY * Math.sign(LeftToe.z - Hips.z))), scene);
  camera.setTarget(Hips);
  scene.updateTransformMatrix(true);
  const { x, y } = Vector3.Project(LeftHand, Matrix.Identity(), scene.getTransformMatrix(), camera.viewport.toGlobal(SIDE_PX, SIDE_PX));
  return [x, y];
}

function byThree(frame) {
  const { skeleton, clip } = new BVHLoader().parse(bvh);
  const mixer = new three.AnimationMixer(skeleton.bones[0]);
  mixer.clipAction(clip).play();
  mixer.setTime(0.1 * frame);
  skeleton.bones[0].updateMatrixWorld(true);
  const place = (name) => new three.Vector3().setFromMatrixPosition(skeleton.getBoneByName(name).matrixWorld);
  const hips = place("Hips");
  const camera = new three.PerspectiveCamera((0.8 * 180) / Math.PI, 1, 1, 100);
  camera.position.copy(hips).add(new three.Vector3(0, 0, AWAY * Math.sign(place("LeftToe").z - hips.z)));
  camera.lookAt(hips);
  camera.updateMatrixWorld(true);
  const { x, y } = place("LeftHand").project(camera);
  return [(SIDE_PX * (1 + x)) / 2, (SIDE_PX * (1 - y)) / 2];
}

const close = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < 0.5;
console.log(`Babylon.js ${Engine.Version}, three.js ${three.REVISION}: column and row of the left hand, of ${SIDE_PX}, from the front`);
let asTold = true;
for (const frame of [0, 1]) {
  const right = byThree(frame), mirrored = [SIDE_PX - right[0], right[1]];
  const places = {
    "three.js, BVH": right,
    "Babylon.js, glTF": await byBabylon(".gltf", frame, false),
    "Babylon.js, BVH": await byBabylon(".bvh", frame, false),
    "Babylon.js, BVH, useRightHandedSystem": await byBabylon(".bvh", frame, true),
  };
  for (const [who, [x, y]] of Object.entries(places)) {
    const side = x > SIDE_PX / 2 ? "right of the picture, as a person's left hand is" : "left of the picture";
    console.log(`  frame ${frame}, ${who}: ${x.toFixed(1)}, ${y.toFixed(1)}, ${side}`);
  }
  const [, asGltf, asBvh, told] = Object.values(places);
  asTold &&= right[0] > SIDE_PX / 2 && close(asGltf, right) && close(asBvh, mirrored) && close(told, right);
}
console.log("warnings:", warnings);
process.exit(asTold && warnings.length === 0 ? 0 : 1);
PROGRAM
cd "$place"
node show.mjs
