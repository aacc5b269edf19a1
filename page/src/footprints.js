// Marks on the floor under the heels and toes that stand.

import { CircleGeometry, Color, Group, Mesh, MeshBasicMaterial, SRGBColorSpace, Vector3 } from "three";

const RADIUS = 0.055; // metres
const HEIGHT = 0.004; // above it, so that the grid does not shine through
const FEET = [[7, 10], [8, 11]]; // SMPL's ankle and ball of the left foot, and of the right
const BEHIND = -0.3; // where heel and toe are along the way from one to the other
const AHEAD = 1.25;
const LEAST = 0.3; // probability below which there is no mark

export class Footprints {
  /** @param person a `Person` with contacts */
  constructor(person) {
    this.person = person;
    this.group = new Group();
    const color = new Color().setRGB(...person.given.colour, SRGBColorSpace);
    const disc = new CircleGeometry(RADIUS, 24).rotateX(-Math.PI / 2);
    for (let point = 0; point < 4; point++) {
      const mark = new Mesh(disc, new MeshBasicMaterial({ color, transparent: true, depthWrite: false }));
      mark.renderOrder = -1.5;
      this.group.add(mark);
    }
  }

  /** Mark what stands in the pose that the person has, on a floor of this height. */
  show(here, frame, floor) {
    const { given, bones } = this.person;
    this.group.visible = here;
    if (!here) return;
    const row = 4 * given.rows[frame];
    this.group.children.forEach((mark, point) => {
      const sure = given.contacts[row + point] / 255;
      mark.visible = sure >= LEAST;
      mark.material.opacity = 0.9 * sure;
      const [ankle, ball] = FEET[point >> 1].map((joint, i) => ends[i].setFromMatrixPosition(bones[joint].matrixWorld));
      mark.position.lerpVectors(ankle, ball, point % 2 ? AHEAD : BEHIND).setY(floor + HEIGHT);
    });
  }
}

const ends = [new Vector3(), new Vector3()];
