// The playhead: one frame of the video at a time, kept by the film where there is one, else by the page itself.

/** The last index whose time is not after `time`. */
export function frameAt(times, time) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

const EARLY = 1e-3; // seconds by which a browser may round a frame's time down
const DEPTHS = [0.25, 0.6, 0.9]; // how far into a frame the film is sent, one after the other until it shows that frame
const PATIENCE = 2000; // milliseconds until a film that does not say what it shows is believed

export class Clock {
  /**
   * @param {Float64Array} times seconds from the first frame
   * @param {HTMLVideoElement | null} film whose first picture is at 0 seconds
   * @param {(clock: Clock) => void} changed called whenever the playhead or the pace changes
   */
  constructor(times, film, changed) {
    this.times = times;
    this.changed = changed;
    this.frame = 0;
    this.time = 0;
    this.rate = 1;
    const last = times.length - 1;
    this.duration = last > 0 ? (times[last] * (last + 1)) / last : times.length ? 0.04 : 0;
    this.film = null;
    this.shots = times; // when the film shows each of its frames, on its own clock
    this.ahead = 0; // seconds by which that clock is ahead
    this.running = false;
    this.wanted = -1; // frame that the film has been sent to and has not reached
    if (film) this.#follow(film);
  }

  /** Go by another film on the same element, with these times on a clock that is so far ahead; or by none, for null. */
  watch(film, shots, ahead) {
    const { frame } = this;
    const arrive = () => {
      this.wanted = -1;
      this.seekFrame(frame);
    };
    [this.shots, this.ahead, this.running] = [shots, ahead, false];
    if (film && !this.followed) this.#follow(film);
    this.film = film;
    arrive(); // a film that is loading shows its first picture, which is no reason to go there
    if (film) film.addEventListener("loadeddata", arrive, { once: true });
  }

  /** The playhead where the film shows this frame of its own. */
  #stand(shot) {
    const last = this.times.length - 1;
    this.time = Math.max(this.times[0], Math.min(this.times[last], this.shots[shot] - this.ahead));
    this.frame = frameAt(this.times, this.time + EARLY);
    if (this.shots === this.times) this.time = this.times[this.frame];
  }

  get playing() {
    return this.film ? !this.film.paused : this.running;
  }

  /** Take the time from the film: every picture that it shows says which one it is. */
  #follow(film) {
    this.film = film;
    this.followed = true;
    film.loop = true;
    const exact = "requestVideoFrameCallback" in film;
    const show = (time) => {
      if (film !== this.film) return;
      this.pictured = frameAt(this.shots, time + EARLY);
      if (this.wanted >= 0) this.#arrive();
      if (this.wanted >= 0 || film.seeking) return;
      this.#stand(this.pictured);
      this.changed(this);
    };
    const next = () => {
      if (exact) {
        film.requestVideoFrameCallback((_, picture) => {
          show(picture.mediaTime);
          next();
        });
      } else {
        requestAnimationFrame(() => {
          if (!film.paused) show(film.currentTime);
          next();
        });
      }
    };
    next();
    film.addEventListener("seeked", () => {
      this.#arrive();
      const { trip } = this;
      setTimeout(() => {
        if (this.trip !== trip || this.wanted < 0) return;
        this.pictured = this.sent;
        this.#arrive();
      }, exact && !film.hidden && !document.hidden ? PATIENCE : 0); // a film that is not seen never says it
    });
    for (const event of ["play", "pause"]) film.addEventListener(event, () => this.changed(this));
  }

  /** Go on without the film, where the browser can't play it. */
  leaveFilm() {
    const playing = this.playing;
    this.film = null;
    this.wanted = -1;
    if (playing) this.play();
    this.changed(this);
  }

  play() {
    if (this.film) {
      this.film.playbackRate = this.rate;
      this.film.play().catch(() => this.changed(this)); // refused without a touch of the page: it stays paused
      return;
    }
    if (this.running || this.times.length < 2) return;
    this.running = true;
    let before = performance.now();
    const tick = (now) => {
      if (!this.running || this.film) return;
      this.time = (this.time + (Math.max(0, now - before) / 1000) * this.rate) % this.duration;
      before = now;
      this.frame = frameAt(this.times, this.time);
      this.changed(this);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    this.changed(this);
  }

  pause() {
    if (this.film) this.film.pause();
    this.running = false;
    this.changed(this);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  setRate(rate) {
    this.rate = rate;
    if (this.film) this.film.playbackRate = rate;
    this.changed(this);
  }

  /** Show this frame, as near as there is one. */
  seekFrame(frame) {
    if (!this.times.length) return;
    this.frame = Math.max(0, Math.min(this.times.length - 1, frame));
    this.time = this.times[this.frame];
    if (this.film) this.#want(frameAt(this.shots, this.time + this.ahead + EARLY));
    this.changed(this);
  }

  #want(shot) {
    const busy = this.wanted >= 0;
    this.wanted = shot;
    if (!busy) this.#send(0);
  }

  /** Show the frame of this time; times before the first and after the last are those. */
  seekTime(time) {
    this.seekFrame(frameAt(this.times, time + EARLY));
  }

  /** One frame on or back; the film stands still. */
  step(frames) {
    this.pause();
    if (!this.film || this.shots === this.times) {
      this.seekFrame(this.frame + frames);
      return;
    }
    const shot = frameAt(this.shots, this.time + this.ahead + EARLY) + frames;
    this.#want(Math.max(0, Math.min(this.shots.length - 1, shot)));
    this.#stand(this.wanted);
    this.changed(this);
  }

  /** The film stands still somewhere: go on to where it is wanted now, or deeper into the frame if it shows another. */
  #arrive() {
    if (this.wanted < 0 || this.film.seeking) return; // it began anew by itself, or is still on its way
    if (this.sent !== this.wanted) this.#send(0);
    else if (this.pictured === this.wanted || !this.film.paused) this.wanted = -1;
    else if (this.pictured >= 0 && this.tries + 1 < DEPTHS.length) this.#send(this.tries + 1);
    else if (this.pictured >= 0) {
      this.wanted = -1;
      this.#stand(this.pictured);
      this.changed(this);
    }
  }

  /** Into the frame, not onto its edge: a time is rounded, and a browser may hold the frame before for too long. */
  #send(tries) {
    this.sent = this.wanted;
    this.tries = tries;
    this.trip = (this.trip ?? 0) + 1;
    this.pictured = -1;
    const here = this.shots[this.wanted];
    const last = this.shots === this.times ? this.duration : here + 0.02;
    const next = this.wanted + 1 < this.shots.length ? this.shots[this.wanted + 1] : last;
    this.film.currentTime = here + DEPTHS[tries] * (next - here);
  }
}
