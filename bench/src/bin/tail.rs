//! Latencies beside axum-login: `tail [--rounds NUMBER] [--against PROGRAM] [--event-interval NUMBER] [STORE...]`. It
//! starts private servers of PostgreSQL and Redis. With `--serve STORE URL [EVENT_INTERVAL]` it is the server that it measures.
#![allow(clippy::unwrap_used, reason = "a benchmark panics on unexpected errors")]

use tower_refresh_bench::tail::{Options, run, serve};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &*arguments {
        [flag, store, url] if flag == "--serve" => serve(store, url, None),
        [flag, store, url, event_interval] if flag == "--serve" => {
            serve(store, url, Some(event_interval.parse().unwrap()));
        }
        _ => run(&Options::from_arguments(arguments.into_iter())),
    }
}
