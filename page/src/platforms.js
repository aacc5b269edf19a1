// What people stand on above the floor, as discs that shadows fall on.

import {
  BufferGeometry, CircleGeometry, DoubleSide, Float32BufferAttribute, Group, LineBasicMaterial, LineLoop, Mesh,
  MeshBasicMaterial, ShadowMaterial,
} from "three";

const SIDES = 72;
const GREY = 0x8b95a3;
const BELOW = 0.06; // metres by which what casts a shadow is below what receives one, or it would be in its own

export class Platforms {
  /** @param given those of the motion: frames from first to last, centre, radius, whose they are */
  constructor(given) {
    this.given = given;
    this.group = new Group();
    for (const { centre, radius } of given) this.group.add(disc(centre, radius));
  }

  /** Show what there is in this frame. */
  show(frame) {
    this.group.children.forEach((disc, i) => {
      disc.visible = this.#there(this.given[i], frame);
    });
  }

  /** How high what somebody stands on is in a frame, metres. */
  under(number, frame) {
    const here = this.given.find((each) => each.people.includes(number) && this.#there(each, frame));
    return here ? here.centre[1] : 0;
  }

  #there({ first, last }, frame) {
    return first <= frame && frame <= last;
  }
}

function disc(centre, radius) {
  const flat = new CircleGeometry(radius, SIDES).rotateX(-Math.PI / 2);
  const look = { transparent: true, depthWrite: false, side: DoubleSide };
  const plate = new Mesh(flat, new MeshBasicMaterial({ ...look, color: GREY, opacity: 0.14 }));
  const shadow = new Mesh(flat, new ShadowMaterial({ ...look, opacity: 0.38 }));
  const rim = Array.from({ length: SIDES }, (_, i) => (2 * Math.PI * i) / SIDES);
  const points = rim.flatMap((angle) => [radius * Math.cos(angle), 0, radius * Math.sin(angle)]);
  const line = new BufferGeometry().setAttribute("position", new Float32BufferAttribute(points, 3));
  plate.position.y = -BELOW;
  plate.castShadow = shadow.receiveShadow = true;
  const group = new Group();
  group.add(plate, shadow, new LineLoop(line, new LineBasicMaterial({ color: GREY, transparent: true, opacity: 0.7 })));
  for (const part of group.children) part.renderOrder = -1.8;
  group.position.fromArray(centre);
  return group;
}
