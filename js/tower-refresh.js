/**
 * Access tokens for single-page applications whose server uses tower-refresh.
 *
 * A page that only calls the server it came from does not need this module: the cookies are enough there, and no script can
 * read them. This module is for pages that call services on other origins, which receive no cookie and expect
 * `Authorization: Bearer`. It keeps the access token in memory only. The refresh token stays in its HttpOnly cookie. A script
 * that is injected into the page can still obtain the access token, so keep such scripts out (Content-Security-Policy).
 *
 * ```js
 * import { createAuth } from "/tower-refresh.js";
 *
 * const auth = createAuth({ services: ["https://api.example.com"] });
 * auth.onChange(({ loggedIn, reason }) => render(loggedIn, reason));
 *
 * const answer = await fetch("/login", { method: "POST", … });
 * if (answer.ok) auth.adopt(await answer.json());
 * const me = await auth.fetch("https://api.example.com/me");
 * await auth.logout();
 * ```
 *
 * @module
 */

/**
 * @typedef {object} Options
 * @property {string} [server] The origin for login, refresh and logout; the page's origin by default. A server on another
 *   origin must trust the page's origin (`trusted_origin`), belong to the same site, and allow credentials with CORS.
 * @property {string[]} [services] Further origins that receive the access token. No other origin ever does.
 * @property {string} [refreshPath] `/auth/refresh` by default.
 * @property {string} [logoutPath] `/auth/logout` by default.
 * @property {string} [tokenHeader] The response header with a renewed token; `x-access-token` by default.
 */

/**
 * @typedef {object} TokenResponse The server's response to a login or a refresh (RFC 6749 §5.1).
 * @property {string} access_token
 * @property {number} [expires_in] In seconds.
 */

/**
 * @typedef {object} Change
 * @property {boolean} loggedIn
 * @property {"login" | "logout" | "ended"} reason `login` is also reported when the first request finds a session.
 *   `ended`: the refresh token is invalid or missing.
 */

/**
 * @typedef {object} Auth
 * @property {typeof fetch} fetch Like the global `fetch`. Requests to the server and the services carry the access token. They
 *   follow no redirect, because it may lead to another origin. If the token is rejected, the request is sent once more with a
 *   new one.
 * @property {(tokens: TokenResponse) => void} adopt Stores the tokens of a login response.
 * @property {() => Promise<boolean>} refresh Requests a new access token, and resolves to whether there is one.
 * @property {() => Promise<void>} logout Ends the session, in all tabs. If the server fails, it rejects and changes nothing.
 * @property {(listener: (change: Change) => void) => () => void} onChange Calls `listener` when the user logs in or out, here
 *   or in another tab, or when a request finds that the session exists or has ended. Returns a function that removes the
 *   listener.
 * @property {boolean | undefined} loggedIn Whether there is a session; `undefined` before the first request finds out.
 * @property {() => void} close Stops listening to other tabs.
 */

/** How long to wait for other tabs, in milliseconds. A frozen tab never answers. */
const PATIENCE = 500;

/** The longest time for a refresh, in milliseconds. All tabs wait for it. */
const LONGEST = 30_000;

/**
 * @param {Options} [options]
 * @returns {Auth}
 */
