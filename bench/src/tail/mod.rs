//! The latencies of requests over HTTP with their sessions in a store, beside axum-login on the same store.
//!
//! One in twenty requests has an expired access token and its refresh cookie, the others a valid access token. axum-login looks up
//! the session of each request. Both are servers of their own with the same number of threads, and take turns in short rounds
//! within one run, because on a busy machine only their ratio means something.

mod client;
mod load;
mod program;
mod report;
mod server;

pub use self::server::serve;

use std::time::Duration;

use postgres_testing::server::Server as Postgres;
use tokio::runtime::Builder;

use self::{
    load::Load,
    program::{Kind, Program},
    report::Report,
};
use crate::stores::Redis;

/// Of each side, store and kind of load.
const ROUNDS: usize = 40;
/// Few, so that some rounds run undisturbed even on a busy machine.
const REQUESTS: usize = 3_200;
/// At these parts of what the slower side serves at most, both get the same number of requests a second.
const RATES: [f64; 2] = [0.5, 0.8];

/// What to measure.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// The stores, by name.
    pub stores: Vec<String>,
    /// The number of rounds.
    pub rounds: usize,
    /// Another build of this program to compare with, in place of axum-login.
    pub against: Option<String>,
    /// How many tasks a thread of our server runs before it looks for events of its connections, if not as many as by default.
    pub event_interval: Option<String>,
}

impl Options {
    /// Reads the arguments: `[--rounds NUMBER] [--against PROGRAM] [--event-interval NUMBER] [STORE...]`.
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self { stores: Vec::new(), rounds: ROUNDS, against: None, event_interval: None };
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--rounds" => options.rounds = arguments.next().unwrap().parse().unwrap(),
                "--against" => options.against = arguments.next(),
                "--event-interval" => options.event_interval = arguments.next(),
                _ => options.stores.push(argument),
            }
        }
        if options.stores.is_empty() {
            options.stores = ["redis", "postgres", "sqlite"].map(str::to_owned).to_vec();
        }
        options
    }
}

/// Measures, and prints tables.
pub fn run(options: &Options) {
    let other = match &options.against {
        Some(program) => Kind::Ours(program.clone(), None),
        None => Kind::axum_login(),
    };
    let kinds = [Kind::this_program(options.event_interval.clone()), other];
    for store in &options.stores {
        // Each side has a store of its own on the same server.
        let folder = tempfile::tempdir().unwrap();
        match &**store {
            "redis" => {
                let server = Redis::start();
                measure(store, &kinds, [0, 1].map(|database| format!("{}/{database}", server.url)), options);
            }
            "postgres" => {
                let server = Postgres::start(&[]);
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(server.create_database("second", ""));
                measure(store, &kinds, ["postgres", "second"].map(|database| server.url(database)), options);
            }
            "sqlite" => {
                let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
                measure(store, &kinds, [path("first.db"), path("second.db")], options);
            }
            other => panic!("unknown store: {other}"),
        }
    }
}

fn measure(store: &str, kinds: &[Kind; 2], urls: [String; 2], options: &Options) {
    let [first, second] = kinds;
    let [first_url, second_url] = &urls;
    let mut sides =
        [(first, first_url), (second, second_url)].map(|(kind, url)| Program::start(kind, store, url));
    let mut rounds = |load: Load, rounds: usize| {
        let mut reports = [Report::default(), Report::default()];
        for _ in 0..rounds {
            for (side, report) in sides.iter_mut().zip(&mut reports) {
                report.add(side.round(load, REQUESTS));
            }
        }
        reports
    };
    rounds(Load::Closed, 1);
    let names = [first.name(), second.name()];
    let closed = rounds(Load::Closed, options.rounds);
    report::print(
        &format!("{store}, {} connections, as fast as possible", load::CONNECTIONS),
        &names,
        &closed,
    );
    let slower = closed.iter().map(Report::per_second).fold(f64::INFINITY, f64::min);
    for part in RATES {
        let interval = Duration::from_secs_f64(1.0 / (slower * part));
        let open = rounds(Load::Open { interval }, options.rounds);
        let title = format!("{store}, {:.0} % of what the slower side served", part * 100.0);
        report::print(&title, &names, &open);
    }
}
