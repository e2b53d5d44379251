// A strict TypeScript application. `package.test.js` compiles it.

import { createAuth, type Auth, type Change, type Options, type TokenResponse } from "tower-refresh";

const options: Options = {
  server: "https://app.example.com",
  services: ["https://api.example.com"],
  refreshPath: "/auth/refresh",
  logoutPath: "/auth/logout",
  tokenHeader: "x-access-token",
  name: "shop",
};
const auth: Auth = createAuth(options);

function describe(change: Change): string {
  // The subject is a string if a user is logged in.
  if (change.loggedIn) return `${change.subject.toUpperCase()}: ${change.reason satisfies "login"}`;
  return change.reason satisfies "logout" | "ended";
}

export async function run(login: () => Promise<TokenResponse>): Promise<unknown> {
  const remove: () => void = auth.onChange((change) => console.log(describe(change)));
  auth.adopt(await login());
  const response: Response = await auth.fetch(new URL("https://api.example.com/orders"), { method: "POST", body: "1" });
  const isThere: boolean = await auth.refresh();
  const subject: string | null = auth.subject;
  const loggedIn: boolean | undefined = auth.loggedIn;
  await auth.logout();
  remove();
  auth.close();
  return [response, isThere, subject, loggedIn];
}

export function mistakes() {
  // @ts-expect-error: a misspelt option
  createAuth({ service: ["https://api.example.com"] });
  // @ts-expect-error: a list is required
  createAuth({ services: "https://api.example.com" });
  // @ts-expect-error: the response instead of its JSON
  auth.adopt(new Response());
  // @ts-expect-error: a promise
  auth.adopt(fetch("/login").then((response) => response.json()));
  // @ts-expect-error: before the user is known there is none
  auth.subject.length;
  // @ts-expect-error: only the module sets it
  createAuth().loggedIn = true;
  // @ts-expect-error: there is no such reason
  auth.onChange(({ reason }) => reason === "expired");
  // @ts-expect-error: no token is exposed
  auth.token;
}