export function createAuth(options = {}) {
  const page = globalThis.location.origin;
  const server = originOf(options.server ?? page);
  const origins = new Set([server, ...(options.services ?? []).map(originOf)]);
  const tokenHeader = options.tokenHeader ?? "x-access-token";
  const credentials = server === page ? "same-origin" : "include";
  const name = `tower-refresh ${server}`;
  const channel = new BroadcastChannel(name);
  // Locks exist only in secure contexts. Without them each tab refreshes on its own, which the server handles.
  const locks = globalThis.navigator?.locks;
  const listeners = new Set();

  /** @type {string | null} */
  let token = null;
  /** In milliseconds of the local clock. Infinity if unknown: then a service decides whether the token is still valid. */
  let expiresAt = Infinity;
  /** @type {boolean | undefined} */
  let loggedIn;
  /** Counts logins and logouts: the response to a request that was sent before one is ignored after it. */
  let epoch = 0;
  /** @type {Promise<boolean> | null} */
  let refreshing = null;
  /** @type {(() => void) | null} */
  let answered = null;

  // Each tab takes a shared lock, so that the others can count tabs. A page in the back/forward cache must not keep it.
  /** @type {(() => void) | null} */
  let leave = null;
  const appear = () => {
    if (leave || !locks) return;
    const left = new Promise((resolve) => { leave = () => { leave = null; resolve(undefined); }; });
    locks.request(`${name} tab`, { mode: "shared" }, () => left);
  };
  const disappear = () => leave?.();
  globalThis.addEventListener("pagehide", disappear);
  globalThis.addEventListener("pageshow", appear);
  appear();

  function store(access, endsAt) {
    token = access;
    expiresAt = endsAt;
    change(true, "login");
  }

  function drop(reason) {
    token = null;
    expiresAt = Infinity;
    change(false, reason);
  }

  function change(now, reason) {
    if (loggedIn === now) return;
    loggedIn = now;
    for (const listener of [...listeners]) listener({ loggedIn: now, reason });
  }

  const isUsable = (rejected) => token !== null && token !== rejected && Date.now() < expiresAt;

  // One refresh at a time, in all tabs. Resolves to whether there is a token other than the rejected one.
  function refresh(rejected = token) {
    refreshing ??= exclusively(() => refreshOnce(rejected)).finally(() => { refreshing = null; });
    return refreshing;
  }

  function exclusively(work) {
    return locks ? locks.request(name, work) : work();
  }

  async function refreshOnce(rejected) {
    const asked = epoch;
    if (isUsable(rejected) || (await askTabs(rejected))) return true;
    let response;
    try {
      response = await fetch(new URL(options.refreshPath ?? "/auth/refresh", server), {
        method: "POST", credentials, cache: "no-store", redirect: "error",
        signal: AbortSignal.timeout(LONGEST),
      });
      const tokens = response.ok ? await response.json() : null;
      if (asked !== epoch) return token !== null;
      if (tokens?.access_token) {
        store(tokens.access_token, end(tokens.expires_in));
        channel.postMessage({ kind: "token", token, expiresAt });
        return true;
      }
    } catch {
      return false;
    }
    // Any other status is a failure of the server, which says nothing about the session.
    if (response.status === 401) drop("ended");
    return false;
  }

  // Resolves to whether another tab has sent a usable token.
  async function askTabs(rejected) {
    const held = (await locks?.query())?.held ?? [];
    let others = held.filter((lock) => lock.name === `${name} tab`).length - 1;
    if (others < 1) return false;
    await new Promise((resolve) => {
      const patience = setTimeout(resolve, PATIENCE);
      answered = () => {
        others -= 1;
        if (others > 0 && !isUsable(rejected)) return;
        clearTimeout(patience);
        resolve();
      };
      channel.postMessage({ kind: "ask" });
    });
    answered = null;
    return isUsable(rejected);
  }

  channel.onmessage = ({ data }) => {
    switch (data.kind) {
      case "ask":
        channel.postMessage({ kind: "answer", token: isUsable(null) ? token : null, expiresAt });
        break;
      case "login":
        epoch += 1;
        store(data.token, data.expiresAt);
        break;
      case "logout":
        epoch += 1;
        drop("logout");
        break;
      default:
        // Another tab's token may be older than this one's. The server rejects a token from before a logout.
        if (data.token !== null && (token === null || data.expiresAt >= expiresAt)) store(data.token, data.expiresAt);
        if (data.kind === "answer") answered?.();
    }
  };

  const end = (seconds) => (seconds > 0 ? Date.now() + seconds * 1000 : Infinity);

  async function send(request, asked) {
    const isServer = new URL(request.url).origin === server;
    const headers = new Headers(request.headers);
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
    const response = await fetch(new Request(request, {
      headers,
      credentials: isServer ? credentials : request.credentials,
      redirect: request.redirect === "manual" ? "manual" : "error",
    }));
    const renewed = isServer ? response.headers.get(tokenHeader) : null;
    if (renewed && asked === epoch) store(renewed, end(lifeOf(renewed)));
    return response;
  }

  async function authFetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    if (!origins.has(origin) || request.headers.has("authorization")) return fetch(request);
    // The server renews an expired token in the same request. Services cannot.
    const isMissing = origin === server ? token === null : !isUsable(null);
    if (isMissing && loggedIn !== false) await refresh(token);
    const asked = epoch;
    const sent = token;
    const again = request.clone();
    const response = await send(request, asked);
    if (sent === null || !isRejected(response)) return response;
    return (await refresh(sent)) ? send(again, epoch) : response;
  }

  return {
    fetch: authFetch,
    adopt(tokens) {
      epoch += 1;
      store(tokens.access_token, end(tokens.expires_in));
      channel.postMessage({ kind: "login", token, expiresAt });
    },
    refresh: () => refresh(),
    async logout() {
      const response = await send(new Request(new URL(options.logoutPath ?? "/auth/logout", server), {
        method: "POST", cache: "no-store",
      }), NaN);
      if (!response.ok) throw new Error(`the logout failed: ${response.status}`);
      epoch += 1;
      drop("logout");
      channel.postMessage({ kind: "logout" });
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get loggedIn() {
      return loggedIn;
    },
    close() {
      globalThis.removeEventListener("pagehide", disappear);
      globalThis.removeEventListener("pageshow", appear);
      disappear();
      channel.close();
    },
  };
}

function originOf(url) {
  const { origin } = new URL(url);
  // All URLs without a host have this origin, so it identifies nothing.
  if (origin === "null") throw new TypeError(`${url} has no origin`);
  return origin;
}

// RFC 6750 §3.1. A 401 for any other reason comes from the application.
function isRejected(response) {
  return response.status === 401 && /error="?invalid_token/.test(response.headers.get("www-authenticate") ?? "");
}

// In seconds. Only the server verifies the token; this avoids sending an expired one to a service.
function lifeOf(token) {
  try {
    const { iat, exp } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return exp - iat;
  } catch {
    return undefined;
  }
}
