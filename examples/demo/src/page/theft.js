// The theft, in two steps: what each party holds, and what the server sees.

import { $, element, say } from "./dom.js";
import { hold, laneOf, mark } from "./lanes.js";
import { addRow, fillRow } from "./log.js";

const BETWEEN_STEPS = 900;

let mine;
let owner = "";

// `ask` sends a request of the page; `lost` is told that the session is over.
export function prepare(ask, lost) {
  $("steal").addEventListener("click", async () => {
    reset();
    $("steal").disabled = true;
    const { status, body } = await ask("POST", "/demo/steal/use-copy");
    if (status !== 200) return;
    for (const step of body) {
      await thiefs(step);
      await pause();
    }
    tell("you", "You know nothing of it", `Your browser still holds T${mine}. So far the server cannot tell who is who.`);
    $("come-back").disabled = false;
    $("come-back").focus();
  });

  $("come-back").addEventListener("click", async () => {
    $("come-back").disabled = true;
    const { status, body } = await ask("POST", "/auth/refresh", { quiet: true });
    if (status !== 401) return tell("server", `${status}: the copy was not found out`, body?.detail ?? "");
    tell("you", `You send T${mine}: 401`, `An honest browser is one generation behind at most. Yours is further: so T${mine} has two
      holders. Which of them is honest the server cannot know, so it ends the session.`);
    $("you-hold").textContent = "a dead token";
    $("server-expects").textContent = "nothing: ended";
    await pause();
    const again = await ask("POST", "/demo/steal/use-again", { quiet: true });
    if (again.status === 200) {
      await thiefs(again.body);
      $("thief-holds").textContent = "a dead token";
    }
    lost("Your session has ended before its thief could go on: the server saw that its refresh token has two holders.");
  });
}

// Who has logged in, with which generation; nobody without one.
export function owns(who, generation) {
  if (who && who !== owner) reset();
  owner = who ?? "";
  mine = generation ?? mine;
  $("steal").disabled = !who;
  if (!who) $("come-back").disabled = true;
  else if (!$("story").children.length) $("you-hold").textContent = $("server-expects").textContent = name(mine);
}

function reset() {
  $("story").replaceChildren();
  $("come-back").disabled = true;
  $("thief-holds").textContent = "nothing";
  $("you-hold").textContent = $("server-expects").textContent = name(mine);
  say("");
}

async function thiefs({ request, ahead, generation, received, status, note }) {
  const when = ahead ? `, ${ahead} s later` : "";
  const row = addRow(`${request}${when}`);
  row.line.classList.add("theft");
  fillRow(row, { status, note, who: "thief", generation });
  const lane = laneOf(generation);
  mark(lane, { status, request: `thief: ${request}`, owner: "thief" });
  tell("thief", `The thief sends T${generation}${when}: ${status}`, `${note[0].toUpperCase()}${note.slice(1)}.`);
  if (received === null) return;
  hold(received, "thief", "thief", lane);
  $("thief-holds").textContent = $("server-expects").textContent = name(received);
}

function tell(who, what, why) {
  $("story").append(element("li", { className: who }, element("b", { textContent: what }), ` ${why}`));
}

function name(generation) {
  return generation === undefined ? "-" : `T${generation}`;
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, BETWEEN_STEPS));
}
