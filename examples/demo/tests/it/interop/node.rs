//! Node's own fetch, which sends `Sec-Fetch-Mode` with every request, as a browser does.

use std::process::Command;

use super::{server::Server, tokens::program};

/// Logs in, calls a route, refreshes and logs out; prints the statuses.
const CLIENT: &str = "
const [, server] = process.argv;
const post = (path, headers, body) => fetch(server + path, { method: 'POST', headers, body });
const json = { 'content-type': 'application/json' };
const user = JSON.stringify({ username: 'alice', password: 'alice-password' });
const login = await post('/token-login', json, user);
const tokens = await login.json();
const authorization = `Bearer ${tokens.access_token}`;
const me = await fetch(server + '/me', { headers: { authorization } });
const grant = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
const refreshed = await post('/auth/token', undefined, grant);
const renewed = `Bearer ${(await refreshed.json()).access_token}`;
const logout = await post('/auth/logout', { authorization: renewed });
const after = await fetch(server + '/me', { headers: { authorization: renewed } });
console.log([login, me, refreshed, logout, after].map((response) => response.status).join(' '));
";

#[test]
#[ignore = "needs node"]
fn a_script_on_node_is_a_native_client() {
    let server = Server::start(&["--access-ttl", "10m"]);
    let output = Command::new(program("node"))
        .args(["--input-type=module", "--eval", CLIENT, &server.url])
        .output()
        .unwrap_or_else(|error| panic!("node is missing, scripts/test-world installs it: {error}"));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "200 200 200 204 401", "{output:?}");
}
