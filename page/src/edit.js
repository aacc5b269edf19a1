// What is put right by hand: edits are made here, sent to the server that the page came from, and the motion comes back.

import { readMotion } from "./data.js";
import { css, spoken } from "./names.js";

const FAR = 10; // video pixels that an arrow moves a point with shift
const $ = (id) => document.getElementById(id);

/** An edit in words. */
function told({ edit, person, other, first, last, frame, foot, point, name, view }) {
  const stretch = `frames ${first} to ${last}`;
  const words = {
    swap_sides: () => `person ${person}: left and right exchanged, ${stretch}`,
    exchange: () => `persons ${person} and ${other} exchanged, ${stretch}`,
    join: () => `person ${other} joined to person ${person}`,
    split: () => `person ${person} split at frame ${frame}`,
    name: () => `person ${person} named ${name}`,
    delete: () => `person ${person} deleted`,
    move_point: () => `person ${person}: ${spoken(point)} moved, frame ${frame}`,
    foot_stands: () => `person ${person}: ${foot} foot stands, ${stretch}`,
    floor_here: () => `floor under person ${person}, frame ${frame}`,
    camera_still: () => "the camera stands still",
    trim: () => `trimmed to ${stretch}`,
  }[edit]();
  return view ? `${words}, view ${view}` : words;
}

