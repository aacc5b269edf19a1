#!/usr/bin/env bash
# VRM Animation (.vrma) takes glTF's animations, whose samplers are LINEAR, STEP or CUBICSPLINE. @pixiv/three-vrm-animation
# 3.5.5 makes every rotation LINEAR and the hips' place as the file says. With STEP the limbs slide from pose to pose while the
# hips jump. With CUBICSPLINE its tangents become the pose: a spine that bends evenly from 0 to 90 degrees goes from 180 to
# 270, by quaternions whose length is 0.8 instead of 1, while the hips go right. GLTFLoader of three.js 0.187.0, through which
# the plug-in reads, plays the same files right, and the validator finds no error. No word of it. Write a key for every frame,
# and LINEAR. Prints what both make of a file of each kind; exits with 1 if any of it changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0 @pixiv/three-vrm@3.5.5 @pixiv/three-vrm-animation@3.5.5 \
    gltf-validator@2.0.0-dev.3.10)
cat > "$place/play.mjs" <<'PROGRAM'
import { AnimationMixer, MathUtils, Object3D, REVISION } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { VRMHumanoid } from "@pixiv/three-vrm";
import { createVRMAnimationClip, VRMAnimationLoaderPlugin } from "@pixiv/three-vrm-animation";
import validator from "gltf-validator";

globalThis.self = globalThis; // the loader's, of browsers
const TIMES = [0, 0.25, 0.5, 0.75];
// The bones that VRM asks for: the parent's place in the list, and where each rests.
const limb = (side, x) => [
  [`${side}UpperLeg`, 0, [x / 2, 0, 0]], [`${side}LowerLeg`, -1, [0, -0.4, 0]], [`${side}Foot`, -1, [0, -0.4, 0]],
  [`${side}UpperArm`, 1, [x, 0.4, 0]], [`${side}LowerArm`, -1, [x, 0, 0]], [`${side}Hand`, -1, [x, 0, 0]],
];
const TRUNK = [["hips", null, [0, 0.9, 0]], ["spine", 0, [0, 0.1, 0]], ["head", 1, [0, 0.6, 0]]];
const BONES = [...TRUNK, ...limb("left", 0.2), ...limb("right", -0.2)];
const parentOf = (bone) => (BONES[bone][1] === -1 ? bone - 1 : BONES[bone][1]);

// The spine bends about z by 90 degrees and the hips move by 2 m, both evenly in one second: as [value, change in a second].
const half = MathUtils.degToRad(45);
const bend = (share) => {
  const angle = share * half;
  return [[0, 0, Math.sin(angle), Math.cos(angle)], [0, 0, half * Math.cos(angle), -half * Math.sin(angle)]];
};
const walk = (share) => [[0, 0.9, 2 * share], [0, 0, 2]];

function write(interpolation) {
  const keys = ([value, slope]) => (interpolation === "CUBICSPLINE" ? [...slope, ...value, ...slope] : value);
  const blocks = [[0, 1], [0, 1].flatMap((share) => keys(bend(share))), [0, 1].flatMap((share) => keys(walk(share)))];
  const widths = { SCALAR: 1, VEC4: 4, VEC3: 3 };
  let start = 0;
  const views = blocks.map(({ length }) => {
    start += 4 * length;
    return { buffer: 0, byteOffset: start - 4 * length, byteLength: 4 * length };
  });
  const count = (type, k) => blocks[k].length / widths[type];
  const accessors = Object.keys(widths).map((type, k) => ({ bufferView: k, componentType: 5126, count: count(type, k), type }));
  Object.assign(accessors[0], { min: [0], max: [1] });
  const nodes = BONES.map(([name, , translation], bone) => {
    const children = BONES.map((_, k) => k).filter((k) => parentOf(k) === bone);
    return { name, translation, ...(children.length ? { children } : {}) };
  });
  const humanBones = Object.fromEntries(BONES.map(([name], node) => [name, { node }]));
  const head = {
    asset: { version: "2.0" }, scene: 0, scenes: [{ nodes: [0] }], nodes,
    animations: [{
      samplers: [{ input: 0, output: 1, interpolation }, { input: 0, output: 2, interpolation }],
      channels: [{ sampler: 0, target: { node: 1, path: "rotation" } }, { sampler: 1, target: { node: 0, path: "translation" } }],
    }],
    accessors, bufferViews: views, buffers: [{ byteLength: start }], extensionsUsed: ["VRMC_vrm_animation"],
    extensions: { VRMC_vrm_animation: { specVersion: "1.0", humanoid: { humanBones } } },
  };
  const text = Buffer.from(JSON.stringify(head));
  const json = Buffer.concat([text, Buffer.alloc(-text.length & 3, " ")]);
  const numbers = Buffer.from(new Float32Array(blocks.flat()).buffer);
  const chunk = (kind, data) => [Buffer.from(new Uint32Array([data.length]).buffer), Buffer.from(kind), data];
  const chunks = Buffer.concat([...chunk("JSON", json), ...chunk("BIN\0", numbers)]);
  const sizes = Buffer.from(new Uint32Array([2, 12 + chunks.length]).buffer);
  return new Uint8Array(Buffer.concat([Buffer.from("glTF"), sizes, chunks]));
}

