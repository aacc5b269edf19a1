// The page of `vibe app`: videos are handed in, worked on, played and downloaded.

import { Refusal, ask, link } from "./ask.js";
import { Uploads } from "./upload.js";

const $ = (id) => document.getElementById(id);
const setup = JSON.parse($("setup").textContent);
const OFTEN = 1000; // milliseconds between two looks while something is under way
const SELDOM = 4000;
const STAGES = {
  people: "looking for people",
  features: "reading the pictures",
  motion: "finding their motion",
  writing: "writing",
  overlay: "drawing the bodies over the video",
  page: "making the page",
  video: "making the page",
};
const RESULTS = {
  "overlay.mp4": "the bodies over the video, a film",
  "page.html": "the page that Play opens; it works anywhere",
  "motion.npz": "all that was found, for vibe",
  "summary.json": "who was seen, and when",
  "motion_edited.npz": "the same with your corrections; formats are made of it, Play and the film show the motion before",
  "edits.json": "your corrections",
};
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

function amount(bytes) {
  const [unit, scale] = bytes >= 1e9 ? ["GB", 1e9] : bytes >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  return `${(bytes / scale).toFixed(bytes >= 10 * scale || scale === 1e3 ? 0 : 1)} ${unit}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function show(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

/** Fill an element with one child for each text, and leave it alone if it has them already. */
function fill(list, texts, make) {
  const known = JSON.stringify(texts);
  if (list.dataset.known === known) return;
  list.dataset.known = known;
  list.replaceChildren(...texts.map(make));
}

function element(kind, text, more = {}) {
  return Object.assign(document.createElement(kind), { textContent: text }, more);
}

/** One video on the page. */
class Row {
  constructor(app, job) {
    this.app = app;
    this.root = $("job").content.firstElementChild.cloneNode(true);
    this.part = (name) => this.root.querySelector(name);
    this.part("h3").textContent = job.name;
    this.part("h3").id = `name-${job.job_id}`;
    this.root.setAttribute("aria-labelledby", `name-${job.job_id}`);
    for (const button of this.root.querySelectorAll(".acts > *")) this.#label(button, button.textContent, job.name);
    this.part("progress").setAttribute("aria-label", `Progress of ${job.name}`);
    this.part(".format").replaceChildren(...setup.formats.map(({ name, about }) => element("option", `${name}: ${about}`, { value: name })));
    this.part(".rig").replaceChildren(...setup.rigs.map((name) => element("option", name, { value: name })));
    this.part(".format").addEventListener("change", () => this.#rigs());
    this.#rigs();
    this.part(".save").addEventListener("click", () => this.#unfold());
    this.part("form").addEventListener("submit", (event) => this.#make(event));
    this.part(".correct").addEventListener("click", () => this.#correct());
    this.part(".stop").addEventListener("click", () => this.#act("POST", "/stop"));
    this.part(".again").addEventListener("click", () => this.#act("POST", "/again"));
    this.part(".remove").addEventListener("click", () => this.#remove());
    this.part(".thumb").addEventListener("error", () => (this.part(".thumb").hidden = true));
  }

  update(job) {
    const before = this.job?.state;
    this.job = job;
    const { state, files, progress } = job;
    const sent = this.app.uploads.sending.get(job.job_id);
    this.root.dataset.state = state;
    this.part(".state").textContent = this.#words(job, sent);
    this.part("progress").hidden = !(state === "uploading" || state === "working");
    const share = state === "uploading" ? job.received / job.bytes : progress?.stage ? progress.share : null;
    if (share === null) this.part("progress").removeAttribute("value");
    else this.part("progress").value = share;
    this.part(".play").hidden = !files.includes("page.html");
    this.part(".play").href = link(`jobs/${job.job_id}/files/page.html`);
    this.part(".save").hidden = !files.length;
    this.part(".correct").hidden = !(files.includes("motion.npz") && job.people);
    this.part(".stop").hidden = !(state === "working" || state === "waiting");
    this.part(".again").hidden = !(state === "stopped" || state === "failed");
    this.#label(this.part(".again"), state === "failed" ? "Try again" : "Go on", job.name);
    if (files.includes("overlay.mp4") && !this.part(".thumb").src) {
      this.part(".thumb").src = link(`jobs/${job.job_id}/files/overlay.mp4`);
      this.part(".thumb").hidden = false;
    }
    this.part(".notes").hidden = !job.notes.length;
    this.part(".notes summary").textContent = plural(job.notes.length, "note", "notes");
    fill(this.part(".notes ul"), job.notes, (note) => element("li", note));
    const ready = [...files.map((name) => ["files", name]), ...job.downloads.map((name) => ["downloads", name])];
    fill(this.part(".ready"), ready, ([kind, name]) => this.#ready(kind, name));
    if (before && before !== state) this.app.say(`${job.name}: ${this.part(".state").textContent}`);
  }

  #label(button, text, name) {
    button.textContent = text;
    button.setAttribute("aria-label", `${text} ${name}`);
  }

  #words(job, sent) {
    const { state, progress } = job;
    if (state === "uploading") {
      const share = `${amount(job.received)} of ${amount(job.bytes)}`;
      if (sent === undefined) return `${share} are here: choose the same file again to go on`;
      return sent ? `copying, ${share}, ${duration((job.bytes - job.received) / sent)} left` : `copying, ${share}`;
    }
    if (state === "waiting") return "waits for its turn";
    if (state === "working") {
      if (!progress?.stage) return "beginning";
      const left = progress.seconds_left === null ? "" : `, about ${duration(progress.seconds_left)} left`;
      return `${STAGES[progress.stage]}, ${Math.round(100 * progress.share)} %${left}`;
    }
    if (state === "failed") return job.reason;
    if (state === "stopped") return "stopped; what was done is kept";
    return job.people ? `${plural(job.people, "person", "people")}, ${plural(job.frames, "frame", "frames")}` : "nobody was found in view";
  }

  #ready(kind, name) {
    const item = element("li", "");
    const href = link(`jobs/${this.job.job_id}/${kind}/${encodeURIComponent(name)}`, "&download=1");
    item.append(element("a", name, { href, download: "" }), ` ${kind === "files" ? RESULTS[name] ?? "" : ""}`);
    return item;
  }

  #rigs() {
    const chosen = setup.formats.find(({ name }) => name === this.part(".format").value);
    this.part(".rig-label").hidden = !chosen.rigged;
  }

  #unfold() {
    const open = this.part(".downloads").hidden;
    this.part(".downloads").hidden = !open;
    this.part(".save").setAttribute("aria-expanded", String(open));
  }

  async #make(event) {
    event.preventDefault();
    const [button, said] = [this.part("form button"), this.part(".said")];
    const rig = this.part(".rig-label").hidden ? null : this.part(".rig").value;
    button.disabled = true;
    said.textContent = "writing it …";
    try {
      const made = await ask("POST", `jobs/${this.job.job_id}/downloads`, { to: this.part(".format").value, rig });
      said.textContent = made.notes.join(". ");
      await this.app.look();
      const href = link(`jobs/${this.job.job_id}/downloads/${encodeURIComponent(made.name)}`, "&download=1");
      element("a", "", { href, download: "" }).click();
    } catch (error) {
      said.textContent = error instanceof Refusal ? error.message : "vibe does not answer: is it still running?";
    }
    button.disabled = false;
  }

  /** Open the page on which the motion is put right; it takes some seconds, and a window opened later would be barred. */
  async #correct() {
    const opened = window.open("about:blank");
    if (opened) {
      opened.opener = null;
      opened.document.body.textContent = "vibe opens the motion …";
    }
    this.part(".correct").disabled = true;
    this.app.say(`${this.job.name}: being opened`);
    try {
      const { address } = await ask("POST", `jobs/${this.job.job_id}/correct`);
      (opened ?? window).location.replace(address);
    } catch (error) {
      opened?.close();
      show(`${this.job.name}: ${error instanceof Refusal ? error.message : "vibe does not answer: is it still running?"}`);
    }
    this.part(".correct").disabled = false;
  }

  async #remove() {
    $("sure-text").textContent = `Delete ${this.job.name} and all that was made of it?`;
    $("sure").returnValue = "no";
    $("sure").showModal();
    await new Promise((done) => $("sure").addEventListener("close", done, { once: true }));
    if ($("sure").returnValue === "yes") await this.#act("DELETE", "");
  }

  async #act(method, path) {
    const buttons = [...this.root.querySelectorAll(".acts button")];
    for (const button of buttons) button.disabled = true;
    try {
      await ask(method, `jobs/${this.job.job_id}${path}`);
    } catch (error) {
      if (error instanceof Refusal) show(error.message);
    }
    for (const button of buttons) button.disabled = false;
    await this.app.look();
  }
}

/** All videos, and what is told of them. */
class App {
  constructor() {
    this.rows = new Map();
    this.uploads = new Uploads(setup.piece, (job) => this.#row(job), (name, reason) => show(`${name}: ${reason}`));
    $("quality").replaceChildren(...setup.qualities.map((name) => element("option", name, { value: name, selected: name === "standard" })));
    $("files").addEventListener("change", () => {
      this.hand([...$("files").files]);
      $("files").value = "";
    });
    this.#dropping();
    addEventListener("beforeunload", (event) => this.uploads.sending.size && event.preventDefault());
    this.watch();
  }

  hand(files) {
    if (!files.length) return;
    show("");
    const height = $("height").value ? Number($("height").value) : null;
    const options = { quality: $("quality").value || null, height, overlay: $("overlay").checked };
    for (const file of files) this.uploads.add(file, options);
  }

  say(text) {
    $("spoken").textContent = text;
  }

  async watch() {
    for (;;) {
      const busy = await this.look();
      await new Promise((done) => setTimeout(done, busy && !document.hidden ? OFTEN : SELDOM));
    }
  }

  /** Ask how everything is; whether something is under way. */
  async look() {
    try {
      const { jobs, free, folder } = await ask("GET", "jobs");
      const there = new Set(jobs.map((job) => job.job_id));
      for (const [job_id, row] of this.rows) if (!there.has(job_id)) this.#forget(job_id, row);
      for (const job of jobs) this.#row(job);
      $("place").textContent = `Nothing leaves this machine: all is kept in ${folder}, with room for ${amount(free)} more.`;
      $("empty").hidden = jobs.length > 0;
      if (this.lost) show("");
      this.lost = false;
      return jobs.some(({ state }) => state !== "done" && state !== "failed" && state !== "stopped");
    } catch (error) {
      this.lost = true;
      show(error instanceof Refusal ? error.message : "vibe does not answer: is it still running?");
      return false;
    }
  }

  #row(job) {
    let row = this.rows.get(job.job_id);
    if (!row) {
      row = new Row(this, job);
      this.rows.set(job.job_id, row);
      $("jobs").prepend(row.root);
      $("empty").hidden = true;
    }
    row.update(job);
  }

  #forget(job_id, row) {
    const focused = row.root.contains(document.activeElement);
    row.root.remove();
    this.rows.delete(job_id);
    this.say(`${row.job.name}: deleted`);
    if (focused) $("files").focus();
  }

  #dropping() {
    let depth = 0;
    const mark = (change) => {
      depth = Math.max(0, depth + change);
      document.body.classList.toggle("dropping", depth > 0);
    };
    const with_files = (act) => (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      act(event);
    };
    addEventListener("dragenter", with_files(() => mark(1)));
    addEventListener("dragleave", with_files(() => mark(-1)));
    addEventListener("dragover", with_files(() => {}));
    addEventListener("drop", with_files((event) => {
      mark(-depth);
      const folder = [...event.dataTransfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
      const files = [...event.dataTransfer.files];
      if (folder) show("A folder was dropped: open it, and drop the videos in it.");
      else this.hand(files);
    }));
  }
}

window.app = new App();
