//! A whole application on tower-refresh: `cargo run -p demo`, and open the address it prints.
//!
//! A request comes through `app.rs`, which lays out the layers, to a handler in `routes/`. What the library needs of an
//! application is in `users.rs` (the claims source), `keys.rs` and `store.rs`; `thief.rs` shows how a theft is found out.

mod app;
mod cookies;
mod keys;
mod metrics;
mod options;
mod page;
mod problem;
mod routes;
mod signals;
mod store;
mod thief;
#[cfg(test)]
mod unplugged;
mod users;

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::{ExitCode, exit},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{interval, timeout},
};
use tower_refresh::Auth;

use crate::{
    app::Built,
    options::Options,
    signals::Signals,
    store::StoreUrl,
    users::{Claims, USERS},
};

const BETWEEN_PURGES: Duration = Duration::from_secs(10 * 60);
const GOODBYES: Duration = Duration::from_secs(2);
const FRESH_KEYS: &str =
    "warning: the keys are made for this run only: a restart logs everybody out (see --signing-key)";

/// What runs once everything that can be wrong was found to be right.
struct Started {
    listener: TcpListener,
    built: Built,
    signals: Signals,
    stopping: Arc<watch::Sender<bool>>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::of_command_line() {
        Ok(options) => options,
        Err(code) => return code,
    };
    let Started { listener, built, signals, stopping } = match start(&options).await {
        Ok(started) => started,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    tokio::spawn(purge_now_and_then(built.auth));

    // Events and WebSocket messages are small, and wait for nobody.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let service = built.router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(stop_at_signal(signals, stopping.clone()))
        .await;
    // WebSockets have left HTTP, so the server did not wait for them.
    let _ = timeout(GOODBYES, stopping.closed()).await;
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(options: &Options) -> Result<Started> {
    let url = StoreUrl::parse(&options.store)?;
    let stopping = Arc::new(watch::Sender::new(false));
    let built = app::build(options, &url, metrics::install()?, stopping.clone()).await?;
    let address = &options.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    // Before the first line of output: whoever reads it may stop the server at once.
    let signals = Signals::new()?;
    greet(listener.local_addr()?, &url);
    if built.fresh_keys {
        let _ = writeln!(io::stderr(), "{FRESH_KEYS}");
    }
    Ok(Started { listener, built, signals, stopping })
}

/// Says where the server is and what to try. A reader that has gone away is no reason to stop.
fn greet(address: SocketAddr, store: &StoreUrl) {
    let users = USERS.map(|(name, password, scope)| format!("  {name:<8}{password:<18}{scope}")).join("\n");
    let jar = "-b jar -c jar";
    let _ = writeln!(
        io::stdout(),
        "listening on http://{address}

users   password          scope
{users}

store   {store}

try it
  open http://{address} in a browser, or:
  curl -si {jar} http://{address}/login -H 'content-type: application/json' \\
       -d '{{\"username\":\"alice\",\"password\":\"alice-password\"}}'
  curl -si {jar} http://{address}/me        # after the access token's end too: see the new cookies
  curl -si {jar} http://{address}/auth/logout -X POST
without cookies, as a native client
  curl -s http://{address}/token-login -H 'content-type: application/json' \\
       -d '{{\"username\":\"alice\",\"password\":\"alice-password\"}}'
  curl -s http://{address}/auth/token -d grant_type=refresh_token -d refresh_token=…"
    );
}

/// Completes at Ctrl-C or SIGTERM. Ctrl-C after that ends the process at once.
async fn stop_at_signal(mut signals: Signals, stopping: Arc<watch::Sender<bool>>) {
    signals.any().await;
    stopping.send_replace(true);
    tokio::spawn(async move {
        signals.ctrl_c().await;
        exit(130);
    });
}

async fn purge_now_and_then(auth: Auth<Claims>) {
    let mut now_and_then = interval(BETWEEN_PURGES);
    loop {
        now_and_then.tick().await;
        // What failed is tried again, and /healthz tells of a store that is gone.
        let _ = auth.purge_dead().await;
    }
}
