// What is written over the bodies: everybody's number above the head, and the joint under the pointer.

import { Vector3 } from "three";
import { angle, deviations } from "./kinematics.js";

const HEAD = 15; // SMPL's
const ABOVE = 0.19; // metres from the joint of the head to its crown, with the hair
const NEAR_MOUSE = 18; // CSS pixels
const NEAR_FINGER = 32;

export const spoken = (joint) => joint.replaceAll("_", " ").replace(/(\d)/, " $1");

/** "rgb(...)" of a colour of numbers in [0, 1]. */
export const css = (colour) => `rgb(${colour.map((part) => Math.round(255 * part)).join(" ")})`;

export class Names {
  /** @param {(person: number, joint: number) => void} chosen called when a joint is clicked */
  constructor(layer, canvas, view, chosen) {
    this.layer = layer;
    this.view = view;
    this.found = null;
    this.badges = new Map();
    this.ring = layer.appendChild(document.createElement("div"));
    this.ring.className = "ring";
    this.label = layer.appendChild(document.createElement("div"));
    this.label.className = "joint-name";
    let pressed = null;
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) this.#point(event, NEAR_MOUSE);
    });
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.#forget();
    });
    canvas.addEventListener("pointerdown", (event) => {
      pressed = [event.clientX, event.clientY];
      if (event.pointerType === "mouse") this.#forget();
    });
    canvas.addEventListener("pointerup", (event) => {
      const moved = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 5;
      if (moved || !event.isPrimary) return;
      this.#point(event, event.pointerType === "mouse" ? NEAR_MOUSE : NEAR_FINGER);
      if (this.found) chosen(this.found.person.number, this.found.joint);
    });
  }

  /** Put everything where it belongs, after the view was drawn. */
  update(here) {
    this.here = here;
    for (const person of this.view.people) {
      const badge = this.#badge(person);
      const head = here.includes(person) ? place.setFromMatrixPosition(person.bones[HEAD].matrixWorld) : null;
      const at = head && this.view.onCanvas(head.setY(head.y + ABOVE));
      badge.hidden = !at;
      if (at) badge.style.transform = `translate(${at[0]}px, ${at[1]}px) translate(-50%, calc(-100% - 3px))`;
    }
    if (this.found && !here.includes(this.found.person)) this.found = null;
    this.#show();
  }

  /** Someone less: take the badge away. */
  leave(person) {
    this.badges.get(person)?.remove();
    this.badges.delete(person);
  }

  #badge(person) {
    if (!this.badges.has(person)) {
      const badge = this.layer.appendChild(document.createElement("div"));
      badge.className = "badge";
      badge.textContent = person.given.name || person.number;
      badge.style.background = css(person.given.colour);
      this.badges.set(person, badge);
    }
    return this.badges.get(person);
  }

  /** Canvas pixels of a person's joints as drawn last. */
  jointsPx(number) {
    const person = this.here.find((one) => one.number === number);
    return person ? person.joints().map((joint) => this.view.onCanvas(joint)) : null;
  }

  #point(event, reach) {
    const bounds = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    this.found = null;
    for (const person of this.here ?? []) {
      this.jointsPx(person.number).forEach((at, joint) => {
        const away = at ? Math.hypot(at[0] - x, at[1] - y) : Infinity;
        if (away < reach) [reach, this.found] = [away, { person, joint }];
      });
    }
    event.currentTarget.style.cursor = this.found ? "pointer" : "";
    this.#show();
  }

  #forget() {
    this.found = null;
    this.#show();
  }

  #show() {
    const at = this.found && this.jointsPx(this.found.person.number)[this.found.joint];
    this.ring.hidden = this.label.hidden = !at;
    if (!at) return;
    const { person, joint } = this.found;
    const degrees = angle(this.view.motion, person.given, joint, person.given.rows[this.frame]);
    const std = deviations(person.given, joint)?.[person.given.rows[this.frame]];
    const off = std === undefined ? "" : ` · ± ${(100 * std).toFixed(std < 0.1 ? 1 : 0)} cm`;
    this.label.textContent = `${spoken(this.view.motion.joint_names[joint])} · ${Math.round(degrees)}°${off}`;
    const left = at[0] > this.view.size[0] - 140;
    this.ring.style.transform = `translate(${at[0]}px, ${at[1]}px) translate(-50%, -50%)`;
    const beside = left ? "calc(-100% - 14px)" : "14px";
    this.label.style.transform = `translate(${at[0]}px, ${at[1]}px) translate(${beside}, -50%)`;
  }
}

const place = new Vector3();
