// The bar of time: drag it; the strips in it say who is in view and where they were only filled in.

import { css } from "./names.js";

export class Scrubber {
  constructor(root, motion, people, clock) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.knob = root.querySelector(".knob");
    this.motion = motion;
    this.people = people;
    this.clock = clock;
    const point = (event) => {
      const bounds = root.getBoundingClientRect();
      clock.seekTime(Math.max(0, Math.min(1, (event.clientX - bounds.left) / bounds.width)) * clock.duration);
    };
    root.addEventListener("pointerdown", (event) => {
      root.setPointerCapture(event.pointerId);
      this.resumes = clock.playing;
      clock.pause();
      point(event);
    });
    root.addEventListener("pointermove", (event) => {
      if (root.hasPointerCapture(event.pointerId)) point(event);
    });
    root.addEventListener("lostpointercapture", () => {
      if (this.resumes) clock.play();
      this.resumes = false;
    });
    root.setAttribute("aria-valuemin", "0");
    root.setAttribute("aria-valuemax", Math.max(0, motion.timestamps.length - 1));
  }

  /** Draw the strips anew. */
  draw() {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width) return;
    const scale = Math.min(window.devicePixelRatio, 2);
    [this.canvas.width, this.canvas.height] = [width * scale, height * scale];
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const { timestamps } = this.motion;
    const strip = Math.max(1.5, Math.min(5, height / Math.max(1, this.people.length)));
    const top = (height - strip * this.people.length) / 2;
    this.people.forEach((person, i) => {
      const { frames, confidence, colour } = person.given;
      pen.fillStyle = css(colour);
      let first = 0;
      frames.forEach((frame, row) => {
        const goes = frames[row + 1] === frame + 1 && !confidence[row + 1] === !confidence[row];
        if (goes) return;
        const end = frame + 1 < timestamps.length ? timestamps[frame + 1] : this.clock.duration;
        const [from, to] = [timestamps[frames[first]], end].map((time) => (time / this.clock.duration) * width);
        pen.globalAlpha = (person.shown ? 1 : 0.2) * (confidence[row] ? 0.85 : 0.35);
        pen.fillRect(from, top + i * strip, Math.max(0.5, to - from), Math.max(1, strip - 1));
        first = row + 1;
      });
    });
  }

  follow(clock) {
    this.knob.style.left = `${(100 * clock.time) / (clock.duration || 1)}%`;
    this.root.setAttribute("aria-valuenow", clock.frame);
    this.root.setAttribute("aria-valuetext", `${clock.time.toFixed(2)} seconds`);
  }
}
