// The last minute as a picture. Each generation of the refresh token has a lane, with the lifetimes of access tokens and the
// requests. The table has the same information for users who cannot see the picture.

import { $ } from "./dom.js";

const TICK = 15_000;
const FUTURE = TICK;
const LEFT = 52;
const NARROW = 420;
const HEIGHT = 60;
const TOP = 22;
const MIDDLE = 23;
// The places of the requests of one burst: down, then to the right.
const ROWS = [0, -9, 9, 18];
const PITCH = 8.5;
const BURST = 400;

const namespace = "http://www.w3.org/2000/svg";
const lanes = [];
const links = [];

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(namespace, name);
  set(made, attributes);
  made.append(...children);
  return made;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

const axis = shape("g", { class: "axis" });
const ground = shape("g");
const over = shape("svg", { class: "clip" });
const now = shape("line", { class: "now" });
const picture = shape("svg", {
  role: "img",
  "aria-label": "A lane for each generation of the refresh token, with the requests of the last minute. The table has the same information.",
}, axis, ground, over);
const hint = document.createElement("p");
hint.className = "hint";
hint.textContent = "Log in to see a lane for each generation of your refresh token.";
over.append(now);
$("lanes").append(hint, picture);

// Opens a lane for the generation that `holder` has from now on, received for a token of `parent`; closes the holder's previous
// lane.
export function open(generation, holder, owner, parent) {
  const before = lanes.findLast((lane) => lane.owner === owner && !lane.to);
  if (before?.generation === generation && before.holder === holder) return before;
  const lane = add(generation, holder, owner);
  if (before) close(before, lane.from);
  const from = parent ?? before;
  if (from?.generation < generation) link(from, lane);
  return lane;
}

function add(generation, holder, owner) {
  const lane = {
    generation, holder, owner, from: Date.now(), lives: [], marks: [], burst: { at: 0, count: 0 },
    label: shape("text", { class: "label", x: 2 }),
    held: shape("rect", { class: "held", y: 3, height: HEIGHT - 8, rx: 8 }),
    inside: shape("svg", { class: "clip", height: HEIGHT }),
  };
  lane.label.append(generation === undefined ? "none" : `T${generation}`, shape("tspan", { x: 2, dy: 14 }));
  lane.label.lastChild.textContent = holder;
  lane.inside.append(lane.held);
  lane.group = shape("g", { class: `lane ${owner}` }, lane.label, lane.inside);
  ground.append(lane.group);
  lanes.push(lane);
  return lane;
}

function close(lane, at) {
  lane.to ??= at;
  for (const life of lane.lives) life.to = Math.min(life.to, at);
}

function link(from, to) {
  const line = shape("line", { class: `link ${to.owner}` });
  over.prepend(line);
  links.push({ line, from, to, at: to.from });
}

// A new access token in this lane replaces the one before.
export function addLife(lane, milliseconds) {
  const at = Date.now();
  for (const { lives } of lanes) for (const life of lives) life.to = Math.min(life.to, at);
  const life = { from: at, to: at + milliseconds, past: shape("rect", { class: "life" }), coming: shape("rect", { class: "life coming" }) };
  for (const bar of [life.past, life.coming]) set(bar, { y: HEIGHT - 13, height: 5, rx: 2.5 });
  lane.inside.append(life.past, life.coming);
  lane.lives.push(life);
}

// A request with its response.
export function mark(lane, { status, renewed, request, took = 0, owner = "you" }) {
  const at = Date.now();
  if (at - lane.burst.at > BURST) lane.burst = { at, count: 0 };
  const place = lane.burst.count++;
  const kind = status >= 400 || !status ? "cross" : { both: "diamond", access: "ring" }[renewed] ?? "dot";
  const drawing = {
    dot: () => [shape("circle", { r: 4 })],
    ring: () => [shape("circle", { r: 2.5 }), shape("circle", { class: "outer", r: 5.5 })],
    diamond: () => [shape("path", { d: "M0-7 7 0 0 7-7 0Z" })],
    cross: () => [shape("path", { class: "outer", d: "M-4-4 4 4M4-4-4 4" })],
  }[kind]();
  const mark = { at: lane.burst.at, row: place % ROWS.length, column: Math.floor(place / ROWS.length) };
  mark.title = shape("title");
  mark.title.textContent = `${request}: ${status || "failed"}`;
  mark.shape = shape("g", { class: `mark ${kind} ${owner}` }, mark.title, ...drawing);
  if (took > BURST) {
    mark.wait = { from: at - took, line: shape("line", { class: "wait", y1: MIDDLE, y2: MIDDLE }) };
    lane.inside.append(mark.wait.line);
  }
  lane.inside.append(mark.shape);
  lane.marks.push(mark);
}

