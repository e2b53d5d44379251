/**
 * Access tokens for single-page applications whose server uses tower-refresh.
 *
 * Pages that only talk to the server they came from need none of this: there the cookies do everything, and no script can
 * read them. This is for pages that call services of other origins, which see no cookie and want `Authorization: Bearer`.
 * The access token lives in this module's memory and nowhere else; the refresh token stays in its HttpOnly cookie. A script
 * that is injected into the page can ask for the access token all the same, so keep scripts out (Content-Security-Policy).
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
 * @property {string} [server] The origin that logs in, refreshes and logs out; the page's own unless given. A server of
 *   another origin must trust the page's (`trusted_origin`), be of the same site, and allow credentials by CORS.
 * @property {string[]} [services] Further origins that are sent the access token. No others ever are.
 * @property {string} [refreshPath] `/auth/refresh` unless given.
 * @property {string} [logoutPath] `/auth/logout` unless given.
 * @property {string} [tokenHeader] Where the server puts a renewed token; `x-access-token` unless given.
 */

/**
 * @typedef {object} TokenResponse What the server answers at a login or a refresh (RFC 6749 §5.1).
 * @property {string} access_token
 * @property {number} [expires_in] In seconds.
 */

/**
 * @typedef {object} Change
 * @property {boolean} loggedIn
 * @property {"login" | "logout" | "ended"} reason `login` also when a session is found at the first request. `ended`: the
 *   refresh token is dead or missing.
 */

/**
 * @typedef {object} Auth
 * @property {typeof fetch} fetch As the global one. Requests to the server and the services carry the access token; those
 *   follow no redirect, since that may lead elsewhere. A request whose token is refused is sent once more with a new one.
 * @property {(tokens: TokenResponse) => void} adopt Takes the answer of a login.
 * @property {() => Promise<boolean>} refresh Asks for a new access token. Whether there is one.
 * @property {() => Promise<void>} logout Ends the session, in all tabs. Rejects when the server cannot, and changes nothing.
 * @property {(listener: (change: Change) => void) => () => void} onChange Calls `listener` when somebody logs in or out,
 *   here or in another tab, or is found to be logged in or out. Returns what stops it.
 * @property {boolean | undefined} loggedIn Whether there is a session; `undefined` until it was asked for.
 * @property {() => void} close Stops listening to other tabs.
 */

/** How long other tabs are waited for. One that is frozen never answers. */
const PATIENCE = 500;

/** How long a refresh may take, for which all tabs wait. */
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
  // Outside secure contexts there are none, and each tab is on its own. The server copes with that.
  const locks = globalThis.navigator?.locks;
  const listeners = new Set();

  /** @type {string | null} */
  let token = null;
  /** By this clock. What an unknown end means, the services decide. */
  let expiresAt = Infinity;
  /** @type {boolean | undefined} */
  let loggedIn;
  /** Counts logins and logouts: what was asked for before one means nothing after it. */
  let epoch = 0;
  /** @type {Promise<boolean> | null} */
  let refreshing = null;
  /** @type {(() => void) | null} */
  let answered = null;

  // Other tabs see by a lock that there is one more. A page that is put aside must hold none.
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

  function hold(access, endsAt) {
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

  const isUsable = (refused) => token !== null && token !== refused && Date.now() < expiresAt;

  // One refresh at a time, in all tabs. Resolves with whether there is a token other than the refused one.
  function refresh(refused = token) {
    refreshing ??= exclusively(() => refreshOnce(refused)).finally(() => { refreshing = null; });
    return refreshing;
  }

  function exclusively(work) {
    return locks ? locks.request(name, work) : work();
  }

  async function refreshOnce(refused) {
    const asked = epoch;
    if (isUsable(refused) || (await askTabs(refused))) return true;
    let response;
    try {
      response = await fetch(new URL(options.refreshPath ?? "/auth/refresh", server), {
        method: "POST", credentials, cache: "no-store", redirect: "error",
        signal: AbortSignal.timeout(LONGEST),
      });
      const tokens = response.ok ? await response.json() : null;
      if (asked !== epoch) return token !== null;
      if (tokens?.access_token) {
        hold(tokens.access_token, end(tokens.expires_in));
        channel.postMessage({ kind: "token", token, expiresAt });
        return true;
      }
    } catch {
      return false;
    }
    // Any other failure is the server's, and says nothing of the session.
    if (response.status === 401) drop("ended");
    return false;
  }

  // Whether another tab has a token.
  async function askTabs(refused) {
    const held = (await locks?.query())?.held ?? [];
    let others = held.filter((lock) => lock.name === `${name} tab`).length - 1;
    if (others < 1) return false;
    await new Promise((resolve) => {
      const patience = setTimeout(resolve, PATIENCE);
      answered = () => {
        others -= 1;
        if (others > 0 && !isUsable(refused)) return;
        clearTimeout(patience);
        resolve();
      };
      channel.postMessage({ kind: "ask" });
    });
    answered = null;
    return isUsable(refused);
  }

  channel.onmessage = ({ data }) => {
    switch (data.kind) {
      case "ask":
        channel.postMessage({ kind: "answer", token: isUsable(null) ? token : null, expiresAt });
        break;
      case "login":
        epoch += 1;
        hold(data.token, data.expiresAt);
        break;
      case "logout":
        epoch += 1;
        drop("logout");
        break;
      default:
        // Another tab may know less than this one. A token from before a logout is refused by the server.
        if (data.token !== null && (token === null || data.expiresAt >= expiresAt)) hold(data.token, data.expiresAt);
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
    if (renewed && asked === epoch) hold(renewed, end(lifeOf(renewed)));
    return response;
  }

  async function authFetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    if (!origins.has(origin) || request.headers.has("authorization")) return fetch(request);
    // The server itself renews an expired token in the same request; services cannot.
    const isMissing = origin === server ? token === null : !isUsable(null);
    if (isMissing && loggedIn !== false) await refresh(token);
    const asked = epoch;
    const sent = token;
    const again = request.clone();
    const response = await send(request, asked);
    if (sent === null || !isRefused(response)) return response;
    return (await refresh(sent)) ? send(again, epoch) : response;
  }

  return {
    fetch: authFetch,
    adopt(tokens) {
      epoch += 1;
      hold(tokens.access_token, end(tokens.expires_in));
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
  // So is that of every address without a host.
  if (origin === "null") throw new TypeError(`${url} has no origin`);
  return origin;
}

// RFC 6750 §3.1. A 401 for another reason is the application's answer.
function isRefused(response) {
  return response.status === 401 && /error="?invalid_token/.test(response.headers.get("www-authenticate") ?? "");
}

// In seconds. What a token says is the server's business, but one that has expired need not be sent to a service.
function lifeOf(token) {
  try {
    const { iat, exp } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return exp - iat;
  } catch {
    return undefined;
  }
}