function newBody() {
  const nodes = BONES.map(([name, , place]) => {
    const node = Object.assign(new Object3D(), { name: `body_${name}` });
    node.position.fromArray(place);
    return node;
  });
  nodes.forEach((node, bone) => bone && nodes[parentOf(bone)].add(node));
  const scene = new Object3D().add(nodes[0]);
  scene.updateMatrixWorld(true);
  const humanoid = new VRMHumanoid(Object.fromEntries(BONES.map(([name], bone) => [name, { node: nodes[bone] }])));
  scene.add(humanoid.normalizedHumanBonesRoot);
  return { scene, humanoid, meta: { metaVersion: "1" } };
}

/** Degrees of the spine, length of its quaternion and metres of the hips at each time. */
function play(scene, clip, spine, hips, update) {
  const mixer = new AnimationMixer(scene);
  mixer.clipAction(clip).play();
  return TIMES.map((time) => {
    mixer.setTime(time);
    update();
    const { z, w } = spine.quaternion;
    const row = [MathUtils.radToDeg(2 * Math.atan2(z, w)), spine.quaternion.length(), hips.position.z];
    return row.map((number) => Math.round(number * 100) / 100);
  });
}

const EVEN = TIMES.map((time) => [90 * time, 1, 2 * time]);
const STILL = TIMES.map(() => [0, 1, 0]);
const SHOULD = { LINEAR: EVEN, STEP: STILL, CUBICSPLINE: EVEN };
const near = (rows, others) => rows.every((row, k) => row.every((number, m) => Math.abs(number - others[k][m]) < 0.02));
let asTold = true;
for (const [interpolation, right] of Object.entries(SHOULD)) {
  const bytes = write(interpolation);
  const { issues } = await validator.validateBytes(bytes);
  const loader = new GLTFLoader().register((parser) => new VRMAnimationLoaderPlugin(parser));
  const gltf = await loader.parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), "");
  const named = (name) => gltf.scene.getObjectByName(name);
  const three = play(gltf.scene, gltf.animations[0], named("spine"), named("hips"), () => {});
  const body = newBody();
  const bone = (name) => body.humanoid.getRawBoneNode(name);
  const clip = createVRMAnimationClip(gltf.userData.vrmAnimations[0], body);
  const vrm = play(body.scene, clip, bone("spine"), bone("hips"), () => body.humanoid.update());
  console.log(`${interpolation}: validator ${issues.numErrors} errors; degrees, length, metres at ${TIMES.join(", ")} s`);
  console.log(`  three.js ${REVISION}     ${three.map((row) => row.join(" ")).join(" | ")}`);
  console.log(`  three-vrm-animation ${vrm.map((row) => row.join(" ")).join(" | ")}`);
  asTold &&= issues.numErrors === 0 && near(three, right);
  if (interpolation === "LINEAR") asTold &&= near(vrm, EVEN);
  if (interpolation === "STEP") asTold &&= near(vrm, EVEN.map(([degrees]) => [degrees, 1, 0]));
  const wrong = ([degrees, length, metres], k) =>
    Math.abs(degrees - 180 - 90 * TIMES[k]) < 2 && length < 0.9 && metres === 2 * TIMES[k];
  if (interpolation === "CUBICSPLINE") asTold &&= vrm.every(wrong);
}
process.exit(asTold ? 0 : 1);
PROGRAM
cd "$place"
node play.mjs
