/**
 * Access tokens for single-page applications whose server uses tower-refresh.
 *
 * A page that only calls the server it came from does not need this module: the cookies are enough there, and no script can
 * read them. This module is for pages that call services on other origins, which receive no cookie and expect
 * `Authorization: Bearer`. It keeps the access token in memory only. The refresh token stays in its HttpOnly cookie. A script
 * that is injected into the page can still obtain the access token, so keep such scripts out (Content-Security-Policy).
 *
 * ```js
 * import { createAuth } from "tower-refresh";
 *
 * const auth = createAuth({ services: ["https://api.example.com"] });
 * auth.onChange(({ loggedIn, reason, subject }) => render(loggedIn, reason, subject));
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
 * @property {string} [name] Tabs and workers of one origin share tokens and logouts if they have the same name. By default it
 *   consists of the server and the refresh path, so applications with different sessions share nothing. Applications with
 *   different sessions must not have the same name.
 */

/**
 * @typedef {object} TokenResponse The server's response to a login or a refresh (RFC 6749 §5.1).
 * @property {string} access_token
 * @property {string} [token_type] `Bearer`.
 * @property {number} [expires_in] In seconds.
 */

/**
 * @typedef {object} LoggedIn A user has logged in, or the first request has found a session, or another user than before.
 * @property {true} loggedIn
 * @property {"login"} reason
 * @property {string} subject The user: the claim `sub` of the access token.
 */

/**
 * @typedef {object} LoggedOut
 * @property {false} loggedIn
 * @property {"logout" | "ended"} reason `ended`: the refresh token is invalid or missing.
 * @property {null} subject
 */

/** @typedef {LoggedIn | LoggedOut} Change */

/**
 * @typedef {object} Auth
 * @property {typeof fetch} fetch Like the global `fetch`. Requests to the server and the services carry the access token. They
 *   follow no redirect, because it may lead to another origin. If the token is rejected, the request is sent once more with a
 *   new one of the same user; if the user has changed, it is not, and the 401 is returned. A request that waits for a token
 *   while the user changes is not sent: it rejects with an `AbortError`.
 * @property {(tokens: TokenResponse) => void} adopt Stores the tokens of a login response.
 *   Throws a `TypeError`, and changes nothing, if the argument is no such response.
 * @property {() => Promise<boolean>} refresh Requests a new access token, and resolves to whether there is one.
 * @property {() => Promise<void>} logout Ends the session, in all tabs, also after `close`. If the server fails, it rejects and
 *   changes nothing.
 * @property {(listener: (change: Change) => void) => () => void} onChange Calls `listener` when a user logs in or out, here
 *   or in another tab, or when a request finds that the session exists, has ended, or is another user's. Returns a function
 *   that removes the listener.
 * @property {boolean | undefined} loggedIn Whether there is a session; `undefined` before the first request finds out.
 * @property {string | null} subject The user; `null` if there is no session, or before the first request finds out.
 * @property {() => void} close Stops listening to other tabs.
 */

/** How long to wait for other tabs, in milliseconds. A frozen tab never answers. */
const PATIENCE = 500;

/** How long to wait for the refresh of another tab, in milliseconds. A suspended tab never ends it. */
const LOCK_PATIENCE = 5_000;

/** The longest time for a refresh, in milliseconds. */
const LONGEST = 30_000;

/**
 * @param {Options} [options]
 * @returns {Readonly<Auth>}
 */
