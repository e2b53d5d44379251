import assert from "node:assert/strict";
import { test } from "node:test";

import { createAuth } from "tower-refresh";

import { SERVER, SERVICE, openTab, responseOf, settle, startPage, subjectOf, tokenOf } from "./support.js";

const WHOAMI = `${SERVICE}/whoami`;

/** The channel of the tabs with this name. */
function channelOf(t, name) {
  const channel = new BroadcastChannel(`tower-refresh ${name}`);
  const messages = [];
  channel.onmessage = ({ data }) => messages.push(data);
  t.after(() => channel.close());
  return Object.assign(channel, { heard: (kind) => messages.filter((message) => message.kind === kind) });
}

test("without an origin it says what it needs", () => {
  const places = [
    [undefined, "a program on Node.js, or a server that renders pages"],
    [{ origin: "null" }, "a worker from a data: URL"],
  ];
  for (const [location, reason] of places) {
    startPage();
    globalThis.location = location;
    assert.throws(() => createAuth(), /needs a page or worker with an origin/, reason);
    assert.throws(() => createAuth({ server: SERVER }), /needs a page or worker with an origin/, reason);
  }
});

test("an origin that identifies nothing is refused", () => {
  startPage();
  const urls = [
    ["api.example.com", "a host without a scheme"],
    ["/api", "a path"],
    ["data:,x", "all such URLs have the origin null"],
  ];
  for (const [url, reason] of urls) {
    assert.throws(() => createAuth({ services: [url] }), new TypeError(`${url} has no origin, as https://example.com has`), reason);
    assert.throws(() => createAuth({ server: url }), TypeError, reason);
  }
});

