// The table of requests, newest first.

import { $, element, timeOfDay } from "./dom.js";

const MOST_ROWS = 200;
const CELLS = ["time", "request", "status", "who", "generation", "renewed", "took"];
const RENEWED = { access: "access token", both: "both tokens", removed: "cookies removed" };

// Adds a row for a request in progress.
export function addRow(request) {
  const row = { line: element("tr", { className: "new" }) };
  for (const cell of CELLS) {
    row[cell] = element("span");
    row.line.append(element("td", { className: cell === "took" ? "number" : cell }, row[cell]));
  }
  row.time.textContent = timeOfDay(new Date());
  row.request.textContent = request;
  row.status.textContent = "…";
  $("log").prepend(row.line);
  while ($("log").children.length > MOST_ROWS) $("log").lastChild.remove();
  $("empty").hidden = true;
  return row;
}

export function fillRow(row, { status, note, who, generation, renewed, took }) {
  row.status.textContent = status || "failed";
  row.status.className = `tag ${status >= 500 || !status ? "bad" : status >= 400 ? "warm" : "good"}`;
  if (note) row.request.append(element("small", { textContent: note }));
  row.who.textContent = who ?? "";
  row.generation.textContent = generation === undefined ? "" : `T${generation}`;
  if (took !== undefined) row.took.textContent = took < 1000 ? `${took.toFixed(0)} ms` : `${(took / 1000).toFixed(1)} s`;
  if (RENEWED[renewed]) {
    const className = renewed === "both" ? "tag good" : "tag";
    row.renewed.append(element("span", { className, textContent: RENEWED[renewed] }));
  }
}

$("clear").addEventListener("click", () => {
  $("log").replaceChildren();
  $("empty").hidden = false;
});
