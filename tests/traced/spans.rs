//! Spans of `tracing`, and the events inside them.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tower_refresh::event::TokenClass;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::support::{World, probe};

/// Spans by their number, the entered ones, and the events with their spans.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    spans: Vec<String>,
    entered: Vec<usize>,
    events: Vec<(String, Vec<String>)>,
}

impl Log {
    fn clear(&self) {
        *self.0.lock().unwrap() = Lines::default();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tower_refresh"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        let mut lines = self.0.lock().unwrap();
        lines.spans.push(line.0);
        Id::from_u64(lines.spans.len() as u64)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap();
        let around = lines.entered.iter().map(|number| lines.spans[*number].clone()).collect();
        lines.events.push((line.0, around));
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(span.into_u64() as usize - 1);
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

#[tokio::test]
async fn the_load_and_the_commit_of_a_refresh_have_spans_that_name_the_session() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::new();
    let (mut browser, session) = probe::expired_browser(&world, "alice").await;
    log.clear();

    browser.get(&world, "/me").await;

    let lines = log.0.lock().unwrap();
    let halves =
        ["refresh_load", "refresh_commit"].map(|half| format!("{half} session={session} generation=0"));
    assert_eq!(lines.spans, halves);
    assert_eq!(lines.entered, [0_usize; 0]);
    let [(said, around)] = &lines.events[..] else { panic!("{:?}", lines.events) };
    assert!(said.contains(&format!("detail={:?}", TokenClass::Current.as_str())), "{said}");
    assert_eq!(around, &halves[1..]);
}

#[tokio::test]
async fn a_request_with_a_valid_access_token_creates_no_span_and_logs_nothing() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::new();
    let mut browser = crate::support::Browser::logged_in(&world, "alice").await;
    log.clear();

    browser.get(&world, "/me").await;

    let lines = log.0.lock().unwrap();
    assert!(lines.spans.is_empty() && lines.events.is_empty(), "{:?} {:?}", lines.spans, lines.events);
}
