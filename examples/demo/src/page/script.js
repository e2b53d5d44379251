// The page's requests send cookies that it cannot read. The x-demo-… headers of the responses describe them. No code here
// renews a token, retries a request or stores a secret.

import { $, duration, element, say, timeOfDay } from "./dom.js";
import { addLife, endAll, laneOf, mark, open } from "./lanes.js";
import { addRow, fillRow } from "./log.js";
import { prepare, setOwner } from "./theft.js";

// A response describes the expiry of the refresh token only when it sets one. It is stored for other tabs and reloads.
const REFRESH_ENDS = "demo-refresh-ends";

// Until the browser has registered its key.
const REGISTRATION = 1000;

// The page that needed a login. The server puts it here only if it is a path of this site.
const NEXT = document.querySelector("meta[name=next]").content;

// Times of the server are in seconds, and the cookie of a bound session is removed 15 s before its token expires.
const ROUNDING = 20_000;

let user = null;
let generation;
let access = { endsAt: 0, life: 1 };
let serverAhead = 0;
// Whether this access token came from the device, and whether the list says that the session has given a proof.
const device = { isBound: false, isConfirmed: false };

// Sends a request and shows it. Returns { status, body, next }: `next` is the address of the next page of a list.
async function send(method, path, json) {
  const request = `${method} ${path}`;
  const row = addRow(request);
  const started = performance.now();
  try {
    const response = await fetch(path, {
      method,
      headers: json ? { "content-type": "application/json" } : {},
      body: json ? JSON.stringify(json) : undefined,
      cache: "no-store",
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    const body = isJson && text ? JSON.parse(text) : null;
    const took = performance.now() - started;
    const answer = { status: response.status, body, took, request, ...readHeaders(response) };
    const who = body?.sub ?? (answer.status < 300 ? user?.sub : undefined) ?? json?.username;
    fillRow(row, { ...answer, note: body?.detail, who });
    readUser(answer);
    draw(answer, who);
    return answer;
  } catch {
    fillRow(row, { status: 0 });
    say("The server cannot be reached.");
    return { status: 0, body: null };
  }
}

// Reads the demo's headers, which describe the cookies.
function readHeaders({ headers }) {
  const date = Date.parse(headers.get("date"));
  if (date) serverAhead = date - Date.now();
  const life = Number(headers.get("x-demo-expires-in")) * 1000;
  if (life) access = { endsAt: Date.now() + life, life };
  const refreshLife = Number(headers.get("x-demo-refresh-expires-in")) * 1000;
  if (refreshLife) localStorage.setItem(REFRESH_ENDS, JSON.stringify({ endsAt: Date.now() + refreshLife, life: refreshLife }));
  const held = headers.get("x-demo-generation");
  const isOffered = headers.has("secure-session-registration");
  const next = /<([^>]*)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
  return { renewed: headers.get("x-demo-renewed"), generation: held === null ? undefined : Number(held), life, next, isOffered };
}

// A browser refreshes a bound session by itself, before a request leaves. The user of the next response shows it.
function readUser(answer) {
  if (answer.body?.exp === undefined) return;
  const left = answer.body.exp * 1000 - serverAhead - Date.now();
  if (left > 0 && left > access.endsAt - Date.now() + ROUNDING) {
    access = { endsAt: Date.now() + left, life: left };
    answer.life = left;
  }
  device.isBound = answer.body.device_bound;
  showDevice();
}

function draw(answer, who) {
  if (answer.generation === undefined || answer.renewed === "removed") return;
  if (answer.status < 400) {
    if (answer.request === "POST /login") endAll("replaced");
    // A response that was overtaken has an old generation.
    if (generation === undefined || answer.generation >= generation || answer.request === "POST /login") {
      generation = answer.generation;
      $("generation").textContent = `T${generation}`;
    }
    const lane = open(generation, user?.sub ?? who ?? "you", "you");
    if (answer.life) addLife(lane, answer.life);
  }
  // The requests that control the demonstration are not shown.
  const lane = answer.request.includes("/demo/") ? undefined : laneOf(answer.generation);
  if (lane) mark(lane, answer);
}

// ---- who is logged in

async function checkLogin() {
  const { body } = await send("GET", "/public");
  if (body?.authenticated) await loadUser();
}

async function loadUser() {
  const { status, body } = await send("GET", "/me");
  if (status !== 200) return;
  show(body);
  await list();
}

function showDevice() {
  $("device").textContent = !device.isBound ? "Not bound to a device."
    : device.isConfirmed ? "Bound to this device: the browser proves its key."
    : "Bound to this device. It counts from the first proof on: let the access token expire, and send a request.";
}

function show(me) {
  user = me;
  for (const id of ["user-card", "sessions-card"]) $(id).hidden = !me;
  $("login-card").hidden = Boolean(me);
  setOwner(me?.sid, me ? generation : undefined);
  if (!me) {
    $("steadily").checked = false;
    generation = undefined;
    return;
  }
  $("user-name").textContent = me.name;
  $("user-scope").textContent = `${me.sub}, scope ${me.scope || "none"}`;
  $("session").textContent = me.sid;
}

function lost(why, drawn = "ended") {
  endAll(drawn);
  show(null);
  say(why);
  $("login-form").querySelector("button").focus();
}

// Sends a request that needs a user. If it is rejected, the page shows the login form; with `quiet` the caller handles that.
async function ask(method, path, { quiet = false } = {}) {
  const answer = await send(method, path);
  if (answer.status === 401 && user && !quiet) lost(await whyEnded(user.sid));
  else if (answer.renewed === "both" && user) setOwner(user.sid, generation);
  return answer;
}

// The 401 does not say why: it is the same for everyone who presents the tokens.
async function whyEnded(session) {
  const answer = await fetch(`/demo/ended/${session}`).catch(() => null);
  const reason = answer?.ok ? (await answer.json()).reason : null;
  return reason === "suspicious"
    ? "Logged out: another browser used this session, so the server ended it as suspicious."
    : "Logged out: the session has ended.";
}

async function login(username, password) {
  const { status, body, isOffered } = await send("POST", "/login", { username, password });
  if (status !== 200) return say(body?.detail ?? "The login failed.");
  say("");
  if (NEXT) return location.assign(NEXT);
  await loadUser();
  // The browser, if it can, registers its key meanwhile.
  if (isOffered) setTimeout(() => user && ask("GET", "/me"), REGISTRATION);
  $("one").focus();
}

$("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  login(form.get("username"), form.get("password"));
});
for (const button of document.querySelectorAll("[data-user]")) {
  button.addEventListener("click", () => login(button.dataset.user, `${button.dataset.user}-password`));
}

setInterval(() => {
  if (!user) return;
  const left = access.endsAt - Date.now();
  $("life").value = Math.max(0, left / access.life);
  $("time-left").textContent = left > 0 ? `${duration(left)} left` : "expired";
  const refresh = JSON.parse(localStorage.getItem(REFRESH_ENDS));
  const refreshLeft = (refresh?.endsAt ?? 0) - Date.now();
  $("refresh-life").value = refreshLeft > 0 ? refreshLeft / refresh.life : 0;
  $("refresh-time-left").textContent = refreshLeft > 0 ? `${duration(refreshLeft)} left` : "-";
}, 200);

// ---- requests

$("one").addEventListener("click", async () => {
  const wasConfirmed = device.isConfirmed;
  await ask("GET", "/me");
  // The first proof makes the difference.
  if (device.isBound && !wasConfirmed) await list();
});
$("twenty").addEventListener("click", () => Array.from({ length: 20 }, () => ask("GET", "/me")));
$("slow").addEventListener("click", () => ask("GET", "/slow?ms=5000"));
$("admins").addEventListener("click", () => ask("GET", "/admin"));
$("refresh").addEventListener("click", () => ask("POST", "/auth/refresh"));
$("expire").addEventListener("click", async () => {
  await send("POST", "/demo/expire");
  access.endsAt = Date.now();
});
$("steal").addEventListener("click", () => { $("steadily").checked = false; });
setInterval(() => {
  if ($("steadily").checked) ask("GET", "/me");
}, 2000);

// ---- sessions

const LIST = "/auth/sessions";

async function list() {
  const { status, body, next } = await ask("GET", LIST);
  if (status !== 200) return;
  device.isConfirmed = body.some((session) => session.current && session.device_bound);
  showDevice();
  $("sessions").replaceChildren(...body.map(item));
  showNext(next);
}

// The first page has at most a hundred sessions.
async function listMore() {
  const { status, body, next } = await ask("GET", LIST + $("more").dataset.next);
  if (status !== 200) return;
  $("sessions").append(...body.map(item));
  showNext(next);
}

function showNext(next) {
  $("more").hidden = !next;
  $("more").dataset.next = next ?? "";
}

function item(session) {
  const since = timeOfDay(new Date(session.created_at));
  const used = timeOfDay(new Date(session.last_used_at));
  const details = element("small", { textContent: `since ${since}, rotated ${used}${session.device_bound ? ", bound to its device" : ""}` });
  const end = element("button", { textContent: "End" });
  end.setAttribute("aria-label", `End the session since ${since}`);
  end.addEventListener("click", async () => {
    await ask("DELETE", `/auth/sessions/${session.handle}`);
    if (session.current) lost("Logged out: you ended this session.");
    else list();
  });
  const name = element("div", {}, `${browser(session.user_agent)}, ${session.ip ?? "address unknown"}`, details);
  if (session.current) details.before(" ", element("span", { className: "tag good", textContent: "this one" }));
  return element("li", {}, name, end);
}

function browser(agent) {
  const [name] = /Edg|Firefox|Chrom(e|ium)|Safari|curl/.exec(agent ?? "") ?? [agent?.split("/")[0] ?? "unknown client"];
  return name === "Edg" ? "Edge" : name;
}

$("reload").addEventListener("click", list);
$("more").addEventListener("click", listMore);
$("logout").addEventListener("click", async () => {
  if ((await send("POST", "/auth/logout")).status === 204) lost("", "logged out");
});
$("logout-everywhere").addEventListener("click", async () => {
  if ((await ask("POST", "/auth/logout-everywhere")).status === 204) lost("", "logged out");
});

// The browser may show the page again as it was left, and the session may have ended since.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

prepare(ask, lost);
checkLogin();