export class Editing {
  /** @param page what `main.js` shows, of a motion that has `edits` */
  constructor(page) {
    this.page = page;
    this.motion = page.motion;
    this.handles = [];
    $("edit").hidden = false;
    $("edit-where").parentElement.hidden = !this.several;
    document.body.dataset.editing = "";
    this.keys = {
      i: () => this.#stretch("first"),
      o: () => this.#stretch("last"),
      l: () => this.make("swap_sides"),
      z: () => this.undo(),
      k: () => this.togglePoints(),
    };
    const last = this.motion.timestamps.length - 1;
    for (const id of ["edit-first", "edit-last"]) $(id).max = last;
    [$("edit-first").value, $("edit-last").value] = [0, last];
    $("edit-from").addEventListener("click", this.keys.i);
    $("edit-to").addEventListener("click", this.keys.o);
    $("edit-undo").addEventListener("click", this.keys.z);
    $("edit-points").addEventListener("click", this.keys.k);
    $("edit-person").addEventListener("change", () => this.follow(page.clock.frame));
    $("edit-name").addEventListener("keydown", (event) => event.key === "Enter" && this.make("name"));
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z" && !event.target.closest("input")) this.undo();
    });
    for (const button of document.querySelectorAll("[data-edit]")) {
      button.addEventListener("click", () => this.make(button.dataset.edit));
    }
    this.#list();
  }

  /** Whether the motion is of several cameras. */
  get several() {
    return this.motion.views.length > 1;
  }

  /** The camera whose picture is shown, from 1. */
  get shot() {
    return this.several ? Number($("shot").value) : 1;
  }

  get edits() {
    return this.motion.edits.edits;
  }

  /** Make an edit of the kind that a button names, of what is chosen. */
  make(kind) {
    const number = (id) => Number($(id).value);
    const person = number("edit-person");
    const other = number("edit-other");
    const over = { first: number("edit-first"), last: number("edit-last") };
    const { frame } = this.page.clock;
    const foot = kind.split("_")[0];
    const where = this.several && $("edit-where").value === "view" ? { view: this.shot } : {};
    const edit = {
      swap_sides: { person, ...over, ...where },
      left_stands: { edit: "foot_stands", person, foot, ...over },
      right_stands: { edit: "foot_stands", person, foot, ...over },
      trim: over,
      split: { person, frame },
      delete: { person },
      name: { person, name: $("edit-name").value },
      exchange: { person, other, ...over, ...where },
      join: { person, other },
      floor_here: { person, frame },
      camera_still: {},
    }[kind];
    return this.#send([...this.edits, { edit: kind, ...edit }]);
  }

  undo() {
    return this.edits.length ? this.#send(this.edits.slice(0, -1)) : undefined;
  }

  /** Points of the chosen person over the picture, to be moved. */
  togglePoints() {
    const on = $("edit-points").getAttribute("aria-pressed") !== "true";
    $("edit-points").setAttribute("aria-pressed", String(on));
    document.body.toggleAttribute("data-points", on);
    for (const handle of this.handles.splice(0)) handle.remove();
    if (on) {
      this.page.clock.pause();
      this.page.setView("camera");
      this.handles = this.motion.edits.points.map((point, row) => this.#handle(point, row));
    }
    this.page.redraw();
  }

  /** The points are where they are seen in this frame. */
  follow(frame) {
    const given = this.motion.people[Number($("edit-person").value) - 1];
    const row = given ? given.rows[frame] : -1;
    for (const handle of this.handles) {
      handle.hidden = row < 0 || this.page.view.view !== "camera";
      if (handle.hidden) continue;
      handle.style.setProperty("--colour", css(given.colour));
      const at = 2 * (row * this.handles.length + handle.row);
      const points = given.points[this.shot - 1];
      if (!handle.moved) handle.at = [points[at], points[at + 1]];
      handle.hidden = !handle.at[0] && !handle.at[1]; // the pose model has no such point, or the camera does not see it
      this.#put(handle);
    }
  }

  /** Video pixels to a CSS pixel of the picture. */
  get #scale() {
    return this.page.seen.width / $("picture").clientWidth;
  }

  #put(handle) {
    const [x, y] = handle.at.map((part) => part / this.#scale);
    handle.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
  }

  #handle(point, row) {
    const handle = $("over").appendChild(document.createElement("button"));
    handle.className = "handle";
    handle.dataset.point = point;
    handle.row = row;
    handle.title = spoken(point);
    handle.setAttribute("aria-label", `${spoken(point)}: move with the arrows, then enter`);
    const move = (by) => {
      handle.moved = true;
      handle.at = handle.at.map((part, axis) => part + by[axis]);
      this.#put(handle);
    };
    const leave = () => {
      handle.moved = false;
      this.follow(this.page.clock.frame);
    };
    const place = () => {
      const [x_px, y_px] = handle.at.map((part) => Math.round(10 * part) / 10);
      const [person, { frame }] = [Number($("edit-person").value), this.page.clock];
      const edit = { edit: "move_point", person, frame, point, x_px, y_px, ...(this.several && { view: this.shot }) };
      if (handle.moved) this.#send([...this.edits, edit]).then(leave);
    };
    handle.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary) return;
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
      handle.from = [event.clientX, event.clientY];
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const to = [event.clientX, event.clientY];
      move(to.map((part, axis) => (part - handle.from[axis]) * this.#scale));
      handle.from = to;
    });
    handle.addEventListener("pointerup", place);
    handle.addEventListener("pointercancel", leave);
    handle.addEventListener("blur", () => handle.moved && !this.busy && leave());
    handle.addEventListener("keydown", (event) => {
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const by = arrows[event.key];
      if (by) move(by.map((part) => part * (event.shiftKey ? FAR : 1)));
      else if (event.key === "Enter") place();
      else if (event.key === "Escape") leave();
      else return;
      event.preventDefault();
    });
    return handle;
  }

  /** The stretch begins or ends with the frame that is shown. */
  #stretch(end) {
    $(`edit-${end}`).value = this.page.clock.frame;
  }

  /** Have the motion made with these edits and show it, or say why it can't be. */
  async #send(edits) {
    if (this.busy) return;
    this.#wait(true);
    try {
      const { format, video, revision } = this.motion.edits;
      const body = JSON.stringify({ format, video, edits });
      const headers = { "Edits-Revision": revision }; // another page may have changed them
      const answer = await fetch(`/edits${location.search}`, { method: "POST", body, headers });
      const text = await answer.text();
      if (answer.ok) this.page.become(readMotion(text));
      const end = edits.length ? told(edits.at(-1)) : "nothing is put right";
      $("edit-said").textContent = answer.ok ? `made: ${end}` : answer.status === 403 ? text : JSON.parse(text).error;
    } catch {
      $("edit-said").textContent = "vibe does not answer: is `vibe edit` still running? In the app, press Correct again";
    }
    this.#wait(false);
    this.#list();
  }

  #wait(busy) {
    this.busy = busy;
    $("edit").setAttribute("aria-busy", String(busy));
    // Not `disabled`, which takes the keyboard from the button that has it.
    for (const button of $("edit").querySelectorAll("button")) button.setAttribute("aria-disabled", String(busy));
    if (busy) $("edit-said").textContent = "the motion is made again …";
  }

  /** What there is to choose from, and what was put right. */
  #list() {
    for (const id of ["edit-person", "edit-other"]) {
      const before = $(id).value;
      const people = this.motion.people.map(({ number, name }) => new Option(name || number, number));
      $(id).replaceChildren(...people);
      if (before && Number(before) <= people.length) $(id).value = before;
    }
    if ($("edit-other").value === $("edit-person").value) {
      $("edit-other").value = $("edit-person").value === "1" && this.motion.people.length > 1 ? 2 : 1;
    }
    $("edit-list").replaceChildren(
      ...this.edits.map((edit) => {
        const item = document.createElement("li");
        item.textContent = told(edit);
        return item;
      }),
    );
    $("edit-list").scrollTop = $("edit-list").scrollHeight;
    $("edit-undo").setAttribute("aria-disabled", String(!this.edits.length));
    this.page.redraw();
  }
}
