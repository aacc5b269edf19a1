// The page: what is on it, and who tells whom.

import { Clock } from "./clock.js";
import { readFilm, readMotion } from "./data.js";
import { Editing } from "./edit.js";
import { bindKeys } from "./keys.js";
import { layOut } from "./layout.js";
import { Live } from "./live.js";
import { Names, css, spoken } from "./names.js";
import { Plots } from "./plots.js";
import { View3D } from "./scene.js";
import { Scrubber } from "./scrubber.js";

const PACES = [0.1, 0.25, 0.5, 1, 1.5, 2, 4];
const NOBODY = "nobody was found in this video";
const LOW = 520; // CSS pixels of height below which the curves wait until they are asked for
const $ = (id) => document.getElementById(id);
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

class Page {
  constructor(motion) {
    this.motion = motion;
    this.film = $("film");
    const film = readFilm(1);
    this.seen = this.motion; // whose picture it is: the motion's own camera's, or one of its views
    this.clock = new Clock(this.motion.timestamps, film && this.film, () => this.redraw());
    this.filmShown = Boolean(film);
    if (film) {
      this.#load(film);
    } else this.#withoutFilm("");
    this.view = new View3D($("scene"), this.motion, () => this.redraw());
    this.people = this.view.people;
    this.names = new Names($("over"), $("scene"), this.view, (_, joint) => this.chooseJoint(joint));
    const seek = (time) => this.clock.seekTime(time);
    this.plots = new Plots($("plots"), this.motion, this.people, this.clock.duration, seek);
    this.scrubber = new Scrubber($("scrubber"), this.motion, this.people, this.clock);
    this.#words();
    this.#chips();
    this.#buttons();
    if (motion.edits) this.editing = new Editing(this);
    bindKeys(this);
    new ResizeObserver(() => this.arrange()).observe($("stage"));
    new ResizeObserver(() => this.redrawCurves()).observe($("plots"));
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.redrawCurves());
    this.setView("free");
    if (window.innerHeight < LOW) this.togglePlots();
    const first = Math.min(...this.motion.people.map((person) => person.frames[0] ?? Infinity));
    this.clock.seekFrame(Number.isFinite(first) ? first : 0);
  }

  /** Draw once before the next picture of the screen, however often it is asked for. */
  redraw() {
    if (this.waiting || !this.names) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      const { frame, time } = this.clock;
      this.names.frame = frame;
      this.names.update(this.view.draw(frame, time));
      this.plots.follow(frame, time);
      this.scrubber.follow(this.clock);
      this.editing?.follow(frame);
      const last = Math.max(0, this.motion.timestamps.length - 1);
      $("time").textContent = `${time.toFixed(2)} s`;
      $("frame").textContent = `frame ${frame} of ${last}`;
      document.body.classList.toggle("playing", this.clock.playing);
      const next = this.clock.playing ? "Pause (space)" : "Play (space)";
      for (const name of ["title", "aria-label"]) $("play").setAttribute(name, next);
      $("pace").textContent = `${this.clock.rate}×`;
    });
  }

  /** Show another motion of the same video in the place of this one. */
  become(motion) {
    for (const person of this.people) this.names.leave(person);
    Object.assign(this.motion, motion);
    if ($("notice").textContent === NOBODY) $("notice").hidden = true;
    if (!motion.people.length) this.say(NOBODY);
    this.view.refill();
    if (this.seen !== this.motion) {
      // the cameras stand where they stood among the people, who may have moved in the scene
      this.seen = this.motion.views[$("shot").value - 1];
      this.view.lookWith(this.seen);
    }
    this.#chips();
    this.plots.choose(this.plots.joint);
    this.redrawCurves();
  }

  redrawCurves() {
    this.plots.draw();
    this.scrubber.draw();
    this.redraw();
  }

  arrange() {
    const { width, height } = this.seen;
    layOut($("stage"), this.film, $("picture"), width / height, this.view.view, this.filmShown);
    this.view.resize($("picture").clientWidth, $("picture").clientHeight);
    this.scrubber.draw();
    this.redraw();
  }

  setView(view) {
    this.view.setView(view);
    document.body.dataset.view = view;
    for (const name of ["free", "camera"]) press($(`view-${name}`), name === view);
    this.arrange();
  }

  #load(film) {
    if (!this.film.src) this.film.addEventListener("error", () => this.#withoutFilm());
    this.film.src = film.address;
    $("sound").hidden = !film.sound;
  }

  /** Show another of several cameras' videos, and stand where it stood; numbers are from 1. */
  chooseCamera(number) {
    const camera = this.motion.views[number - 1];
    const film = this.film.isConnected ? readFilm(number) : null;
    this.clock.pause();
    this.seen = camera;
    $("shot").value = number;
    if (film) this.#load(film);
    this.clock.watch(film && this.film, number > 1 ? camera.timestamps : this.motion.timestamps, camera.offset);
    this.filmShown = Boolean(film);
    $("film-button").hidden = !film;
    press($("film-button"), this.filmShown);
    this.view.lookWith(camera);
    this.arrange();
  }

  nextCamera() {
    const { length } = this.motion.views;
    if (length > 1) this.chooseCamera((Number($("shot").value) % length) + 1);
  }

  toggleFilm() {
    if (!this.clock.film) return;
    this.filmShown = !this.filmShown;
    press($("film-button"), this.filmShown);
    this.arrange();
  }

  togglePlots() {
    $("plots").hidden = !$("plots").hidden;
    press($("plots-button"), !$("plots").hidden);
    this.arrange();
    this.redrawCurves();
  }

  toggleFollow() {
    this.view.followed = !this.view.followed;
    press($("follow"), this.view.followed);
    this.redraw();
  }

  toggleSound() {
    this.film.muted = !this.film.muted;
    press($("sound"), !this.film.muted);
  }

  toggleHelp() {
    if ($("help").open) $("help").close();
    else $("help").showModal();
  }

  togglePerson(number) {
    const person = this.people[number - 1];
    if (!person) return;
    person.shown = !person.shown;
    press($("people").children[number - 1], person.shown);
    this.redrawCurves();
  }

  showAll() {
    for (const person of this.people) if (!person.shown) this.togglePerson(person.number);
  }

  pace(step) {
    const place = PACES.indexOf(this.clock.rate) + step;
    this.clock.setRate(PACES[Math.max(0, Math.min(PACES.length - 1, place))]);
  }

  chooseJoint(joint) {
    $("joint").value = joint;
    this.plots.choose(joint);
    this.redraw();
  }

  /** Bodies alone, with the reason if there should have been a film. */
  #withoutFilm(reason = "this browser cannot play the video that the page carries: the bodies move without it") {
    this.filmShown = false;
    this.film.remove();
    for (const id of ["film-button", "sound"]) $(id).hidden = true;
    if (this.clock.film) this.clock.leaveFilm();
    if (reason) this.say(reason);
    if (this.view) this.arrange();
  }

  say(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
  }

  /** Names and notes: they come from files of strangers, so they are text and nothing else. */
  #words() {
    const { motion } = this;
    document.title = `${motion.video} · vibe`;
    $("title").textContent = motion.video;
    for (const [joint, name] of motion.joint_names.entries()) {
      const option = document.createElement("option");
      option.value = joint;
      option.textContent = spoken(name);
      $("joint").append(option);
    }
    $("joint").value = this.plots.joint;
    for (const [place, { video }] of motion.views.entries()) {
      const option = document.createElement("option");
      option.value = place + 1;
      option.textContent = `${place + 1} · ${video}`;
      $("shot").append(option);
    }
    $("views").hidden = motion.views.length < 2;
    const { name, licence } = motion.body;
    for (const note of [...motion.notes, `Body ${name}: ${licence}`, `Made by vibe ${motion.version}.`]) {
      const item = document.createElement("li");
      item.textContent = note;
      $("notes").append(item);
    }
    if (!this.people.length) this.say(NOBODY);
  }

  #chips() {
    $("people").replaceChildren();
    for (const person of this.people) {
      const chip = document.createElement("button");
      chip.className = "chip";
      const name = person.given.name ? `, ${person.given.name}` : "";
      chip.title = `Person ${person.number}${name}: show or hide (${person.number})`;
      chip.textContent = person.number;
      chip.style.setProperty("--colour", css(person.given.colour));
      press(chip, true);
      chip.setAttribute("aria-label", `Person ${person.number}${name}`);
      chip.addEventListener("click", () => this.togglePerson(person.number));
      $("people").append(chip);
    }
  }

  #buttons() {
    const clicks = {
      play: () => this.clock.toggle(),
      back: () => this.clock.step(-1),
      on: () => this.clock.step(1),
      pace: () => this.clock.setRate(PACES[(PACES.indexOf(this.clock.rate) + 1) % PACES.length]),
      "view-free": () => this.setView("free"),
      "view-camera": () => this.setView("camera"),
      "film-button": () => this.toggleFilm(),
      "plots-button": () => this.togglePlots(),
      follow: () => this.toggleFollow(),
      sound: () => this.toggleSound(),
      home: () => this.view.home(),
      "help-button": () => this.toggleHelp(),
    };
    for (const [id, click] of Object.entries(clicks)) $(id).addEventListener("click", click);
    $("shot").addEventListener("change", () => {
      this.chooseCamera(Number($("shot").value));
      $("shot").blur();
    });
    $("joint").addEventListener("change", () => {
      this.chooseJoint(Number($("joint").value));
      $("joint").blur();
    });
    $("help").addEventListener("click", (event) => event.target === $("help") && $("help").close());
    // A button that was clicked by mouse or finger does not keep the keyboard.
    document.addEventListener("pointerup", () => {
      if (document.activeElement?.matches("button")) document.activeElement.blur();
    });
  }
}

/** What other scripts may use: `vibe.clock`, `vibe.setView("camera")`, `vibe.names.jointsPx(1)`. */
try {
  const motion = readMotion();
  window.vibe = motion.live ? new Live(motion) : new Page(motion);
} catch (error) {
  const notice = document.getElementById("notice");
  const webgl = /webgl/i.test(error.message);
  const damaged = `the page is damaged: ${error.message}`;
  notice.textContent = webgl ? "this browser draws no 3D (WebGL is off): try another one" : damaged;
  notice.hidden = false;
  if (!webgl) throw error;
}
