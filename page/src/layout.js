// Where the film and the bodies stand: over one another, beside, or one above the other where the stage is narrow.

const GAP = 8; // CSS pixels
const SHARE = 0.44; // of the stage that a film beside or above the bodies may take

/** The largest box of this aspect in a width and a height, in its middle. */
function within(aspect, width, height) {
  const wide = Math.min(width, height * aspect);
  return { left: (width - wide) / 2, top: (height - wide / aspect) / 2, width: wide, height: wide / aspect };
}

function put(element, box) {
  for (const [side, size] of Object.entries(box)) element.style[side] = `${Math.round(size)}px`;
}

/** Place the film and the picture of the bodies on the stage. */
export function layOut(stage, film, picture, aspect, view, filmShown) {
  const [width, height] = [stage.clientWidth, stage.clientHeight];
  film.hidden = !filmShown;
  if (view === "camera") {
    const box = within(aspect, width, height);
    put(film, box);
    put(picture, box);
  } else if (!filmShown) {
    put(picture, { left: 0, top: 0, width, height });
  } else if (width > height) {
    const box = within(aspect, SHARE * width, height);
    put(film, { ...box, left: 0 });
    put(picture, { left: box.width + GAP, top: 0, width: width - box.width - GAP, height });
  } else {
    const box = within(aspect, width, SHARE * height);
    put(film, { ...box, top: 0 });
    put(picture, { left: 0, top: box.height + GAP, width, height: height - box.height - GAP });
  }
}
