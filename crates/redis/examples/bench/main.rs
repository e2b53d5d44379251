//! Compares the store with the same commands issued directly, one by one, through the same driver; prints a table.
//!
//! `cargo run --release -p tower-refresh-redis --example bench-redis [URL] [--sessions 10000000]`. It takes about two minutes with a million
//! sessions, the default, and ten minutes and 8 GB of memory with ten million. Without a URL it starts a
//! `redis-server` of its own, without persistence, and stops it at the end. With a URL, it fills that server with
//! the sessions, with the prefixes `bench-few` and `bench-many`, and leaves them there.

mod calls;
mod ends;
mod notices;
mod purge;
mod refresh;
mod sessions;

use std::{
    error::Error,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tower_refresh_core::Timestamp;
use tower_refresh_redis::{RedisOptions, RedisStore, Server};

use self::{refresh::Load, sessions::fill};

const ROUNDS: usize = 31;
const FEW: u64 = 1_000;
/// Unless `--sessions` says otherwise.
const MANY: u64 = 1_000_000;
const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let (url, sessions) = arguments()?;
    let own = url.is_none().then(OwnServer::start).transpose()?;
    let url = own.as_ref().map_or_else(|| url.unwrap_or_default(), |own| own.url.clone());
    let raw = raw_connection(&url).await?;
    let few = store(&url, "bench-few").await?;
    fill(&few, &raw, "bench-few", FEW).await?;
    let many = store(&url, "bench-many").await?;
    let before = used_memory(&raw).await?;
    let started = Instant::now();
    fill(&many, &raw, "bench-many", sessions).await?;
    println!("{sessions} sessions loaded in {:.0} s", started.elapsed().as_secs_f64());
    let bytes = (used_memory(&raw).await? - before) / sessions;

    println!(
        "refresh = load + compare-and-swap; medians of {ROUNDS} rounds in turns, and of the rounds' ratios"
    );
    println!("| | raw | store | |\n|---|---|---|---|");
    let loads = [Load::new(&few, &raw, "bench-few", FEW), Load::new(&many, &raw, "bench-many", sessions)];
    for tasks in [1, 64] {
        refresh::compare(&loads, tasks).await?;
    }
    println!("| memory per session, its place in the subject's list included | | {bytes} bytes | |");
    // The numbers of further sessions.
    let further = [1, 2, 3].map(|number| number * sessions.max(MANY));
    calls::compare([(&few, FEW), (&many, sessions)], further[2]).await?;
    ends::whole_subject(&many, further[0]).await?;
    purge::beside_refreshes(&many, &few, sessions).await?;
    ends::report_time(&few, &store(&url, "bench-few").await?, further[1]).await?;
    notices::compare(&url, &raw).await
}

/// The URL, and how many sessions are many.
fn arguments() -> Result<(Option<String>, u64)> {
    let (mut url, mut sessions) = (None, MANY);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--sessions" {
            sessions = arguments.next().ok_or("--sessions needs a number")?.parse()?;
        } else {
            url = Some(argument);
        }
    }
    if sessions < FEW {
        return Err(format!("--sessions is at least {FEW}").into());
    }
    Ok((url, sessions))
}

struct OwnServer {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl OwnServer {
    fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { process, folder, url: format!("redis://127.0.0.1:{port}") };
        let client = Client::open(server.url.as_str())?;
        while client.get_connection().is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.folder.path();
    }
}

async fn store(url: &str, prefix: &str) -> Result<RedisStore> {
    Ok(RedisOptions::new().with_prefix(prefix).connect(Server::url(url)?).await?)
}

async fn raw_connection(url: &str) -> Result<MultiplexedConnection> {
    let info: ConnectionInfo = url.into_connection_info()?;
    let client = Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))?;
    // While the server loads, it may pause for longer than the default.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

async fn used_memory(raw: &MultiplexedConnection) -> Result<u64> {
    let info: redis::InfoDict = redis::cmd("INFO").arg("memory").query_async(&mut raw.clone()).await?;
    Ok(info.get("used_memory").unwrap_or_default())
}