export function createAuth(options = {}) {
  /** @typedef {NonNullable<ReturnType<typeof withClaims>>} Token */

  const page = globalThis.location?.origin;
  if (!page || page === "null") {
    throw new Error("createAuth needs a page or worker with an origin, because the browser keeps the refresh token in a cookie. "
      + "If a server renders the page, call createAuth in the browser only. Programs on Node.js log in as native clients.");
  }
  const server = originOf(options.server ?? page);
  const origins = new Set([server, ...(options.services ?? []).map(originOf)]);
  const refreshUrl = new URL(options.refreshPath ?? "/auth/refresh", server);
  const logoutUrl = new URL(options.logoutPath ?? "/auth/logout", server);
  const tokenHeader = options.tokenHeader ?? "x-access-token";
  const credentials = server === page ? "same-origin" : "include";
  const name = `tower-refresh ${options.name ?? refreshUrl}`;
  /** @type {BroadcastChannel | null} */
  let channel = new BroadcastChannel(name);
  // Locks exist only in secure contexts. Without them each tab refreshes on its own, which the server handles.
  const locks = globalThis.navigator?.locks;
  /** @type {Set<(change: Change) => void>} */
  const listeners = new Set();

  /** Its time is Infinity if unknown: then a service decides whether it is still valid. @type {Token | null} */
  let token = null;
  /** @type {boolean | undefined} */
  let loggedIn;
  /** The user as last reported. @type {string | null} */
  let subject = null;
  /** Whether the session may be another user's, so that only the server knows. */
  let isDoubted = false;
  /** How many tabs, one after the other, have asked the server because the token of the one before was another user's. */
  let hops = 0;
  /** Counts logins, logouts and doubts: the response to a request that was sent before one is ignored after it. */
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
  /** @param {PageTransitionEvent} event */
  const show = ({ persisted }) => {
    appear();
    // Meanwhile the page has heard nothing.
    if (persisted && loggedIn !== undefined) doubt();
  };
  globalThis.addEventListener?.("pagehide", disappear);
  globalThis.addEventListener?.("pageshow", show);
  appear();

  /** @param {Token} next */
  function store(next) {
    token = next;
    isDoubted = false;
    change({ loggedIn: true, reason: "login", subject: next.sub });
  }

  /** @param {"logout" | "ended"} reason */
  function drop(reason) {
    token = null;
    isDoubted = false;
    change({ loggedIn: false, reason, subject: null });
  }

  /** @param {Change} now */
  function change(now) {
    if (loggedIn === now.loggedIn && subject === now.subject) return;
    ({ loggedIn, subject } = now);
    epoch += 1;
    for (const listener of [...listeners]) {
      try {
        listener(now);
      } catch (error) {
        // It is reported as an uncaught error, and stops neither the other listeners nor the request.
        queueMicrotask(() => { throw error; });
      }
    }
  }

  // Drops the token, and asks the server whose session it is.
  async function doubt(after = 0) {
    hops = after;
    epoch += 1;
    token = null;
    isDoubted = true;
    await refreshing;
    if (isDoubted) await refresh();
  }

  /** @param {string | null} former The user whose session has ended, if known. */
  function leaveSession(former) {
    // Another user has logged in meanwhile, and only the browser knows whose cookie came last.
    if (former !== null && subject !== null && former !== subject) return doubt();
    epoch += 1;
    drop("logout");
  }

  /** @param {string | null} [rejected] */
  const isUsable = (rejected) => token !== null && token.access !== rejected && Date.now() < token.endsAt;

  // One refresh at a time, in all tabs. Resolves to whether there is a token other than the rejected one.
  function refresh(rejected = token?.access) {
    refreshing ??= exclusively(() => refreshOnce(rejected)).finally(() => { refreshing = null; });
    return refreshing;
  }

  /**
   * @param {() => Promise<boolean>} work
   * @returns {Promise<boolean>}
   */
  async function exclusively(work) {
    /** @type {Promise<boolean> | undefined} */
    let result;
    const run = () => (result = work());
    if (locks) {
      // Each request also rejects when another tab steals the lock; the work goes on, and its result counts.
      await locks.request(name, { signal: AbortSignal.timeout(LOCK_PATIENCE) }, run).catch(() => {});
      // Stolen, so that the next refresh need not wait as long. If the tab still runs, the server handles both refreshes.
      if (!result) await locks.request(name, { steal: true }, run).catch(() => {});
    }
    return result ?? run();
  }

  /**
   * @param {string} [rejected]
   * @returns {Promise<boolean>}
   */
  async function refreshOnce(rejected) {
    if (isUsable(rejected) || (!isDoubted && (await askTabs(rejected)))) return true;
    const asked = epoch;
    let status;
    let tokens;
    try {
      const response = await fetch(refreshUrl, {
        method: "POST", credentials, cache: "no-store", redirect: "error",
        signal: AbortSignal.timeout(LONGEST),
      });
      status = response.status;
      tokens = response.ok ? tokenOf(await response.json()) : null;
    } catch {
      // The network fails, or the response is none of tower-refresh's.
    }
    if (asked !== epoch) return isDoubted ? refreshOnce() : token !== null;
    if (tokens) {
      store(tokens);
      post({ kind: "token", hops, ...tokens });
      hops = 0;
      return true;
    }
    // Any other status is a failure of the server, which says nothing about the session.
    if (status === 401) drop("ended");
    return false;
  }

  // Resolves to whether another tab has sent a usable token.
  /** @param {string} [rejected] */
  async function askTabs(rejected) {
    if (!channel) return false;
    const held = (await locks?.query())?.held ?? [];
    let others = held.filter((lock) => lock.name === `${name} tab`).length - 1;
    if (others < 1) return false;
    await /** @type {Promise<void>} */ (new Promise((resolve) => {
      const patience = setTimeout(resolve, PATIENCE);
      answered = () => {
        others -= 1;
        if (others > 0 && !isUsable(rejected)) return;
        clearTimeout(patience);
        resolve();
      };
      post({ kind: "ask" });
    }));
    answered = null;
    return isUsable(rejected);
  }

  /** @param {{ kind: "ask" | "answer" | "login" | "logout" | "token", former?: string | null, hops?: number } & Partial<Token>} message */
  function post(message) {
    const to = channel ?? new BroadcastChannel(name);
    to.postMessage(message);
    // After `close`, the other tabs still learn of a logout.
    if (to !== channel) to.close();
  }

  channel.onmessage = ({ data }) => {
    const sent = withClaims(data.access, data.endsAt);
    switch (data.kind) {
      case "ask":
        post({ kind: "answer", ...(isUsable() ? token : null) });
        break;
      case "login":
        if (!sent) break;
        epoch += 1;
        store(sent);
        break;
      case "logout":
        leaveSession(data.former);
        break;
      default:
        if (sent && !isDoubted) hear(sent, data.hops ?? 0);
        if (data.kind === "answer") answered?.();
    }
  };

  /**
   * @param {Token} sent Another tab's token.
   * @param {number} before
   */
  function hear(sent, before) {
    if (loggedIn !== undefined && sent.sub !== subject) {
      // Either tab may have missed a login, or its last response may be older. After two turns, both are right: applications
      // with different sessions have the same name.
      if (before < 2) doubt(before + 1);
      return;
    }
    // It may be older than this one's. The server rejects a token from before a logout.
    if (token === null || sent.endsAt >= token.endsAt) store(sent);
  }

  /**
   * @param {Request} request
   * @param {number} asked
   */
  async function send(request, asked) {
    const isServer = new URL(request.url).origin === server;
    const headers = new Headers(request.headers);
    if (token !== null) headers.set("authorization", `Bearer ${token.access}`);
    const response = await fetch(new Request(request, {
      headers,
      credentials: isServer ? credentials : request.credentials,
      redirect: request.redirect === "manual" ? "manual" : "error",
    }));
    const renewed = isServer ? withClaims(response.headers.get(tokenHeader)) : null;
    if (renewed && asked === epoch) store(renewed);
    return response;
  }

  /** @type {typeof fetch} */
  async function authFetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    if (!origins.has(origin) || request.headers.has("authorization")) return fetch(request);
    const user = subject;
    // The server renews an expired token in the same request. Services cannot.
    const isMissing = origin === server ? token === null : !isUsable();
    if (isMissing && (loggedIn !== false || isDoubted)) await refresh();
    if (user !== null && subject !== null && subject !== user) throw new DOMException("the user has changed", "AbortError");
    const asked = epoch;
    const sent = token;
    const again = request.clone();
    const response = await send(request, asked);
    if (sent === null || !isRejected(response)) return response;
    await refresh(sent.access);
    // The same request may mean something else for another user.
    const mayRepeat = token !== null && token.access !== sent.access && token.sub === sent.sub;
    return mayRepeat ? send(again, epoch) : response;
  }

  return {
    fetch: authFetch,
    adopt(tokens) {
      const next = tokenOf(tokens);
      if (!next) throw new TypeError("adopt needs the JSON of the server's token response, with access_token (RFC 6749 §5.1)");
      epoch += 1;
      store(next);
      post({ kind: "login", ...next });
    },
    refresh: () => refresh(),
    async logout() {
      const former = subject;
      const response = await send(new Request(logoutUrl, { method: "POST", cache: "no-store" }), NaN);
      if (!response.ok) throw new Error(`the logout failed: ${response.status}`);
      post({ kind: "logout", former });
      await leaveSession(former);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
    get loggedIn() {
      return loggedIn;
    },
    get subject() {
      return subject;
    },
    close() {
      globalThis.removeEventListener?.("pagehide", disappear);
      globalThis.removeEventListener?.("pageshow", show);
      disappear();
      channel?.close();
      channel = null;
    },
  };
}

