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
export type Options = {
    /**
     * The origin for login, refresh and logout; the page's origin by default. A server on another
     * origin must trust the page's origin (`trusted_origin`), belong to the same site, and allow credentials with CORS.
     */
    server?: string;
    /**
     * Further origins that receive the access token. No other origin ever does.
     */
    services?: string[];
    /**
     * `/auth/refresh` by default.
     */
    refreshPath?: string;
    /**
     * `/auth/logout` by default.
     */
    logoutPath?: string;
    /**
     * The response header with a renewed token; `x-access-token` by default.
     */
    tokenHeader?: string;
    /**
     * Tabs and workers of one origin share tokens and logouts if they have the same name. By default it
     * consists of the server and the refresh path, so applications with different sessions share nothing. Applications with
     * different sessions must not have the same name.
     */
    name?: string;
};
export type TokenResponse = {
    access_token: string;
    /**
     * `Bearer`.
     */
    token_type?: string;
    /**
     * In seconds.
     */
    expires_in?: number;
};
export type LoggedIn = {
    loggedIn: true;
    reason: "login";
    /**
     * The user: the claim `sub` of the access token.
     */
    subject: string;
};
export type LoggedOut = {
    loggedIn: false;
    /**
     * `ended`: the refresh token is invalid or missing.
     */
    reason: "logout" | "ended";
    subject: null;
};
export type Change = LoggedIn | LoggedOut;
export type Auth = {
    /**
     * Like the global `fetch`. Requests to the server and the services carry the access token. They
     * follow no redirect, because it may lead to another origin. If the token is rejected, the request is sent once more with a
     * new one of the same user; if the user has changed, it is not, and the 401 is returned. A request that waits for a token
     * while the user changes is not sent: it rejects with an `AbortError`.
     */
    fetch: typeof fetch;
    /**
     * Stores the tokens of a login response.
     * Throws a `TypeError`, and changes nothing, if the argument is no such response.
     */
    adopt: (tokens: TokenResponse) => void;
    /**
     * Requests a new access token, and resolves to whether there is one.
     */
    refresh: () => Promise<boolean>;
    /**
     * Ends the session, in all tabs, also after `close`. If the server fails, it rejects and
     * changes nothing.
     */
    logout: () => Promise<void>;
    /**
     * Calls `listener` when a user logs in or out, here
     * or in another tab, or when a request finds that the session exists, has ended, or is another user's. Returns a function
     * that removes the listener.
     */
    onChange: (listener: (change: Change) => void) => () => void;
    /**
     * Whether there is a session; `undefined` before the first request finds out.
     */
    loggedIn: boolean | undefined;
    /**
     * The user; `null` if there is no session, or before the first request finds out.
     */
    subject: string | null;
    /**
     * Stops listening to other tabs.
     */
    close: () => void;
};
/**
 * @param {Options} [options]
 * @returns {Readonly<Auth>}
 */
export declare function createAuth(options?: Options): Readonly<Auth>;
