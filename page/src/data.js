// What the page was given: the JSON beside it, with its arrays of numbers in base64.

const KINDS = {
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array,
  int16: Int16Array, int32: Int32Array, float32: Float32Array, float64: Float64Array,
};
const SLICE = 1 << 22; // characters decoded at a time, a multiple of 4

/** The bytes of a base64 text. */
function bytes(text) {
  const parts = [];
  let size = 0;
  for (let at = 0; at < text.length; at += SLICE) {
    const letters = atob(text.slice(at, at + SLICE));
    const part = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) part[i] = letters.charCodeAt(i);
    parts.push(part);
    size += part.length;
  }
  const all = new Uint8Array(size);
  let filled = 0;
  for (const part of parts) {
    all.set(part, filled);
    filled += part.length;
  }
  return all;
}

/** A typed array in place of every {kind, base64}; little-endian, as all machines with browsers are. */
export function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if ("base64" in value) return new KINDS[value.kind](bytes(value.base64).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, unpacked(part)]));
}

/** The motion: see `src/vibe/viewer/motion_json.py` for its names, units and frames. */
export function readMotion(text = document.getElementById("motion").textContent) {
  const motion = unpacked(JSON.parse(text));
  for (const person of motion.people) {
    person.rows = new Int32Array(motion.timestamps.length).fill(-1); // row of the person in each frame, or -1
    person.frames.forEach((frame, row) => (person.rows[frame] = row));
  }
  return motion;
}

const films = new Map(); // those that were read, by the number of their view

/** The video that the page carries of a view, from 1: its address and whether it has sound; null where there is none. */
export function readFilm(view) {
  const element = document.getElementById(`film-data-${view}`);
  if (element) {
    const blob = new Blob([bytes(element.textContent.trim())], { type: element.dataset.kind });
    element.remove();
    films.set(view, { address: URL.createObjectURL(blob), sound: Boolean(element.dataset.sound) });
  }
  return films.get(view) ?? null;
}
