#!/usr/bin/env bash
# three.js 0.187.0, AnimationUtils.subclip: it keeps the keys that lie between the two frames, and makes none where it cuts. A
# joint whose keys lie outside is left out: held at 60 degrees by keys at start and end, as optimisers of glTF leave them, it
# stands in its rest pose. One that turns evenly by 30 degrees a second, with a key a second, stands still from 0.5 to 1.5 s.
# Also with a key for every frame: times are 32-bit floats, so that of 200 cuts of 50 frames at 30 a second 88 begin a frame
# late. No word of it. Sample every joint at every frame, and cut half a frame before the first and after the last.
# Prints the joints before and after; exits with 1 if any of it changes. Needs Node and npm.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
(cd "$place" && npm install --silent --no-fund --no-audit three@0.187.0)
cat > "$place/cut.mjs" <<'PROGRAM'
import * as three from "three";

const FPS = 30, JOINTS = ["held", "sparse", "dense"];
const everyFrame = (frames) => Array.from({ length: frames }, (_, frame) => frame / FPS);

/** A joint's turn about z, in degrees at each key. */
function track(joint, times, turn) {
  const axis = new three.Vector3(0, 0, 1);
  const quaternion = (time) => new three.Quaternion().setFromAxisAngle(axis, three.MathUtils.degToRad(turn(time)));
  return new three.QuaternionKeyframeTrack(`${joint}.quaternion`, times, times.flatMap((time) => quaternion(time).toArray()));
}

/** Degrees of each joint at each time. */
function play(clip, times) {
  return times.map((time) => {
    const joints = JOINTS.map((name) => Object.assign(new three.Object3D(), { name }));
    const mixer = new three.AnimationMixer(new three.Object3D().add(...joints));
    mixer.clipAction(clip).play();
    mixer.setTime(time);
    return joints.map(({ quaternion: { z, w } }) => Math.round(three.MathUtils.radToDeg(2 * Math.atan2(z, w)) * 10) / 10);
  });
}

const turning = (time) => 30 * time;
const whole = new three.AnimationClip("whole", -1, [
  track("held", [0, 3], () => 60),
  track("sparse", [0, 1, 2, 3], turning),
  track("dense", everyFrame(91), turning),
]);
const [first, end] = [15, 45];
const part = three.AnimationUtils.subclip(whole, "part", first, end, FPS);
const times = [0, 0.25, 0.5, 0.75];
const before = play(whole, times.map((time) => time + first / FPS)), after = play(part, times);
console.log(`three.js ${three.REVISION}, frames ${first} to ${end} of 91 at ${FPS} a second: degrees of ${JOINTS.join(", ")}`);
times.forEach((time, k) => console.log(`  ${time.toFixed(2)} s: before ${before[k].join(", ")}; after ${after[k].join(", ")}`));
const asTold = times.every((time, k) => {
  const right = 15 + 30 * time;
  return `${before[k]}` === `${[60, right, right]}` && `${after[k]}` === `${[0, 30, right]}`;
});

// Where cuts of 50 frames begin, by the turn of their first key: a degree a frame.
const long = new three.AnimationClip("long", -1, [track("dense", everyFrame(300), turning)]);
const cut = (start) => three.AnimationUtils.subclip(long, "cut", start, start + 50, FPS);
const starts = Array.from({ length: 200 }, (_, frame) => frame);
const begins = (start) => Math.round(play(cut(start), [0])[0][2]);
const late = (shift) => starts.map((frame) => begins(frame - shift) - frame).filter((frames) => frames !== 0);
const [asAsked, shifted] = [late(0), late(0.5)];
const frames = [...new Set(asAsked)];
console.log(`of ${starts.length} cuts ${asAsked.length} begin late by ${frames} frame; half a frame earlier ${shifted.length}`);
process.exit(asTold && asAsked.length === 88 && asAsked.every((frames) => frames === 1) && shifted.length === 0 ? 0 : 1);
PROGRAM
cd "$place"
node cut.mjs
