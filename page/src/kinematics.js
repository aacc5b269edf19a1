// Numbers of a motion that are plotted: angles, speeds, confidence. Radians in, degrees out; metres and seconds.

const TENTH = 10; // of a degree
const UNIT = 32767; // of quantised quaternions
const BODY_JOINTS = 24; // SMPL's, whose deviations are known

/** Where a person is between two rows: the row at or before the time, the next one, and the share of the way. */
export function between(person, times, frame, time) {
  const row = person.rows[frame];
  if (row < 0) return null;
  const next = frame + 1 < times.length ? person.rows[frame + 1] : -1;
  if (next < 0) return { row, next: row, share: 0 };
  const share = (time - times[frame]) / (times[frame + 1] - times[frame]);
  return { row, next, share: Math.max(0, Math.min(1, share)) };
}

/** How many joints somebody has: SMPL's 24, or SMPL-H's 52 with the fingers. */
export const joints = (person) => person.rest.length / 3;

/** The name of the angle that is told of a joint, such as left_knee_flexion; null where the whole turn is. */
export const angleName = (motion, joint) => motion.angle_names[motion.joint_names[joint]] ?? null;

/** The angle of a joint, in degrees; where it has no name, by how much it is turned against its parent since the T-pose. */
export function angle(motion, person, joint, row) {
  const column = Object.keys(motion.angle_names).indexOf(motion.joint_names[joint]);
  if (person.angles && column >= 0) return person.angles[Object.keys(motion.angle_names).length * row + column] / TENTH;
  const at = 4 * (joints(person) * row + joint);
  const [x, y, z, w] = person.rotations.subarray(at, at + 4);
  return (360 / Math.PI) * Math.atan2(Math.hypot(x, y, z), Math.abs(w));
}

/** The same at every row. */
export function angles(motion, person, joint) {
  return Float32Array.from(person.frames, (_, row) => angle(motion, person, joint, row));
}

/** How sure the detector was of a keypoint at every row, from 0 to 1; the mean of all where the joint is none of them. */
export function confidences(person, keypoint) {
  const { confidence, keypoint_confidence: each } = person;
  return Float32Array.from(confidence, (mean, row) => (keypoint < 0 ? mean : each[17 * row + keypoint]) / 255);
}

/** How fast a joint moves in the frame that people are in, in metres per second, at every row; NaN if not known. */
export function speeds(person, joint, parents, times) {
  const places = positions(person, joint, parents);
  const count = person.frames.length;
  const found = new Float32Array(count).fill(NaN);
  for (let row = 0; row < count; row++) {
    const first = row > 0 && person.frames[row - 1] === person.frames[row] - 1 ? row - 1 : row;
    const last = row + 1 < count && person.frames[row + 1] === person.frames[row] + 1 ? row + 1 : row;
    if (first === last) continue;
    const [a, b] = [3 * first, 3 * last];
    const way = Math.hypot(places[b] - places[a], places[b + 1] - places[a + 1], places[b + 2] - places[a + 2]);
    found[row] = way / (times[person.frames[last]] - times[person.frames[first]]);
  }
  return found;
}

/** How high a joint is above the floor at every row, metres; of people in the world. */
export function heights(person, joint, parents) {
  const places = positions(person, joint, parents);
  return Float32Array.from(person.frames, (_, row) => places[3 * row + 1]);
}

/** How far a joint may be off along any axis at every row, metres: one standard deviation; null where it is not known. */
export function deviations(person, joint) {
  if (!person.std || joint >= BODY_JOINTS) return null;
  return Float32Array.from(person.frames, (_, row) => person.std[BODY_JOINTS * row + joint] / 1000);
}

/** Where a joint is at every row, metres, in the frame that people are in. */
export function positions(person, joint, parents) {
  const chain = [];
  for (let at = joint; at >= 0; at = parents[at]) chain.unshift(at);
  const places = Float32Array.from(person.pelvis);
  for (let row = 0; row < person.frames.length; row++) {
    let [x, y, z, w] = [0, 0, 0, 1];
    for (let link = 0; link + 1 < chain.length; link++) {
      const at = 4 * (joints(person) * row + chain[link]);
      const [a, b, c, d] = person.rotations.subarray(at, at + 4);
      [x, y, z, w] = times4([x, y, z, w], [a / UNIT, b / UNIT, c / UNIT, d / UNIT]);
      const [child, parent] = [3 * chain[link + 1], 3 * chain[link]];
      const bone = [0, 1, 2].map((axis) => person.rest[child + axis] - person.rest[parent + axis]);
      const turned = turn([x, y, z, w], bone);
      for (let axis = 0; axis < 3; axis++) places[3 * row + axis] += turned[axis];
    }
  }
  return places;
}

/** Product of two quaternions x, y, z, w. */
function times4([ax, ay, az, aw], [bx, by, bz, bw]) {
  return [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ];
}

/** A vector turned by a unit quaternion. */
function turn([x, y, z, w], [vx, vy, vz]) {
  const [tx, ty, tz] = [2 * (y * vz - z * vy), 2 * (z * vx - x * vz), 2 * (x * vy - y * vx)];
  return [vx + w * tx + y * tz - z * ty, vy + w * ty + z * tx - x * tz, vz + w * tz + x * ty - y * tx];
}
