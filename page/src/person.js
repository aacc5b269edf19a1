// One person as three.js draws them: a skinned mesh on SMPL's 24 joints, or SMPL-H's 52.

import {
  Bone, BufferAttribute, BufferGeometry, Color, Group, Matrix4, MeshBasicMaterial, MeshStandardMaterial, Quaternion,
  SRGBColorSpace, Skeleton, SkinnedMesh, Vector3,
} from "three";
import { between } from "./kinematics.js";

const LINEAR = Array.from({ length: 256 }, (_, part) => new Color().setRGB(part / 255, 0, 0, SRGBColorSpace).r);
const UNSEEN = 0.5; // opacity of somebody who was filled in between frames in which they were seen

export class Person {
  /** @param given one of `motion.people`; @param bend the lens through which they are drawn over the film */
  constructor(given, motion, bend) {
    this.given = given;
    this.number = given.number;
    this.shown = true;
    this.group = new Group();
    this.bones = motion.joint_names.map(() => new Bone());
    const { rest } = given;
    const inverses = this.bones.map((bone, joint) => {
      const parent = motion.parents[joint];
      const from = parent < 0 ? [0, 0, 0] : rest.subarray(3 * parent, 3 * parent + 3);
      bone.position.set(...[0, 1, 2].map((axis) => rest[3 * joint + axis] - from[axis]));
      if (parent >= 0) this.bones[parent].add(bone);
      return new Matrix4().makeTranslation(...rest.subarray(3 * joint, 3 * joint + 3).map((part) => -part));
    });
    const skeleton = new Skeleton(this.bones, inverses);
    const geometry = surface(given, motion.body);
    this.material = bend.on(new MeshStandardMaterial({ vertexColors: true, roughness: 0.62, metalness: 0 }));
    const mesh = new SkinnedMesh(geometry, this.material);
    // Where the person is faint, this mesh fills the depth first, so that no inner surface shines through.
    this.depth = new SkinnedMesh(geometry, bend.on(new MeshBasicMaterial({ colorWrite: false })));
    this.depth.renderOrder = -1;
    this.group.add(this.bones[0]);
    for (const part of [mesh, this.depth]) {
      part.bind(skeleton, new Matrix4());
      part.frustumCulled = false;
      this.group.add(part);
    }
    mesh.castShadow = true;
  }

  /** Take the pose of this moment; whether the person is there and to be shown. */
  pose(times, frame, time) {
    const at = this.shown ? between(this.given, times, frame, time) : null;
    this.group.visible = at !== null;
    if (!at) return false;
    const { rotations, pelvis, confidence } = this.given;
    for (let joint = 0; joint < this.bones.length; joint++) {
      this.bones[joint].quaternion.fromArray(rotations, 4 * (this.bones.length * at.row + joint)).normalize();
      if (at.share > 0) {
        other.fromArray(rotations, 4 * (this.bones.length * at.next + joint)).normalize();
        this.bones[joint].quaternion.slerp(other, at.share);
      }
    }
    this.bones[0].position.fromArray(pelvis, 3 * at.row);
    if (at.share > 0) this.bones[0].position.lerp(place.fromArray(pelvis, 3 * at.next), at.share);
    const faint = confidence[at.row] === 0;
    this.material.transparent = this.depth.visible = faint;
    this.material.opacity = faint ? UNSEEN : 1;
    return true;
  }

  /** Give back the graphics card's memory. */
  dispose() {
    this.depth.geometry.dispose();
    this.depth.material.dispose();
    this.depth.skeleton.dispose();
    this.material.dispose();
  }

  /** Where the joints are in the world, once the matrices are those of the pose. */
  joints() {
    return this.bones.map((bone) => new Vector3().setFromMatrixPosition(bone.matrixWorld));
  }
}

const other = new Quaternion();
const place = new Vector3();

/** The body at rest with the joints that carry each vertex. */
function surface(given, body) {
  const points = new Float32Array(given.surface.length);
  for (let i = 0; i < points.length; i++) points[i] = given.surface_low[i % 3] + given.surface[i] * given.surface_step;
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(points, 3));
  geometry.setAttribute("color", new BufferAttribute(Float32Array.from(given.paint, (part) => LINEAR[part]), 3));
  geometry.setAttribute("skinIndex", new BufferAttribute(body.joints, 4));
  geometry.setAttribute("skinWeight", new BufferAttribute(body.weights, 4, true));
  geometry.setIndex(new BufferAttribute(body.faces, 1));
  geometry.computeVertexNormals();
  return geometry;
}