test("adopt accepts the token responses of servers, and nothing else", async (t) => {
  const access_token = tokenOf("alice");
  const refused = [
    [undefined, "no argument"],
    [null, "the JSON null"],
    [Promise.resolve(responseOf("alice")), "a missing await"],
    [Response.json(responseOf("alice")), "the response itself"],
    [access_token, "only the token"],
    [{}, "an empty object"],
    [{ error: "invalid_grant" }, "an error response of RFC 6749 §5.2"],
    [{ access_token: "" }, "an empty token"],
    [{ access_token: 7 }, "a number"],
    [{ access_token: "opaque" }, "no JWT, which tower-refresh never sends"],
    [{ access_token: "e30.bm90IGpzb24.c2ln" }, "a payload that is no JSON"],
    [{ access_token: "e30.e30.c2ln" }, "a payload without sub"],
    [{ access_token: "e30.eyJzdWIiOjd9.c2ln" }, "a sub that is no string"],
    [{ access_token, token_type: "DPoP" }, "a token that must not be sent as Bearer"],
    [{ access_token, token_type: null }, "no type"],
    [{ access_token, expires_in: 0 }, "a token that has expired"],
    [{ access_token, expires_in: -1 }, "the same"],
    [{ access_token, expires_in: "soon" }, "no time"],
  ];
  const accepted = [
    [{ access_token, token_type: "Bearer", expires_in: 300 }, "the server's"],
    [{ access_token, token_type: "bearer" }, "types are case-insensitive (RFC 6749 §5.1)"],
    [{ access_token }, "the lifetime is in the token too"],
  ];
  const server = startPage();
  for (const [response, reason] of refused) {
    const tab = openTab(t);
    assert.throws(() => tab.auth.adopt(response), TypeError, reason);
    assert.deepEqual([tab.auth.loggedIn, tab.take()], [undefined, []], reason);
    tab.auth.adopt(responseOf("bob"));
    assert.throws(() => tab.auth.adopt(response), /adopt needs the JSON of the server's token response/, reason);
    assert.deepEqual([tab.auth.subject, tab.take()], ["bob", ["login bob"]], reason);
    tab.auth.close();
  }
  for (const [response, reason] of accepted) {
    const tab = openTab(t, { name: reason });
    tab.auth.adopt(response);
    assert.deepEqual([tab.auth.subject, tab.take()], ["alice", ["login alice"]], reason);
    assert.equal((await tab.auth.fetch(WHOAMI)).status, 200, reason);
  }
  assert.deepEqual(new Set(server.requests), new Set(["/whoami alice"]), "each had a usable token");
});

test("a subject may have any characters", (t) => {
  startPage();
  const { auth } = openTab(t);
  // Their UTF-8 has bytes that base64url encodes with - and _, and lengths that need padding.
  for (const subject of ["Zoë", "日本", "𝒳", "a?>~", "ÿÿÿ", "x", ""]) {
    auth.adopt(responseOf(subject));
    assert.equal(auth.subject, subject);
  }
});

test("a token without a lifetime is sent until a service rejects it", async (t) => {
  const server = startPage();
  const { auth } = openTab(t);
  const access_token = `e30.${Buffer.from('{"sub":"alice"}').toString("base64url")}.c2ln`;
  auth.adopt({ access_token });
  assert.equal((await auth.fetch(WHOAMI)).status, 200);
  assert.deepEqual(server.requests, ["/whoami alice"]);
});

test("a refresh response that is no token response is a failure of the server", async (t) => {
  startPage();
  const { auth, heard } = openTab(t);
  auth.adopt(responseOf("alice"));
  for (const body of ["<html>", "null", "{}", '{"access_token":"opaque"}']) {
    globalThis.fetch = async () => new Response(body);
    assert.equal(await auth.refresh(), false, body);
  }
  assert.deepEqual([auth.loggedIn, heard], [true, ["login alice"]]);
});

test("each change of the user is reported once, with the subject", async (t) => {
  const server = startPage();
  const [first, second] = [openTab(t), openTab(t)];
  first.auth.adopt(responseOf("alice"));
  first.auth.adopt(responseOf("alice"));
  await settle();
  assert.deepEqual([first.take(), second.take()], [["login alice"], ["login alice"]]);

  first.auth.adopt(responseOf("bob"));
  await settle();
  assert.deepEqual([first.take(), second.take()], [["login bob"], ["login bob"]]);
  assert.deepEqual([first.auth.subject, second.auth.subject], ["bob", "bob"]);
  await Promise.all([first.auth.fetch(WHOAMI), second.auth.fetch(WHOAMI)]);
  assert.deepEqual(server.requests, ["/whoami bob", "/whoami bob"], "the former user's token is dropped");

  await first.auth.logout();
  await settle();
  assert.deepEqual([first.take(), second.take()], [["logout"], ["logout"]]);
  assert.deepEqual([first.auth.subject, second.auth.loggedIn], [null, false]);
});

test("a refresh that finds another user reports it, in all tabs", async (t) => {
  const server = startPage();
  const [first, second] = [openTab(t), openTab(t)];
  first.auth.adopt(responseOf("alice"));
  await settle();
  // A login that the module has no part in: a form, or a page without it.
  server.cookie = "bob";
  const { token } = await (await first.auth.fetch(WHOAMI)).json();
  server.rejected.add(token);
  await first.auth.fetch(WHOAMI);
  await settle();
  assert.deepEqual([first.take(), second.take()], [["login alice", "login bob"], ["login alice", "login bob"]]);
});

test("tabs that disagree about the user ask the server", async (t) => {
  for (const cookie of ["alice", "bob"]) {
    const server = startPage();
    const [first, second] = [openTab(t, { name: cookie }), openTab(t, { name: `frozen ${cookie}` })];
    first.auth.adopt(responseOf("alice"));
    server.cookie = cookie;
    // The token of a tab that has missed the login, or of a response from before it.
    channelOf(t, cookie).postMessage({ kind: "token", access: tokenOf("bob"), endsAt: Infinity });
    await settle();
    assert.deepEqual(server.requests, ["/auth/refresh"]);
    assert.equal(first.auth.subject, cookie);
    assert.deepEqual(first.take(), cookie === "bob" ? ["login alice", "login bob"] : ["login alice"]);
    assert.deepEqual(second.take(), [], "another name");
  }
});

test("while the user is in doubt, requests wait, and the response to an older refresh is ignored", async (t) => {
  const server = startPage();
  const { auth, take } = openTab(t, { name: "doubt" });
  const tab = channelOf(t, "doubt");
  server.cookie = "alice";
  await auth.refresh();
  const go = server.hold();
  const refresh = auth.refresh();
  await settle();
  navigator.locks.request("tower-refresh doubt tab", { mode: "shared" }, () => new Promise(() => {}));
  server.cookie = "bob";
  tab.postMessage({ kind: "token", access: tokenOf("bob"), endsAt: Infinity });
  await settle();
  // That tab may be wrong again.
  tab.postMessage({ kind: "token", access: tokenOf("alice"), endsAt: Infinity });
  await settle();
  const request = auth.fetch(WHOAMI);
  go();
  assert.equal(await refresh, true);
  await assert.rejects(request, { name: "AbortError" });
  assert.deepEqual(take(), ["login alice", "login bob"]);
  assert.deepEqual(server.requests, ["/auth/refresh", "/auth/refresh", "/auth/refresh"]);
  assert.deepEqual(tab.heard("ask"), [], "other tabs are not asked");
});

test("a doubt that begins while a refresh ends is still cleared", async (t) => {
  const server = startPage();
  const { auth, take } = openTab(t);
  server.cookie = "alice";
  // The lock is released a moment after the response.
  let release;
  t.mock.method(navigator.locks, "request", async (...rest) => {
    const result = await rest.at(-1)();
    await new Promise((resolve) => { release = resolve; });
    return result;
  });
  const refresh = auth.refresh();
  await settle();
  server.cookie = "bob";
  globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  release();
  await refresh;
  await settle();
  release();
  assert.deepEqual(take(), ["login alice", "login bob"]);
});

test("a failing server leaves a logged-out page in doubt too", async (t) => {
  const server = startPage();
  const { auth, take } = openTab(t);
  await auth.refresh();
  const respond = globalThis.fetch;
  globalThis.fetch = async () => new Response(null, { status: 503 });
  globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await settle();
  globalThis.fetch = respond;
  server.cookie = "alice";
  assert.equal((await auth.fetch(WHOAMI)).status, 200);
  assert.deepEqual(take(), ["ended", "login alice"]);
});

test("a failing server leaves the doubt, and the next request asks again", async (t) => {
  const server = startPage();
  const { auth, take } = openTab(t);
  auth.adopt(responseOf("alice"));
  server.cookie = "bob";
  const respond = globalThis.fetch;
  globalThis.fetch = async () => new Response(null, { status: 503 });
  globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await settle();
  assert.deepEqual([auth.loggedIn, auth.subject, take()], [true, "alice", ["login alice"]]);
  globalThis.fetch = respond;
  await assert.rejects(auth.fetch(WHOAMI), { name: "AbortError" });
  assert.deepEqual(take(), ["login bob"]);
  const { token } = await (await auth.fetch(WHOAMI)).json();
  assert.equal(subjectOf(token), "bob");
});

test("a page from the back/forward cache asks the server, in any state", async (t) => {
  const rows = [
    [undefined, "alice", [], "a page that has not asked before"],
    ["alice", "bob", ["login bob"], "another user"],
    ["alice", "alice", [], "the same user"],
    ["alice", null, ["ended"], "no user"],
    [null, "alice", ["login alice"], "a user after none"],
    [null, null, [], "still no user"],
  ];
  for (const [before, after, changes, reason] of rows) {
    const server = startPage();
    const { auth, take } = openTab(t, { name: reason });
    server.cookie = before;
    if (before !== undefined) await auth.refresh();
    take();
    server.requests.length = 0;
    server.cookie = after;
    globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
    await settle();
    assert.deepEqual([take(), server.requests], [[], []], "the first display");
    globalThis.dispatchEvent(new Event("pagehide"));
    globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await settle();
    assert.deepEqual([take(), auth.subject], [changes, before === undefined ? null : after], reason);
    assert.deepEqual(server.requests, before === undefined ? [] : ["/auth/refresh"], reason);

    auth.close();
    globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    await settle();
    assert.equal(server.requests.length, before === undefined ? 0 : 1, "it is closed");
  }
});

test("a rejected request is sent again for the same user only", async (t) => {
  for (const [user, statuses, requests] of [
    ["alice", 200, ["/whoami alice", "/auth/refresh", "/whoami alice"]],
    ["bob", 401, ["/whoami alice", "/auth/refresh"]],
    [null, 401, ["/whoami alice", "/auth/refresh"]],
  ]) {
    const server = startPage();
    const { auth } = openTab(t);
    const tokens = responseOf("alice");
    auth.adopt(tokens);
    server.rejected.add(tokens.access_token);
    server.cookie = user;
    const response = await auth.fetch(WHOAMI, { method: "POST", body: "transfer" });
    assert.equal(response.status, statuses, user);
    assert.deepEqual(server.requests, requests);
    assert.equal(auth.subject, user);
    auth.close();
  }
});

test("a request that meets the login of another user is not sent again, wherever that happens", async (t) => {
  for (const path of ["/whoami", "/auth/refresh"]) {
    const server = startPage();
    const { auth } = openTab(t);
    const tokens = responseOf("alice");
    auth.adopt(tokens);
    server.rejected.add(tokens.access_token);
    server.cookie = "alice";
    server.before = async (pathname) => { if (pathname === path) auth.adopt(responseOf("bob")); };
    assert.equal((await auth.fetch(WHOAMI)).status, 401, path);
    assert.equal(server.requests.filter((request) => request.startsWith("/whoami")).length, 1, path);
    assert.equal(auth.subject, "bob");
    auth.close();
  }
});

test("without a new token a rejected request is not sent again", async (t) => {
  const server = startPage();
  const { auth } = openTab(t);
  const tokens = responseOf("alice");
  auth.adopt(tokens);
  server.rejected.add(tokens.access_token);
  const respond = globalThis.fetch;
  globalThis.fetch = async (input, init) =>
    new Request(input, init).url.endsWith("/auth/refresh") ? new Response(null, { status: 503 }) : respond(input, init);
  assert.equal((await auth.fetch(WHOAMI)).status, 401);
  assert.deepEqual([server.requests, auth.subject], [["/whoami alice"], "alice"]);
});

test("the response to a refresh from before a login is ignored, even of the same user", async (t) => {
  const server = startPage();
  const [first, second] = [openTab(t), openTab(t)];
  first.auth.adopt(responseOf("alice"));
  await settle();
  for (const login of [first, second]) {
    server.cookie = "alice";
    const go = server.hold();
    const refresh = first.auth.refresh();
    await settle();
    const tokens = responseOf("alice");
    login.auth.adopt(tokens);
    await settle();
    go();
    assert.equal(await refresh, true);
    assert.equal((await (await first.auth.fetch(WHOAMI)).json()).token, tokens.access_token);
  }
});

test("an expired token is no answer to another tab", async (t) => {
  startPage();
  openTab(t).auth.adopt({ ...responseOf("alice"), expires_in: 1e-9 });
  const other = openTab(t);
  await settle();
  assert.equal((await other.auth.fetch(WHOAMI)).status, 401);
  assert.deepEqual(other.take(), ["ended"]);
});

test("a request that waits for a token while the user changes is not sent", async (t) => {
  const server = startPage();
  const { auth } = openTab(t);
  auth.adopt({ ...responseOf("alice"), expires_in: 1e-9 });
  server.cookie = "bob";
  await settle();
  await assert.rejects(auth.fetch(WHOAMI), { name: "AbortError" });
  assert.deepEqual(server.requests, ["/auth/refresh"]);
});

test("a renewed token of the former user is ignored", async (t) => {
  startPage();
  const { auth } = openTab(t);
  auth.adopt(responseOf("alice"));
  globalThis.fetch = async () => {
    auth.adopt(responseOf("bob"));
    return new Response(null, { headers: { "x-access-token": tokenOf("alice") } });
  };
  await auth.fetch(`${SERVER}/me`);
  assert.equal(auth.subject, "bob");
});

test("a renewed token of the former user is ignored after a refresh that finds another", async (t) => {
  const server = startPage();
  const { auth } = openTab(t);
  auth.adopt(responseOf("alice"));
  const go = server.hold("/me");
  const request = auth.fetch(`${SERVER}/me`);
  await settle();
  server.cookie = "bob";
  await auth.refresh();
  server.renewed = tokenOf("alice");
  go();
  await request;
  assert.equal(auth.subject, "bob");
});

test("a suspended tab delays one refresh, and no further one", async (t) => {
  const server = startPage();
  const { auth } = openTab(t);
  server.cookie = "alice";
  // The suspended tab's refresh, which never ends.
  navigator.locks.request(`tower-refresh ${SERVER}/auth/refresh`, () => new Promise(() => {})).catch(() => {});
  const timeouts = new Map();
  t.mock.method(AbortSignal, "timeout", (milliseconds) => {
    timeouts.set(milliseconds, new AbortController());
    return timeouts.get(milliseconds).signal;
  });
  const request = auth.fetch(WHOAMI);
  await settle();
  assert.deepEqual(server.requests, [], "another tab's refresh may take a while");
  timeouts.get(5_000).abort();
  assert.equal((await request).status, 200);
  assert.equal(await auth.refresh(), true, "no one waits again");
});

test("a slow tab whose lock is stolen still completes its refresh", async (t) => {
  const server = startPage();
  const { auth } = openTab(t);
  server.cookie = "alice";
  const go = server.hold();
  const refresh = auth.refresh();
  await settle();
  await navigator.locks.request(`tower-refresh ${SERVER}/auth/refresh`, { steal: true }, async () => {});
  go();
  assert.equal(await refresh, true);
  assert.equal(server.requests.length, 1);
});

test("applications of one origin share only under one name", async (t) => {
  const rows = [
    [{}, {}, true, "the same session"],
    [{}, { refreshPath: "/admin/auth/refresh" }, false, "another session"],
    [{}, { name: "b" }, false, "names of their own"],
    [{ name: "a" }, { name: "b" }, false, "names of their own"],
    [{ name: "a", refreshPath: "/x/auth/refresh" }, { name: "a" }, true, "the same name"],
    [{}, { server: "https://other.example" }, false, "another server"],
  ];
  for (const [ours, theirs, isShared, reason] of rows) {
    startPage();
    const [first, second] = [openTab(t, ours), openTab(t, theirs)];
    first.auth.adopt(responseOf("alice"));
    await settle();
    assert.equal(second.auth.subject, isShared ? "alice" : null, reason);
    second.auth.adopt(responseOf("alice"));
    await first.auth.logout();
    await settle();
    assert.equal(second.auth.loggedIn, !isShared, reason);
    first.auth.close();
    second.auth.close();
  }
});

test("different sessions under one name do not make each other refresh without end", async (t) => {
  const server = startPage();
  const [first, second] = [openTab(t, { name: "one" }), openTab(t, { name: "one", refreshPath: "/admin/auth/refresh" })];
  server.cookie = "alice";
  server.cookies["/admin/auth/refresh"] = "bob";
  await first.auth.refresh();
  await settle();
  await second.auth.refresh();
  await settle();
  assert.equal(server.requests.length, 4, `${server.requests}`);
  assert.deepEqual([first.auth.subject, second.auth.subject], ["alice", "bob"]);
});

test("applications with different sessions refresh at the same time", async (t) => {
  const server = startPage();
  const [first, second] = [openTab(t), openTab(t, { refreshPath: "/admin/auth/refresh" })];
  server.cookie = "alice";
  const go = server.hold("/auth/refresh");
  const waiting = first.auth.refresh();
  assert.equal(await second.auth.refresh(), true);
  go();
  assert.equal(await waiting, true);
});

test("after close, a logout still ends the session, in the other tabs too", async (t) => {
  const server = startPage();
  const [first, second, third] = [openTab(t), openTab(t), openTab(t)];
  first.auth.adopt(responseOf("alice"));
  await settle();
  first.auth.close();
  first.auth.close();
  await first.auth.logout();
  await settle();
  assert.deepEqual(server.requests, ["/auth/logout alice"]);
  assert.deepEqual([first.auth.loggedIn, second.auth.loggedIn, third.auth.loggedIn], [false, false, false]);
  assert.equal((await navigator.locks.query()).held.length, 2, "the other tabs do not wait for it");

  // It hears nothing any more, and the rest works without the other tabs.
  second.auth.adopt(responseOf("bob"));
  await settle();
  assert.equal(first.auth.loggedIn, false);
  server.cookie = "bob";
  const tab = channelOf(t, `${SERVER}/auth/refresh`);
  assert.equal(await first.auth.refresh(), true);
  await settle();
  assert.deepEqual(tab.heard("ask"), []);
  assert.equal((await first.auth.fetch(WHOAMI)).status, 200);
  first.auth.adopt(responseOf("alice"));
  await settle();
  assert.equal(second.auth.subject, "alice");
});

test("a logout that meets the login of another user asks the server", async (t) => {
  for (const cookie of ["bob", null]) {
    for (const loginIn of ["another tab", "the same tab"]) {
      const server = startPage();
      const [first, second] = [openTab(t), openTab(t)];
      if (loginIn === "the same tab") second.auth.close();
      first.auth.adopt(responseOf("alice"));
      await settle();
      server.before = async (path) => {
        if (path !== "/auth/logout") return;
        (loginIn === "the same tab" ? first : second).auth.adopt(responseOf("bob"));
        server.cookie = cookie;
        await settle();
      };
      await first.auth.logout();
      assert.equal(first.auth.subject, cookie, loginIn);
      assert.deepEqual(first.take(), ["login alice", "login bob", ...(cookie ? [] : ["ended"])], loginIn);
      await settle();
      if (loginIn === "another tab") assert.equal(second.auth.subject, cookie);
      first.auth.close();
      second.auth.close();
    }
  }
});

test("a failed logout changes nothing", async (t) => {
  startPage();
  const { auth, heard } = openTab(t);
  auth.adopt(responseOf("alice"));
  globalThis.fetch = async () => new Response(null, { status: 503 });
  await assert.rejects(auth.logout(), /the logout failed: 503/);
  assert.deepEqual([auth.subject, heard], ["alice", ["login alice"]]);
});

test("a listener that throws stops neither the others nor the login", (t) => {
  startPage();
  const { auth } = openTab(t);
  const reported = [];
  t.mock.method(globalThis, "queueMicrotask", (task) => reported.push(task));
  const heard = [];
  auth.onChange(() => { throw new Error("a mistake of the page"); });
  auth.onChange(({ subject }) => heard.push(subject));
  auth.adopt(responseOf("alice"));
  assert.deepEqual([heard, auth.subject], [["alice"], "alice"]);
  assert.throws(reported[0], /a mistake of the page/, "it is not swallowed");
});

test("what it returns shows no token", async (t) => {
  startPage();
  const { auth } = openTab(t);
  auth.adopt(responseOf("alice"));
  assert.doesNotMatch(JSON.stringify(Object.values(auth).map(String).concat(JSON.stringify(auth))), /eyJ/);
});
