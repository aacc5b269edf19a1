#!/usr/bin/env bash
# three.js 0.187.0, BVHLoader: bones keep the names of the file, but AnimationMixer cannot find names with ":" or "/". A file
# with `mixamorig:Hips`, the names that Mixamo's characters have, is read without an error, and then nothing moves: one
# console warning a track. GLTFLoader cleans such names (PropertyBinding.sanitizeNodeName), this loader does not. Of a name
# with spaces it keeps the first word: `Bip01 L Hand` and `Bip01 R Hand` become `Bip01` like the root, which then turns in
# the hands' place, with no warning. Clean the names of bones and tracks, or write letters, digits and underscores alone.
# Prints how far each joint turns; exits with 1 if all names animate. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0)
cat > "$place/turn.mjs" <<'PROGRAM'
import { AnimationMixer, MathUtils, PropertyBinding, Quaternion, REVISION } from "three";
import { BVHLoader } from "three/examples/jsm/loaders/BVHLoader.js";

// A root with two hands, which turn about z by 30 and 60 degrees.
const file = (root, left, right) => `HIERARCHY
ROOT ${root}
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
${[left, right].map((name, k) => `  JOINT ${name}
  {
    OFFSET ${k ? -50 : 50} 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -10 0
    }
  }`).join("\n")}
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0 0 0 0 0 0 0 0 0 0
0 0 0 0 0 0 30 0 0 60 0 0
`;

function turns(names, clean) {
  const { skeleton, clip } = new BVHLoader().parse(file(...names));
  const bones = skeleton.bones.filter((bone) => bone.name !== "ENDSITE");
  if (clean)
    for (const bone of bones) {
      for (const track of clip.tracks)
        track.name = track.name.replace(`${bone.name}.`, `${PropertyBinding.sanitizeNodeName(bone.name)}.`);
      bone.name = PropertyBinding.sanitizeNodeName(bone.name);
    }
  const mixer = new AnimationMixer(bones[0]);
  mixer.clipAction(clip).play();
  mixer.setTime(0.04 * (1 - 1e-6));
  return bones.map((bone) => [bone.name, Math.round(MathUtils.radToDeg(bone.quaternion.angleTo(new Quaternion())))]);
}

console.log("three.js", REVISION);
let warnings = 0;
console.warn = console.error = () => (warnings += 1);
const CASES = [
  ["Hips", "LeftHand", "RightHand"],
  ["mixamorig:Hips", "mixamorig:LeftHand", "mixamorig:RightHand"],
  ["Bip01", "Bip01 L Hand", "Bip01 R Hand"],
];
let right = 0;
for (const clean of [false, true])
  for (const names of clean ? CASES.slice(1, 2) : CASES) {
    warnings = 0;
    const seen = turns(names, clean);
    if (!clean) right += seen.map(([, degrees]) => degrees).join() === "0,30,60";
    const bones = seen.map(([name, degrees]) => `"${name}" ${degrees}`).join(", ");
    console.log(`${names.join(", ")}${clean ? ", cleaned" : ""}: ${bones} degrees (0, 30, 60 expected), ${warnings} warnings`);
  }
process.exit(right === CASES.length ? 1 : 0);
PROGRAM
cd "$place"
node turn.mjs
