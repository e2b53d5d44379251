// Helpers of the page's scripts.

export const $ = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Shows a message, also to screen readers.
export function say(text, good = false) {
  $("notice").textContent = text;
  $("notice").className = good ? "good" : "";
}

export function timeOfDay(date) {
  return date.toLocaleTimeString([], { hour12: false });
}

// The two largest units of a time in milliseconds.
export function duration(ms) {
  const seconds = Math.ceil(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = Math.max(0, parts.findIndex(([count]) => count > 0));
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ") || "0 s";
}