/** @param {string} url */
function originOf(url) {
  let origin = "null";
  try {
    ({ origin } = new URL(url));
  } catch {
    // A host without a scheme, or a path.
  }
  // All URLs without a host have this origin, so it identifies nothing.
  if (origin === "null") throw new TypeError(`${url} has no origin, as https://example.com has`);
  return origin;
}

/**
 * RFC 6750 §3.1. A 401 for any other reason comes from the application.
 * @param {Response} response
 */
function isRejected(response) {
  return response.status === 401 && /error="?invalid_token/.test(response.headers.get("www-authenticate") ?? "");
}

/**
 * The token of a token response; null if it is none.
 * @param {any} response
 */
function tokenOf(response) {
  const { access_token: access, token_type: type = "Bearer", expires_in: seconds } = response ?? {};
  if (!/^bearer$/i.test(type) || !(seconds === undefined || seconds > 0)) return null;
  return withClaims(access, seconds && endOf(seconds));
}

/** @param {number} seconds */
function endOf(seconds) {
  return Date.now() + seconds * 1000;
}

/**
 * An access token with its user; null if it is none. The payload is decoded without verification: it came from the server,
 * which verifies every token that it receives, as the services do. Nothing here depends on who signed it.
 * @param {any} access
 * @param {number} [endsAt] After its lifetime, by default.
 * @returns {{ access: string, sub: string, endsAt: number } | null} Its end in milliseconds of the local clock.
 */
function withClaims(access, endsAt) {
  try {
    const payload = atob(access.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(payload, (byte) => byte.charCodeAt(0));
    const { sub, iat, exp } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? { access, sub, endsAt: endsAt ?? (endOf(exp - iat) || Infinity) } : null;
  } catch {
    return null;
  }
}
