// The live page: everybody's newest pose and the picture that it was told from, drawn as they come; nothing is kept.

import { unpacked } from "./data.js";
import { layOut } from "./layout.js";
import { Names } from "./names.js";
import { View3D } from "./scene.js";

const AGAIN = 2000; // milliseconds until a socket that was closed is tried anew
const PATIENCE = 400; // milliseconds that somebody out of sight stays
const FEET = [7, 8, 10, 11]; // SMPL's ankles and balls of the feet
const SOLE = 0.03; // metres from the lowest of them to the ground
const GROUND_SPAN = 5000; // milliseconds over which the lowest foot is the ground
const SETTLING = 0.04; // share of the way to a new ground in one picture
const TURN = 0.12;
const NEARER = 1.12;
const $ = (id) => document.getElementById(id);
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

export class Live {
  constructor(motion) {
    this.motion = motion;
    this.film = document.createElement("canvas");
    this.film.id = "film";
    [this.film.width, this.film.height] = [motion.width, motion.height];
    this.brush = this.film.getContext("2d", { alpha: false });
    $("film").replaceWith(this.film);
    document.body.dataset.live = "";
    document.title = `${motion.video} · vibe live`;
    $("title").textContent = motion.video;
    this.filmShown = true;
    this.answers = []; // when the last ones came, milliseconds
    this.lowest = []; // [when, metres] of the lowest foot
    this.drawn = -1;
    this.view = new View3D($("scene"), motion, () => this.redraw());
    this.names = new Names($("over"), $("scene"), this.view, () => {});
    this.names.frame = 0;
    this.#notes();
    this.#controls();
    new ResizeObserver(() => this.arrange()).observe($("stage"));
    this.setView("free");
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(`ws://${location.host}/live${location.search}&page=1`);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => ($("notice").hidden = true));
    socket.addEventListener("message", ({ data }) => this.#take(data));
    socket.addEventListener("close", () => {
      this.say("the stream has ended");
      setTimeout(() => this.#connect(), AGAIN);
    });
  }

  /** A text is the shape of someone; bytes are an answer and its picture, with the answer's length before them. */
  async #take(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "shape") this.#shape(unpacked(message));
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const answer = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const picture = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
    const bitmap = picture.size ? await createImageBitmap(picture) : null;
    if (answer.frame < this.drawn && this.drawn - answer.frame < 1000) return;
    this.drawn = answer.frame;
    if (bitmap) this.brush.drawImage(bitmap, 0, 0, this.film.width, this.film.height);
    bitmap?.close();
    this.#pose(answer);
  }

