// What the module needs of a browser, and a server: both without a network. The tests in Chromium have the real ones.

import { createAuth } from "tower-refresh";

export const SERVER = "https://app.example";
export const SERVICE = "https://api.example";

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
let minted = 0;

/** An access token of this user. Each is another one. */
export function tokenOf(sub) {
  const iat = Math.floor(Date.now() / 1000);
  minted += 1;
  return [{ alg: "EdDSA", typ: "at+jwt" }, { sub, iat, exp: iat + 300, jti: `${minted}` }, "signature"].map(base64url).join(".");
}

export const responseOf = (sub) => ({ access_token: tokenOf(sub), token_type: "Bearer", expires_in: 300 });

/** The user of a token. */
export const subjectOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub;

/** The server and the service. `cookie` is the user of the browser's refresh cookie. */
export class Server {
  cookie = null;
  /** Users of the cookies of further sessions, by refresh path. */
  cookies = {};
  /** Tokens that the service rejects. */
  rejected = new Set();
  /** The paths of the requests so far, and the users of their access tokens. */
  requests = [];
  /** Runs before a response. */
  before = async () => {};
  /** A token in the next response of the server's own routes. */
  renewed = null;

  /** Holds the responses to requests from now on; returns a function that releases them. */
  hold(path) {
    let go;
    const released = new Promise((resolve) => { go = resolve; });
    this.before = async (pathname) => { if (!path || path === pathname) await released; };
    return go;
  }

  async respond(request) {
    const { origin, pathname } = new URL(request.url);
    const token = request.headers.get("authorization")?.replace("Bearer ", "") ?? null;
    this.requests.push(token ? `${pathname} ${subjectOf(token)}` : pathname);
    const cookie = this.cookies[pathname] ?? this.cookie;
    await this.before(pathname);
    if (pathname.endsWith("/auth/refresh")) {
      return cookie ? Response.json(responseOf(cookie)) : new Response(null, { status: 401 });
    }
    if (pathname === "/auth/logout") return new Response(null, { status: 204 });
    if (origin === SERVICE && (!token || this.rejected.has(token))) {
      return new Response(null, { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } });
    }
    const renewed = origin === SERVER && this.renewed;
    return Response.json({ token }, renewed ? { headers: { "x-access-token": renewed } } : {});
  }
}

/** Locks as browsers grant them. https://w3c.github.io/web-locks/ */
class Locks {
  #locks = [];

  request(name, ...rest) {
    const [options, callback] = rest.length === 1 ? [{}, rest[0]] : rest;
    return new Promise((resolve, reject) => {
      const lock = { name, mode: options.mode ?? "exclusive", callback, resolve, reject, isHeld: false };
      options.signal?.addEventListener("abort", () => {
        if (lock.isHeld) return;
        this.#remove(lock);
        reject(options.signal.reason);
      });
      if (options.steal) {
        for (const other of this.#locks.filter((other) => other.name === name && other.isHeld)) {
          this.#remove(other);
          other.reject(new DOMException("stolen", "AbortError"));
        }
        this.#locks.unshift(lock);
      } else {
        this.#locks.push(lock);
      }
      this.#grant();
    });
  }

  async query() {
    return { held: this.#locks.filter((lock) => lock.isHeld), pending: this.#locks.filter((lock) => !lock.isHeld) };
  }

  #remove(lock) {
    this.#locks = this.#locks.filter((other) => other !== lock);
    this.#grant();
  }

  #grant() {
    for (const [index, lock] of this.#locks.entries()) {
      const before = this.#locks.slice(0, index).filter((other) => other.name === lock.name);
      if (lock.isHeld || !before.every((other) => other.mode === "shared" && lock.mode === "shared")) continue;
      lock.isHeld = true;
      // As in browsers, not before the caller goes on.
      Promise.resolve().then(() => lock.callback(lock)).finally(() => this.#remove(lock)).then(lock.resolve, lock.reject);
    }
  }
}

/** Makes this process look like a page; returns the server. */
export function startPage() {
  const server = new Server();
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  define("location", { origin: SERVER });
  define("navigator", { locks: new Locks(), userAgent: "" });
  define("fetch", (input, init) => server.respond(new Request(input, init)));
  const events = new EventTarget();
  define("addEventListener", events.addEventListener.bind(events));
  define("removeEventListener", events.removeEventListener.bind(events));
  define("dispatchEvent", events.dispatchEvent.bind(events));
  return server;
}

/** A tab, closed after the test. `heard` has what its listener received. */
export function openTab(test, options) {
  const auth = createAuth({ services: [SERVICE], ...options });
  const heard = [];
  auth.onChange(({ loggedIn, reason, subject }) => heard.push(loggedIn ? `${reason} ${subject}` : reason));
  test.after(() => auth.close());
  return { auth, heard, take: () => heard.splice(0) };
}

/** Waits until all messages between tabs have arrived, and what they cause is done. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
}
