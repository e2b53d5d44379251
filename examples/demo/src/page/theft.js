// The theft in two steps: the token of each party, and the requests that the server receives.

import { $, element, say } from "./dom.js";
import { laneOf, mark, open } from "./lanes.js";
import { addRow, fillRow } from "./log.js";

const BETWEEN_STEPS = 900;

let mine;
let owner = "";

// `ask` sends a request of the page; `lost` is called when the session has ended.
export function prepare(ask, lost) {
  $("steal").addEventListener("click", async () => {
    reset();
    $("steal").disabled = true;
    const { status, body } = await ask("POST", "/demo/steal/use-copy");
    if (status !== 200) return;
    for (const step of body) {
      await showStep(step);
      await pause();
    }
    if (body.at(-1).status !== 200) return refused(ask);
    narrate("you", "You have not noticed", `Your browser still has T${mine}. So far the server cannot distinguish you from the thief.`);
    $("come-back").disabled = false;
    $("come-back").focus();
  });

  $("come-back").addEventListener("click", async () => {
    $("come-back").disabled = true;
    const { status, body } = await ask("POST", "/auth/refresh", { quiet: true });
    if (status === 200) return prove(ask);
    if (status !== 401) return narrate("server", `${status}: the copy was not detected`, body?.detail ?? "");
    narrate("you", `You send T${mine}: 401`, `An honest browser is at most one generation behind. Yours is further behind, so T${mine} has two
      holders. The server cannot know which of them is honest, so it ends the session.`);
    $("you-hold").textContent = "an invalid token";
    $("server-expects").textContent = "nothing: ended";
    await pause();
    const again = await ask("POST", "/demo/steal/use-again", { quiet: true });
    if (again.status === 200) {
      await showStep(again.body);
      $("thief-holds").textContent = "an invalid token";
    }
    lost("Your session has ended, and the thief can no longer use it: the server detected that the refresh token has two holders.");
  });
}

// The session is bound, and the server enforces it.
async function refused(ask) {
  const { status } = await ask("GET", "/me");
  narrate("you", `You send a request: ${status}`, "The copy has changed nothing for you, and it is worth nothing to the thief.");
  $("steal").disabled = false;
}

// The session is bound, but the browser had given no proof, so the thief could use the copy.
async function prove(ask) {
  await ask("POST", "/demo/expire");
  const { status } = await ask("GET", "/me");
  narrate("you", `Your browser proves its key: ${status}`, "The session is bound to it. From this proof on the refresh token alone is not enough.");
  await pause();
  const again = await ask("POST", "/demo/steal/use-again");
  if (again.status === 200) await showStep(again.body);
  $("steal").disabled = false;
}

// Sets the session and its generation; without a session no user is logged in.
export function setOwner(session, generation) {
  if (session && session !== owner) reset();
  owner = session ?? "";
  mine = generation ?? mine;
  $("steal").disabled = !session;
  if (!session) $("come-back").disabled = true;
  else if (!$("story").children.length) $("you-hold").textContent = $("server-expects").textContent = name(mine);
}

function reset() {
  $("story").replaceChildren();
  $("come-back").disabled = true;
  $("thief-holds").textContent = "nothing";
  $("you-hold").textContent = $("server-expects").textContent = name(mine);
  say("");
}

async function showStep({ request, ahead, generation, received, status, note }) {
  const when = ahead ? `, ${ahead} s later` : "";
  const row = addRow(`${request}${when}`);
  row.line.classList.add("theft");
  fillRow(row, { status, note, who: "thief", generation });
  const lane = laneOf(generation);
  mark(lane, { status, request: `thief: ${request}`, owner: "thief" });
  narrate("thief", `The thief sends T${generation}${when}: ${status}`, `${note[0].toUpperCase()}${note.slice(1)}.`);
  if (received === null) return;
  open(received, "thief", "thief", lane);
  $("thief-holds").textContent = $("server-expects").textContent = name(received);
}

function narrate(who, what, why) {
  $("story").append(element("li", { className: who }, element("b", { textContent: what }), ` ${why}`));
}

function name(generation) {
  return generation === undefined ? "-" : `T${generation}`;
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, BETWEEN_STEPS));
}
