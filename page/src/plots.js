// Curves over the time of the video: a joint's angle, speed and height, and the confidence of the evidence.

import { angleName, angles, confidences, deviations, heights, speeds } from "./kinematics.js";
import { css, spoken } from "./names.js";

const LEFT = 34; // CSS pixels beside and below the curves
const RIGHT = 8;
const TOP = 6;
const BOTTOM = 16;
const BAND = 0.25; // opacity
const CONTACTS = { left_ankle: 0, left_foot: 1, right_ankle: 2, right_foot: 3 }; // whose joint a heel or a toe is

/** A round number at or above `most`, to end an axis at. */
function roundUp(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1e-6)));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= most * 0.999);
}

export class Plots {
  /** @param {(time: number) => void} seek called when a moment is pointed at */
  constructor(root, motion, people, duration, seek) {
    this.motion = motion;
    this.people = people;
    this.duration = duration || 1;
    this.joint = 0;
    this.kinds = [
      { name: "angle", unit: "°", digits: 0, least: 30, of: (person) => angles(motion, person, this.joint) },
      {
        name: "speed", unit: "m/s", digits: 2, least: 0.5,
        of: (person) => speeds(person, this.joint, motion.parents, motion.timestamps),
      },
      {
        name: "height", unit: "m", digits: 2, least: 0.5,
        of: (person) => heights(person, this.joint, motion.parents),
      },
      {
        name: "confidence", unit: "", digits: 2, least: 1,
        of: (person) => confidences(person, motion.keypoint_names.indexOf(this.#name())),
      },
    ];
    if (motion.space !== "world") {
      this.kinds = this.kinds.filter(({ name }) => name !== "height");
      root.querySelector("[data-plot=height]").hidden = true;
    }
    for (const kind of this.kinds) {
      const panel = root.querySelector(`[data-plot=${kind.name}]`);
      kind.panel = panel;
      kind.canvas = panel.querySelector("canvas");
      kind.head = panel.querySelector(".plot-head");
      kind.line = panel.querySelector(".plot-line");
      kind.values = panel.querySelector(".plot-values");
      const point = (event) => {
        const bounds = kind.canvas.getBoundingClientRect();
        const share = (event.clientX - bounds.left - LEFT) / (bounds.width - LEFT - RIGHT);
        seek(Math.max(0, Math.min(1, share)) * this.duration);
      };
      kind.canvas.addEventListener("click", point);
      kind.canvas.addEventListener("pointermove", (event) => {
        if (event.pointerType === "mouse" && event.buttons === 1) point(event);
      });
    }
    this.choose(motion.joint_names.indexOf("left_knee"));
  }

  /** Plot this joint. */
  choose(joint) {
    this.joint = joint;
    for (const kind of this.kinds) {
      kind.curves = this.people.map((person) => kind.of(person.given));
      kind.values.replaceChildren();
      const most = kind.curves.reduce((top, curve) => curve.reduce((a, b) => (b > a ? b : a), top), kind.least);
      const least = kind.curves.reduce((low, curve) => curve.reduce((a, b) => (b < a ? b : a), low), 0);
      kind.top = roundUp(most);
      kind.bottom = least < 0 ? -roundUp(-least) : 0;
      const found = kind.name !== "confidence" || this.motion.keypoint_names.includes(this.#name());
      const known = kind.name === "angle" && this.people.some(({ given }) => given.angles);
      const angle = known && angleName(this.motion, this.joint);
      const what = found ? `${spoken(this.#name())} · ${kind.name}` : `all keypoints · ${kind.name}`;
      kind.head.textContent = `${angle ? spoken(angle) : what}${kind.unit ? `, ${kind.unit}` : ""}`;
    }
    this.draw();
  }

  #name() {
    return this.motion.joint_names[this.joint];
  }

  /** Draw the curves anew: another joint, other people, another size. */
  draw() {
    for (const kind of this.kinds) this.#drawOne(kind);
    if (this.at) this.follow(...this.at);
  }

  #drawOne({ name, canvas, curves, top, bottom }) {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    const scale = Math.min(window.devicePixelRatio, 2);
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "10px system-ui, sans-serif";
    const style = getComputedStyle(document.documentElement);
    pen.fillStyle = style.getPropertyValue("--quiet");
    pen.strokeStyle = style.getPropertyValue("--edge");
    pen.textAlign = "right";
    const share = (value) => (Math.max(bottom, value) - bottom) / (top - bottom);
    const y = (value) => TOP + (1 - share(value)) * (height - TOP - BOTTOM);
    const x = (time) => LEFT + (time / this.duration) * (width - LEFT - RIGHT);
    for (const value of bottom < 0 ? [bottom, 0, top] : [0, top / 2, top]) {
      pen.beginPath();
      pen.moveTo(LEFT, Math.round(y(value)) + 0.5);
      pen.lineTo(width - RIGHT, Math.round(y(value)) + 0.5);
      pen.stroke();
      pen.fillText(Number(value.toPrecision(3)), LEFT - 6, y(value) + 3.5);
    }
    pen.textAlign = "center";
    const step = roundUp((this.duration * 70) / Math.max(1, width - LEFT));
    for (let time = 0; time <= this.duration + 1e-9; time += step) {
      pen.textAlign = time === 0 ? "left" : x(time) > width - 30 ? "right" : "center";
      pen.fillText(`${Number(time.toPrecision(4))} s`, x(time), height - 3);
    }
    this.people.forEach((person, i) => {
      const bands = name === "height" && this.joint > 0 && deviations(person.given, this.joint);
      if (person.shown && bands) this.#band(pen, person.given, curves[i], bands, x, y);
      if (person.shown) this.#curve(pen, person.given, curves[i], x, y);
      if (person.shown && name === "height") this.#stands(pen, person.given, x, height - BOTTOM - 3 * (i + 1));
    });
  }

  /** A bar where the heel or the toe of this joint stands. */
  #stands(pen, person, x, top) {
    const point = CONTACTS[this.#name()];
    if (point === undefined || !person.contacts) return;
    const { timestamps } = this.motion;
    pen.fillStyle = css(person.colour);
    person.frames.forEach((frame, row) => {
      pen.globalAlpha = person.contacts[4 * row + point] / 255;
      const [from, to] = [x(timestamps[frame]), x(timestamps[frame + 1] ?? this.duration)];
      pen.fillRect(from, top, Math.max(0.5, to - from), 2.5);
    });
    pen.globalAlpha = 1;
  }

  /** How far the joint may be off the curve: one standard deviation to either side. */
  #band(pen, person, curve, band, x, y) {
    const { timestamps } = this.motion;
    pen.fillStyle = css(person.colour);
    pen.globalAlpha = BAND;
    person.frames.forEach((frame, row) => {
      const [from, to] = [x(timestamps[frame]), x(timestamps[frame + 1] ?? this.duration)];
      const top = y(curve[row] + band[row]);
      pen.fillRect(from, top, Math.max(0.5, to - from), y(curve[row] - band[row]) - top);
    });
    pen.globalAlpha = 1;
  }

  /** One line; it stops where the person is out of view. */
  #curve(pen, person, curve, x, y) {
    pen.strokeStyle = css(person.colour);
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.beginPath();
    let before = -2;
    person.frames.forEach((frame, row) => {
      if (Number.isNaN(curve[row])) return;
      const at = [x(this.motion.timestamps[frame]), y(curve[row])];
      if (frame === before + 1) pen.lineTo(...at);
      else pen.moveTo(...at);
      before = frame;
    });
    pen.stroke();
  }

  /** Bring the playhead's line and the numbers to this moment. */
  follow(frame, time) {
    this.at = [frame, time];
    for (const kind of this.kinds) {
      const width = kind.canvas.clientWidth;
      kind.line.style.transform = `translateX(${LEFT + (time / this.duration) * (width - LEFT - RIGHT)}px)`;
      this.people.forEach((person, i) => {
        const span = kind.values.children[i] ?? kind.values.appendChild(document.createElement("span"));
        const value = kind.curves[i][person.given.rows[frame]];
        span.style.color = css(person.given.colour);
        span.textContent = person.shown && Number.isFinite(value) ? value.toFixed(kind.digits) : "";
      });
    }
  }
}
