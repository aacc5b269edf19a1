// The camera that the video was seen with: its lens, its place in the scene, which may change, and what shows it.

import { BufferAttribute, BufferGeometry, Group, Line, LineBasicMaterial, LineSegments, Matrix4, PerspectiveCamera,
  Quaternion, Vector3 } from "three";

const DEPTH = 0.35; // metres, of the pyramid that stands for it
const GREY = { color: 0x8b95a3, transparent: true };
const FLIP = new Matrix4().makeScale(1, -1, -1); // three.js's cameras look along -z with y up

export class FilmCamera {
  constructor(motion, near, far) {
    this.motion = motion;
    this.moves = motion.t_scene_cam.length > 3;
    this.lens = lens(motion, near, far);
    this.pose = new Matrix4(); // from the camera's frame (x right, y down, z forward) to the scene
    this.marker = new Group();
    this.pyramid = pyramid(motion);
    this.pyramid.matrixAutoUpdate = false;
    this.marker.add(this.pyramid);
    if (this.moves) this.marker.add(path(motion.t_scene_cam));
    this.stand(0, 0);
  }

  /** Go where the camera was at this moment. */
  stand(frame, time) {
    const { timestamps } = this.motion;
    this.#pose(frame, this.pose);
    const span = timestamps[frame + 1] - timestamps[frame];
    const share = this.moves && span > 0 ? (time - timestamps[frame]) / span : 0;
    if (share > 0 && share <= 1) {
      this.pose.decompose(here.place, here.turn, here.scale);
      this.#pose(frame + 1, other).decompose(next.place, next.turn, next.scale);
      this.pose.compose(here.place.lerp(next.place, share), here.turn.slerp(next.turn, share), here.scale);
    }
    this.pyramid.matrix.copy(this.pose);
    this.lens.matrix.copy(this.pose).multiply(FLIP);
    this.lens.updateMatrixWorld(true);
  }

  /** The middle of its way. */
  middle() {
    const { t_scene_cam: at } = this.motion;
    const sum = new Vector3();
    for (let i = 0; i < at.length; i += 3) sum.add(here.place.fromArray(at, i));
    return sum.multiplyScalar(3 / at.length);
  }

  #pose(frame, matrix) {
    const { R_scene_cam: R, t_scene_cam: t } = this.motion;
    const [r, p] = this.moves ? [9 * frame, 3 * frame] : [0, 0];
    return matrix.set(
      R[r], R[r + 1], R[r + 2], t[p], R[r + 3], R[r + 4], R[r + 5], t[p + 1], R[r + 6], R[r + 7], R[r + 8], t[p + 2],
      0, 0, 0, 1,
    );
  }
}

const part = () => ({ place: new Vector3(), turn: new Quaternion(), scale: new Vector3() });
const here = part();
const next = part();
const other = new Matrix4();

function lens({ width, height, K }, near, far) {
  const camera = new PerspectiveCamera();
  camera.matrixAutoUpdate = false;
  camera.projectionMatrix.set(
    (2 * K[0]) / width, 0, 1 - (2 * K[2]) / width, 0,
    0, (2 * K[4]) / height, (2 * K[5]) / height - 1, 0,
    0, 0, -(far + near) / (far - near), (-2 * far * near) / (far - near),
    0, 0, -1, 0,
  );
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
  return camera;
}

/** The camera drawn as a small pyramid, in its own frame. */
function pyramid({ width, height, K }) {
  const corners = [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => [
    ((x - K[2]) / K[0]) * DEPTH, ((y - K[5]) / K[4]) * DEPTH, DEPTH,
  ]);
  const points = corners.flatMap((corner, i) => [0, 0, 0, ...corner, ...corner, ...corners[(i + 1) % 4]]);
  return new LineSegments(lines(points), new LineBasicMaterial({ ...GREY, opacity: 0.6 }));
}

/** The way that it went. */
function path(points) {
  const line = new Line(lines(points), new LineBasicMaterial({ ...GREY, opacity: 0.35 }));
  line.frustumCulled = false;
  return line;
}

function lines(points) {
  return new BufferGeometry().setAttribute("position", new BufferAttribute(new Float32Array(points), 3));
}
