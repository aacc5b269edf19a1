// Everything by keyboard, and the list of it for the page's help.

const TURN = 0.12; // radians a key
const NEARER = 1.12;

/** @param page what `main.js` lets keys do */
export function bindKeys(page) {
  const { clock, view } = page;
  const actions = {
    " ": () => clock.toggle(),
    ArrowLeft: () => clock.seekTime(clock.time - 1),
    ArrowRight: () => clock.seekTime(clock.time + 1),
    ",": () => clock.step(-1),
    ".": () => clock.step(1),
    Home: () => clock.seekFrame(0),
    End: () => clock.seekFrame(Infinity),
    "[": () => page.pace(-1),
    "]": () => page.pace(1),
    c: () => page.setView(view.view === "free" ? "camera" : "free"),
    n: () => page.nextCamera(),
    v: () => page.toggleFilm(),
    p: () => page.togglePlots(),
    f: () => page.toggleFollow(),
    m: () => page.toggleSound(),
    r: () => view.home(),
    a: () => view.orbit(-TURN, 0, 1),
    d: () => view.orbit(TURN, 0, 1),
    w: () => view.orbit(0, -TURN, 1),
    s: () => view.orbit(0, TURN, 1),
    "+": () => view.orbit(0, 0, 1 / NEARER),
    "=": () => view.orbit(0, 0, 1 / NEARER),
    "-": () => view.orbit(0, 0, NEARER),
    0: () => page.showAll(),
    "?": () => page.toggleHelp(),
    ...page.editing?.keys,
  };
  for (let number = 1; number <= 9; number++) actions[number] = () => page.togglePerson(number);
  document.addEventListener("keydown", (event) => {
    const own = event.target.closest("select, input, dialog, .handle");
    const button = event.target.closest("button") && [" ", "Enter"].includes(event.key);
    if (own || button || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