  /** Someone new, or with a new shape. */
  #shape(message) {
    const before = this.view.people.find((person) => person.number === message.number);
    const given = {
      ...message, frames: Int32Array.of(0), rows: Int32Array.of(-1), confidence: Uint8Array.of(255),
      rotations: new Float32Array(96), pelvis: new Float32Array(3), seen: 0,
    };
    if (before) {
      for (const name of ["rows", "rotations", "pelvis", "seen"]) given[name] = before.given[name];
      this.#leave(before);
    }
    this.view.join(given);
  }

  #leave(person) {
    this.names.leave(person);
    this.view.leave(person);
  }

  #pose(answer) {
    const now = performance.now();
    for (const one of answer.people) {
      const person = this.view.people.find(({ number }) => number === one.number);
      if (!person) continue;
      const { given } = person;
      one.rotations.forEach((turn, joint) => given.rotations.set(quaternion(turn), 4 * joint));
      given.pelvis.set(one.pelvis);
      given.rows[0] = 0;
      given.seen = now;
    }
    for (const person of [...this.view.people]) {
      if (now - person.given.seen > PATIENCE) person.given.rows[0] = -1;
    }
    this.answers = [...this.answers.filter((when) => now - when < 1000), now];
    $("time").textContent = `${this.answers.length} frames/s`;
    $("frame").textContent = `${Math.round(answer.delay_ms)} ms behind the camera`;
    this.#ground(answer.people, now);
    this.redraw();
  }

  /** Keep the lowest foot of the last seconds on the ground. */
  #ground(people, now) {
    const [R, t] = [this.motion.R_scene_cam, this.motion.t_scene_cam];
    const feet = people.flatMap(({ joints }) => FEET.map((joint) => joints[joint]));
    const heights = feet.map(([x, y, z]) => R[3] * x + R[4] * y + R[5] * z + t[1]);
    if (!heights.length) return;
    const first = !this.lowest.length;
    this.lowest = this.lowest.filter(([when]) => now - when < GROUND_SPAN);
    this.lowest.push([now, Math.min(...heights)]);
    const off = SOLE - Math.min(...this.lowest.map(([, height]) => height));
    const step = first ? off : SETTLING * off;
    this.view.raise(step);
    for (const each of this.lowest) each[1] += step;
    if (first) this.home(people);
  }

  /** Stand where everybody who is here is in view. */
  home(people) {
    const shown = people?.map(({ pelvis }) => ({ pelvis: Float32Array.from(pelvis) }));
    this.motion.people = shown ?? this.view.people.filter(({ given }) => given.rows[0] === 0).map(({ given }) => given);
    this.view.measure();
    this.view.home();
  }

  redraw() {
    if (this.waiting || !this.names) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.names.update(this.view.draw(0, 0));
    });
  }

  arrange() {
    const { width, height } = this.motion;
    layOut($("stage"), this.film, $("picture"), width / height, this.view.view, this.filmShown);
    this.view.resize($("picture").clientWidth, $("picture").clientHeight);
    this.redraw();
  }

  setView(view) {
    this.view.setView(view);
    document.body.dataset.view = view;
    for (const name of ["free", "camera"]) press($(`view-${name}`), name === view);
    this.arrange();
  }

  toggleFilm() {
    this.filmShown = !this.filmShown;
    press($("film-button"), this.filmShown);
    this.arrange();
  }

  toggleFollow() {
    this.view.followed = !this.view.followed;
    press($("follow"), this.view.followed);
    this.redraw();
  }

  toggleHelp() {
    if ($("help").open) $("help").close();
    else $("help").showModal();
  }

  say(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
  }

  #notes() {
    const { name, licence } = this.motion.body;
    for (const note of [...this.motion.notes, `Body ${name}: ${licence}`, `Made by vibe ${this.motion.version}.`]) {
      const item = document.createElement("li");
      item.textContent = note;
      $("notes").append(item);
    }
  }

  #controls() {
    const clicks = {
      "view-free": () => this.setView("free"),
      "view-camera": () => this.setView("camera"),
      "film-button": () => this.toggleFilm(),
      follow: () => this.toggleFollow(),
      home: () => this.home(),
      "help-button": () => this.toggleHelp(),
    };
    for (const [id, click] of Object.entries(clicks)) $(id).addEventListener("click", click);
    const turn = (...by) => () => this.view.orbit(...by);
    const keys = {
      c: () => this.setView(this.view.view === "free" ? "camera" : "free"),
      v: clicks["film-button"], f: clicks.follow, r: clicks.home, "?": clicks["help-button"],
      a: turn(-TURN, 0, 1), d: turn(TURN, 0, 1), w: turn(0, -TURN, 1), s: turn(0, TURN, 1),
      "+": turn(0, 0, 1 / NEARER), "=": turn(0, 0, 1 / NEARER), "-": turn(0, 0, NEARER),
    };
    document.addEventListener("keydown", (event) => {
      if (event.target.closest("dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
      keys[event.key]?.();
    });
  }
}

/** A unit quaternion x, y, z, w of an axis times its angle. */
function quaternion([x, y, z]) {
  const angle = Math.hypot(x, y, z);
  const share = angle > 1e-9 ? Math.sin(angle / 2) / angle : 0.5;
  return [x * share, y * share, z * share, Math.cos(angle / 2)];
}
