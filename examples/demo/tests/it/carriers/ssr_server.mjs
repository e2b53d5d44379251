// A server that renders pages with data from the API, as SSR frameworks do. Arguments: the port, and which way it passes cookies on.
import http from "node:http";
import { API, headersForApi, renew } from "./api.mjs";
import { page as pageThatRenews } from "./renews.mjs";

const [port, way] = process.argv.slice(2);

http
  .createServer(async (incoming, outgoing) => {
    try {
      // As the reverse proxy in front of both would.
      if (/^\/(login|auth\/)/.test(incoming.url)) return toApi(incoming, outgoing);
      const request = { method: incoming.method, headers: new Headers(incoming.headers) };
      await ways[way](request, outgoing);
    } catch (error) {
      console.error(error);
      outgoing.writeHead(500).end(String(error));
    }
  })
  .listen(Number(port), "127.0.0.1");

const ways = {
  // The guide's first way.
  async pass(browserRequest, outgoing) {
    const { answer, cookies, request } = await renew(browserRequest);
    if (answer) {
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
      return outgoing.end(await answer.text());
    }
    for (const cookie of cookies) outgoing.appendHeader("set-cookie", cookie);
    await render(headersForApi(request), request.method, outgoing);
  },
  // The guide's second way.
  async browser(request, outgoing) {
    const cookies = request.headers.get("cookie") ?? "";
    if (cookies.includes("__Host-refresh=") && !cookies.includes("__Host-access=")) {
      outgoing.setHeader("cache-control", "no-store");
      return outgoing.end(pageThatRenews);
    }
    await render(headersForApi(request), request.method, outgoing);
  },
  // What frameworks do unless one takes care.
  async drop(request, outgoing) {
    await render({ cookie: request.headers.get("cookie") ?? "" }, request.method, outgoing);
  },
  // As `useRequestFetch` of Nuxt does.
  async everything(request, outgoing) {
    const headers = new Headers(request.headers);
    for (const name of ["connection", "host", "content-length", "transfer-encoding"]) headers.delete(name);
    await render(headers, request.method, outgoing);
  },
};

/** Three parallel calls and a later one, as a layout and its page make them. */
async function render(headers, method, outgoing) {
  const call = async () => {
    const answer = await fetch(`${API}/me`, { method, headers });
    return answer.ok ? await answer.text() : String(answer.status);
  };
  const users = await Promise.all([call(), call(), call()]);
  users.push(await call());
  outgoing.end(users.join(" "));
}

function toApi(incoming, outgoing) {
  const options = { method: incoming.method, headers: incoming.headers };
  const request = http.request(`${API}${incoming.url}`, options, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(outgoing);
  });
  incoming.pipe(request);
}
