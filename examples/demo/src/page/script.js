// The page's requests carry cookies that it cannot read. What it knows of them the demo tells in x-demo-… headers; nothing
// here renews a token, retries a request or stores a secret.

const $ = (id) => document.getElementById(id);
const MOST_ROWS = 200;

let user = null;
let token = { endsAt: 0, life: 1 };
let serverAhead = 0;

// Sends a request and adds it to the timeline. Returns { status, body }.
async function send(method, path, json) {
  const row = addRow(`${method} ${path}`);
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
    fillRow(row, response, body, performance.now() - started);
    learn(response);
    return { status: response.status, body };
  } catch {
    row.status.textContent = "failed";
    row.status.className = "tag bad";
    say("The server cannot be reached.");
    return { status: 0, body: null };
  }
}

// What the demo's headers tell of the cookies.
function learn({ headers }) {
  const date = Date.parse(headers.get("date"));
  if (date) serverAhead = date - Date.now();
  const life = Number(headers.get("x-demo-expires-in"));
  if (life) token = { endsAt: Date.now() + life * 1000, life: life * 1000 };
  const generation = headers.get("x-demo-generation");
  if (generation) $("generation").textContent = `generation ${generation}`;
}

// ---- the timeline

function addRow(request) {
  const cells = ["time", "request", "status", "who", "generation", "renewed", "took"];
  const row = { line: element("tr", { className: "new" }) };
  for (const cell of cells) {
    const inner = element("span");
    row[cell] = inner;
    row.line.append(element("td", { className: cell === "took" ? "number" : "" }, inner));
  }
  row.time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  row.request.textContent = request;
  row.status.textContent = "…";
  $("timeline").prepend(row.line);
  while ($("timeline").children.length > MOST_ROWS) $("timeline").lastChild.remove();
  $("empty").hidden = true;
  return row;
}

function fillRow(row, { status, headers }, body, took) {
  fillStatus(row, status);
  if (body?.detail) row.request.append(element("small", { textContent: body.detail }));
  row.who.textContent = body?.sub ?? (status < 300 ? user?.sub ?? "" : "");
  row.generation.textContent = headers.get("x-demo-generation") ?? "";
  row.took.textContent = took < 1000 ? `${took.toFixed(0)} ms` : `${(took / 1000).toFixed(1)} s`;
  const renewed = headers.get("x-demo-renewed");
  const what = { access: "access token", both: "both tokens", removed: "cookies removed" }[renewed];
  if (what) row.renewed.append(element("span", { className: renewed === "both" ? "tag good" : "tag", textContent: what }));
}

function fillStatus(row, status) {
  row.status.textContent = status;
  row.status.className = `tag ${status < 400 ? "good" : status < 500 ? "warm" : "bad"}`;
}

function say(text, good = false) {
  $("notice").textContent = text;
  $("notice").className = good ? "good" : "";
}

// ---- who is logged in

async function look() {
  const { body } = await send("GET", "/public");
  if (body?.authenticated) await welcome();
}

async function welcome() {
  const { status, body } = await send("GET", "/me");
  if (status !== 200) return;
  show(body);
  const left = body.exp * 1000 - serverAhead - Date.now();
  if (token.endsAt < Date.now()) token = { endsAt: Date.now() + left, life: Math.max(left, 1) };
  await list();
}

function show(me) {
  user = me;
  for (const id of ["user-card", "sessions-card", "theft-card"]) $(id).hidden = !me;
  $("login-card").hidden = Boolean(me);
  $("steal").disabled = !me;
  if (!me) {
    $("steadily").checked = false;
    return;
  }
  $("user-name").textContent = me.name;
  $("user-scope").textContent = `${me.sub}, scope ${me.scope || "none"}`;
  $("session").textContent = me.sid;
}

function lost(why) {
  show(null);
  say(why);
  $("login-form").querySelector("button").focus();
}

// Sends a request that needs a user, and notices when there is none any more.
async function ask(method, path) {
  const answer = await send(method, path);
  if (answer.status === 401 && user) lost("Logged out: the session has ended.");
  return answer;
}

async function login(username, password) {
  const { status, body } = await send("POST", "/login", { username, password });
  if (status !== 200) return say(body?.detail ?? "The login failed.");
  say("");
  await welcome();
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
  const left = token.endsAt - Date.now();
  $("life").value = Math.max(0, left / token.life);
  $("time-left").textContent = left > 0 ? `${Math.ceil(left / 1000)} s left` : "expired";
}, 200);

// ---- requests

$("one").addEventListener("click", () => ask("GET", "/me"));
$("twenty").addEventListener("click", () => Array.from({ length: 20 }, () => ask("GET", "/me")));
$("slow").addEventListener("click", () => ask("GET", "/slow?ms=5000"));
$("admins").addEventListener("click", () => ask("GET", "/admin"));
$("refresh").addEventListener("click", () => ask("POST", "/auth/refresh"));
$("clear").addEventListener("click", () => {
  $("timeline").replaceChildren();
  $("empty").hidden = false;
});
setInterval(() => {
  if ($("steadily").checked) ask("GET", "/me");
}, 2000);

// ---- sessions

async function list() {
  const { status, body } = await ask("GET", "/auth/sessions");
  if (status === 200) $("sessions").replaceChildren(...body.map(item));
}

function item(session) {
  const since = new Date(session.created_at).toLocaleTimeString([], { hour12: false });
  const used = new Date(session.last_used_at).toLocaleTimeString([], { hour12: false });
  const details = element("small", { textContent: `since ${since}, rotated ${used}` });
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
$("logout").addEventListener("click", async () => {
  if ((await send("POST", "/auth/logout")).status === 204) lost("");
});
$("logout-everywhere").addEventListener("click", async () => {
  if ((await ask("POST", "/auth/logout-everywhere")).status === 204) lost("");
});

// ---- the theft

const BETWEEN_STEPS = 900;

$("steal").addEventListener("click", async () => {
  $("steal").disabled = true;
  $("steadily").checked = false;
  const { status, body } = await ask("POST", "/demo/steal");
  for (const step of status === 200 ? body : []) {
    tell(step);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_STEPS));
  }
  if (status === 200 && (await send("GET", "/me")).status === 401) {
    lost("Your session has ended: the server saw that its refresh token was copied. Thief and owner are both out.");
  }
  $("steal").disabled = !user;
});

function tell({ who, request, ahead, generation, status, note }) {
  const row = addRow(request);
  row.line.classList.add("theft");
  if (ahead) row.time.textContent = `${ahead} s later`;
  row.request.append(element("small", { textContent: note }));
  fillStatus(row, status);
  row.who.textContent = who;
  row.generation.textContent = generation ?? "";
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

look();
