// The guide's hook, in React with a small DOM.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Window } from "happy-dom";

import { SERVICE, responseOf, settle, startPage, tokenOf } from "./support.js";

const server = startPage();
const { window } = new Window({ url: "https://app.example/" });
Object.assign(globalThis, { window, document: window.document, IS_REACT_ACT_ENVIRONMENT: true });

const { StrictMode, act, createElement } = await import("react");
const { createRoot, hydrateRoot } = await import("react-dom/client");
const { renderToString } = await import("react-dom/server");

/** The hook as the guide shows it, as a new module. */
async function loadHook(name) {
  const guide = await readFile(new URL("../../src/guide/clients.md", import.meta.url), "utf8");
  const code = guide.split("## React")[1].split("```js\n")[1].split("```")[0];
  assert.ok(code.trim().split("\n").length <= 15, "a hook of fifteen lines");
  const linked = code
    .replace("https://api.example.com", SERVICE)
    .replace("services:", `name: ${JSON.stringify(name)}, services:`)
    .replaceAll(/from "(.*)"/g, (_, specifier) => `from "${import.meta.resolve(specifier)}"`);
  return import(`data:text/javascript,${encodeURIComponent(linked)}`);
}

function component({ useAuth }) {
  return function User() {
    const { loggedIn, subject } = useAuth();
    return `${loggedIn} ${subject}`;
  };
}

async function renderStrict(name) {
  const hook = await loadHook(name);
  const User = component(hook);
  const container = window.document.createElement("div");
  const root = createRoot(container);
  await act(async () => {
    root.render(createElement(StrictMode, null, createElement(User), " and ", createElement(User)));
    await settle();
  });
  return { ...hook, container, root };
}

async function change(work) {
  await act(async () => {
    await work();
    await settle();
  });
}

test("in StrictMode it finds the session with one refresh, and renders each change of the user", async () => {
  server.cookie = "alice";
  const { getAuth, container, root } = await renderStrict("strict");
  assert.equal(container.textContent, "true alice and true alice");
  assert.deepEqual(server.requests.splice(0), ["/auth/refresh"]);

  await change(() => getAuth().adopt(responseOf("bob")));
  assert.equal(container.textContent, "true bob and true bob");
  await change(() => getAuth().logout());
  assert.equal(container.textContent, "false null and false null");
  // Another tab.
  const tab = new BroadcastChannel("tower-refresh strict");
  await change(() => tab.postMessage({ kind: "login", access: tokenOf("alice"), endsAt: Infinity }));
  assert.equal(container.textContent, "true alice and true alice");

  await act(async () => root.unmount());
  await change(() => tab.postMessage({ kind: "logout", former: "alice" }));
  tab.close();
  assert.equal(getAuth().loggedIn, false, "the session goes on without components");
  getAuth().close();
});

test("a page without a session renders that there is none", async () => {
  server.cookie = null;
  const { getAuth, container, root } = await renderStrict("anonymous");
  assert.equal(container.textContent, "false null and false null");
  await act(async () => root.unmount());
  getAuth().close();
});

test("a server renders it without a page, and the browser hydrates that", async (t) => {
  const hook = await loadHook("hydrated");
  const User = component(hook);
  const { location } = globalThis;
  globalThis.location = undefined;
  const html = renderToString(createElement(User));
  globalThis.location = location;
  assert.equal(html, "undefined null");

  server.cookie = "alice";
  const errors = t.mock.method(console, "error", () => {});
  const container = window.document.createElement("div");
  container.innerHTML = html;
  let root;
  await change(() => { root = hydrateRoot(container, createElement(User), { onRecoverableError: (error) => assert.fail(error) }); });
  assert.equal(container.textContent, "true alice");
  assert.deepEqual(errors.mock.calls.map((call) => call.arguments), []);
  await act(async () => root.unmount());
  hook.getAuth().close();
});
