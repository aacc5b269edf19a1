// Sends videos in pieces, one video after the other; what was broken off goes on where it was.

import { Refusal, ask } from "./ask.js";

const LONGEST_WAIT = 15000; // milliseconds between two tries while the server does not answer
const pause = (time) => new Promise((done) => setTimeout(done, time));

export class Uploads {
  /** `told(job)` hears of every piece, `failed(name, reason)` of what could not be sent. */
  constructor(piece, told, failed) {
    this.piece = piece;
    this.told = told;
    this.failed = failed;
    this.sending = new Map(); // by the job's id: bytes a second, or 0 while nothing is known
    this.last = Promise.resolve();
  }

  /** Hand in a file; it is announced at once, and sent when those before it are through. */
  async add(file, options) {
    try {
      const job = await ask("POST", "jobs", { name: file.name, size: file.size, modified: file.lastModified, ...options });
      if (this.sending.has(job.job_id)) return;
      this.sending.set(job.job_id, 0);
      this.told(job);
      this.last = this.last.then(() => this.#send(job, file));
    } catch (error) {
      this.failed(file.name, error instanceof Refusal ? error.message : "vibe does not answer: is it still running?");
    }
  }

  async #send(job, file) {
    let wait = 500;
    try {
      for (let at = job.received; job.state === "uploading"; at = job.received) {
        try {
          const began = performance.now();
          job = await ask("PUT", `jobs/${job.job_id}/video?at=${at}`, file.slice(at, at + this.piece));
          wait = 500;
          this.sending.set(job.job_id, ((job.received - at) / (performance.now() - began)) * 1000);
          this.told(job);
        } catch (error) {
          if (error instanceof Refusal) throw error;
          await file.slice(0, 1).arrayBuffer().catch(() => { throw new Refusal("the file can't be read any more: choose it again"); });
          await pause(wait);
          wait = Math.min(2 * wait, LONGEST_WAIT);
        }
      }
    } catch (error) {
      this.failed(job.name, error.message);
    } finally {
      this.sending.delete(job.job_id);
    }
  }
}
