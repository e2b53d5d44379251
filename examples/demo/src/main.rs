//! A complete application with tower-refresh. Start it with `cargo run -p demo`, and open the address it prints.
//!
//! A request passes the layers, which `app.rs` sets up, and reaches a handler in `routes/`. The parts that every application
//! provides are in `users.rs` (the claims source), `keys.rs` and `store.rs`. `service/` is a second service, which verifies access tokens. `thief.rs` shows how a theft is detected.

mod app;
mod cookies;
mod family;
#[cfg(test)]
mod herd;
mod keys;
mod metrics;
mod options;
mod page;
mod problem;
mod routes;
mod service;
mod signals;
#[cfg(feature = "sqlx")]
mod sqlx_store;
mod store;
mod thief;
mod tls;
#[cfg(test)]
mod unavailable_store;
mod users;

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::{ExitCode, exit},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    serve::{Listener, ListenerExt, TapIo},
};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower_refresh::{Auth, DeviceBinding};

use crate::{
    app::Built,
    options::{Command, Options},
    signals::Signals,
    store::StoreUrl,
    tls::TlsListener,
    users::{Claims, USERS},
};

const PURGE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Longer than the slowest response of `/slow`.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(65);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const FRESH_KEYS: &str =
    "warning: the keys are generated for this run only: a restart logs all users out (see --signing-key)";

/// Everything that can fail at start has succeeded.
struct Started {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    signals: Signals,
    stopping: Arc<watch::Sender<bool>>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(code) => return code,
    };
    let started = match &options.command {
        None => start(&options).await,
        Some(Command::Service(options)) => service::start(options).await,
    };
    match started {
        Ok(started) => serve(started).await,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Until a signal, and until the requests are answered that are then in progress.
async fn serve(Started { listener, tls, router, signals, stopping }: Started) -> ExitCode {
    // Server-sent events and WebSocket messages are small and must be sent without delay.
    match tls {
        None => {
            let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
            serve_on(listener, router, signals, stopping).await
        }
        Some(tls) => {
            let listener = TlsListener::new(listener, tls)
                .tap_io(|connection| drop(connection.get_ref().0.set_nodelay(true)));
            serve_on(listener, router, signals, stopping).await
        }
    }
}

async fn serve_on<L, F>(
    listener: TapIo<L, F>,
    router: Router,
    signals: Signals,
    stopping: Arc<watch::Sender<bool>>,
) -> ExitCode
where
    L: Listener<Addr = SocketAddr>,
    F: FnMut(&mut L::Io) + Send + 'static,
{
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serve = axum::serve(listener, service)
        .with_graceful_shutdown(stop_at_signal(signals, stopping.clone()))
        .into_future();
    let served = tokio::select! {
        served = serve => served,
        // A client that has sent half of a request may never send the rest.
        () = drained(stopping.subscribe()) => Ok(()),
    };
    // The graceful shutdown of the server does not include upgraded connections, such as WebSockets.
    let _ = timeout(CLOSE_TIMEOUT, stopping.closed()).await;
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Completes when every request that was complete at the signal has had its time.
async fn drained(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
    sleep(DRAIN_TIMEOUT).await;
}

async fn start(options: &Options) -> Result<Started> {
    let url = StoreUrl::parse(&options.store)?;
    let tls = options.tls()?.map(|files| tls::acceptor(&files.certificate, &files.key)).transpose()?;
    let stopping = Arc::new(watch::Sender::new(false));
    let Built { router, auth, fresh_keys } =
        app::build(options, &url, metrics::install()?, stopping.clone()).await?;
    let listener = listen(&options.listen).await?;
    // Before the first line of output, because its reader may stop the server at once.
    let signals = Signals::new()?;
    print_instructions(listener.local_addr()?, tls.is_some(), &url, options.device_binding());
    if fresh_keys {
        let _ = writeln!(io::stderr(), "{FRESH_KEYS}");
    }
    tokio::spawn(purge_periodically(auth));
    Ok(Started { listener, tls, router, signals, stopping })
}

async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Prints the address and what to try. The server continues if standard output is closed.
fn print_instructions(address: SocketAddr, tls: bool, store: &StoreUrl, binding: Option<DeviceBinding>) {
    let users = USERS.map(|(name, password, scope)| format!("  {name:<8}{password:<18}{scope}")).join("\n");
    let (url, curl) = match tls {
        false => (format!("http://{address}"), "curl"),
        // The certificate may be self-signed, or for another name.
        true => (format!("https://{address}"), "curl -k"),
    };
    let devices = match binding {
        Some(DeviceBinding::Enforce) => "sessions are bound to them, and proofs are required",
        Some(_) => "sessions are bound to them, and proofs are observed",
        None => "sessions are not bound to them",
    };
    let jar = "-b jar -c jar";
    let _ = writeln!(
        io::stdout(),
        "listening on {url}

users   password          scope
{users}

store   {store}
devices {devices}

try it
  open {url} in a browser, or:
  {curl} -si {jar} {url}/login -H 'content-type: application/json' \\
       -d '{{\"username\":\"alice\",\"password\":\"alice-password\"}}'
  {curl} -si {jar} {url}/me        # also after the access token has expired: see the new cookies
  {curl} -si {jar} {url}/auth/logout -X POST
without cookies, as a native client
  {curl} -s {url}/token-login -H 'content-type: application/json' \\
       -d '{{\"username\":\"alice\",\"password\":\"alice-password\"}}'
  {curl} -s {url}/auth/token -d grant_type=refresh_token -d refresh_token=…"
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

async fn purge_periodically(auth: Auth<Claims>) {
    let mut ticks = interval(PURGE_INTERVAL);
    loop {
        ticks.tick().await;
        // A purge that failed is repeated at the next tick, and /healthz reports a store that is unavailable.
        let _ = auth.purge_dead().await;
    }
}