// The open lane of this generation, else the newest open lane.
export function laneOf(generation) {
  const current = lanes.filter((lane) => !lane.to);
  return current.findLast((lane) => lane.generation === generation) ?? current.at(-1);
}

// The session has ended, for all holders of its tokens.
export function endAll(why) {
  for (const lane of lanes.filter((lane) => !lane.to)) {
    close(lane, Date.now());
    lane.why = shape("text", { class: "why", y: MIDDLE + 4 });
    lane.why.textContent = why;
    lane.inside.append(lane.why);
  }
}

// ---- drawing

function draw() {
  const time = Date.now();
  const width = Math.max(0, picture.clientWidth - LEFT);
  const past = width < NARROW ? 2 * TICK : 4 * TICK;
  for (const lane of lanes.filter((lane) => lane.to < time - past)) {
    lane.group.remove();
    lanes.splice(lanes.indexOf(lane), 1);
  }
  for (const gone of links.filter((link) => !lanes.includes(link.from) || !lanes.includes(link.to))) {
    gone.line.remove();
    links.splice(links.indexOf(gone), 1);
  }
  hint.hidden = lanes.length > 0;
  picture.classList.toggle("none", lanes.length === 0);
  const height = TOP + lanes.length * HEIGHT;
  const x = (at) => ((at - time + past) / (past + FUTURE)) * width;
  set(picture, { height });
  set(over, { x: LEFT, width, height });
  set(now, { x1: x(time), x2: x(time), y1: TOP - 4, y2: height });
  drawAxis(x, past, time);
  lanes.forEach((lane, index) => drawLane(lane, TOP + index * HEIGHT, width, x, time));
  for (const { line, from, to, at } of links) {
    const [y1, y2] = [from, to].map((lane) => TOP + lanes.indexOf(lane) * HEIGHT + MIDDLE);
    set(line, { x1: x(at), x2: x(at), y1, y2 });
  }
}

function drawAxis(x, past, time) {
  const ticks = [];
  for (let at = -past; at <= FUTURE; at += TICK) ticks.push(at);
  while (axis.childElementCount > ticks.length) axis.lastChild.remove();
  while (axis.childElementCount < ticks.length) axis.append(shape("text"));
  ticks.forEach((at, index) => {
    const text = axis.children[index];
    const anchor = index === 0 ? "start" : at === FUTURE ? "end" : "middle";
    set(text, { x: LEFT + x(time + at), y: 11, "text-anchor": anchor });
    text.textContent = at === 0 ? "now" : `${at > 0 ? "+" : "−"}${Math.abs(at / 1000)} s`;
  });
}

function drawLane(lane, y, width, x, time) {
  set(lane.label, { y: y + MIDDLE - 3 });
  lane.group.classList.toggle("over", Boolean(lane.to));
  set(lane.inside, { x: LEFT, y, width });
  span(lane.held, x(lane.from), lane.to ? x(lane.to) : width + 20);
  for (const { from, to, past, coming } of lane.lives) {
    span(past, x(from), x(Math.min(to, time)));
    span(coming, x(Math.max(from, Math.min(time, to))), x(to));
  }
  for (const { at, row, column, shape, wait } of lane.marks) {
    set(shape, { transform: `translate(${x(at) + column * PITCH} ${MIDDLE + ROWS[row]})` });
    if (wait) set(wait.line, { x1: x(wait.from), x2: x(at) });
  }
  if (lane.why) set(lane.why, { x: x(lane.to) + 14 });
}

function span(bar, from, to) {
  set(bar, { x: Math.min(from, to), width: Math.max(0, to - from) });
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
setInterval(() => {
  if (!document.hidden && (!calm.matches || Date.now() % 1000 < 100)) draw();
}, 100);
