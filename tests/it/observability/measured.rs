//! Counters and histograms, through a recorder that keeps its measurements.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower_refresh::{FeedLossPolicy, event::EndReason};

use crate::support::{
    Browser, ManualClock, Op, TestStore, World,
    browser::{ACCESS, REFRESH},
    probe::{ACCESS_LIFETIME, session_of, with_bearer},
    request,
    store::Fault,
};

/// `name{label="value",…}` of each series, with its count or its number of measured times.
fn series(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let series = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: Vec<_> =
            key.key().labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let count = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Gauge(value) => value.into_inner() as u64,
            DebugValue::Histogram(values) => values.len() as u64,
        };
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), count)
    });
    series.collect()
}

/// Lets the tasks that follow the feed run.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_request_is_counted_once_by_its_outcome() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let outcome = |name: &str| {
        let count = series(&snapshotter)
            .remove(&format!("tower_refresh_requests_total{{outcome=\"{name}\"}}"))
            .unwrap_or(0);
        // A snapshot resets the counters, so each step sees only its own counts.
        count
    };

    let mut browser = Browser::new();
    browser.get(&world, "/public").await;
    assert_eq!(outcome("anonymous"), 1);
    browser.get(&world, "/login/alice").await;
    assert_eq!(outcome("anonymous"), 1, "a login request was anonymous when it arrived");
    browser.get(&world, "/me").await;
    assert_eq!(outcome("authenticated"), 1);

    world.send(with_bearer("/public", "forged")).await;
    assert_eq!(outcome("rejected"), 1);
    let cookies = browser.cookie_header();
    world.send(request("/me", &[("cookie", &cookies), ("sec-fetch-site", "cross-site")])).await;
    assert_eq!(outcome("cross_site"), 1);

    world.clock.advance(ACCESS_LIFETIME);
    world.store.break_op(Op::Load, Fault::Fails);
    browser.get(&world, "/me").await;
    assert_eq!(outcome("unavailable"), 1);
    world.store.fix();
    world.users.set("alice", &"n".repeat(9000), "user");
    browser.get(&world, "/me").await;
    assert_eq!(outcome("invalid_claims"), 1);
    world.users.set("alice", "Alice", "user");
    browser.get(&world, "/me").await;
    assert_eq!(outcome("refreshed"), 1);
}

#[test]
fn a_valid_access_token_that_was_checked_in_the_store_is_no_refresh() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    // Outside of a runtime, so that the feed is not followed.
    let world = World::with(|builder| builder.feed_loss_policy(FeedLossPolicy::AskStore));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut browser = Browser::logged_in(&world, "alice").await;
        browser.get(&world, "/me").await;
    });
    let counted = series(&snapshotter);
    assert_eq!(counted["tower_refresh_requests_total{outcome=\"authenticated\"}"], 1);
    assert!(!counted.contains_key("tower_refresh_requests_total{outcome=\"refreshed\"}"), "{counted:?}");
}

#[tokio::test]
async fn access_tokens_are_counted_by_their_validity() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let results = || -> Vec<(String, u64)> {
        let name = "tower_refresh_access_tokens_total";
        series(&snapshotter).into_iter().filter(|(key, count)| key.starts_with(name) && *count > 0).collect()
    };
    let one = |result: &str| vec![(format!("tower_refresh_access_tokens_total{{result=\"{result}\"}}"), 1)];

    let mut browser = Browser::logged_in(&world, "alice").await;
    let access = browser.access().unwrap().to_owned();
    results();
    browser.get(&world, "/me").await;
    assert_eq!(results(), one("verified"));
    browser.get(&world, "/me").await;
    assert_eq!(results(), one("cached"));
    world.send(with_bearer("/me", "forged")).await;
    assert_eq!(results(), one("invalid"));
    browser.get(&world, "/logout").await;
    results();
    world.send(with_bearer("/me", &access)).await;
    assert_eq!(results(), one("revoked"));
    world.clock.advance(ACCESS_LIFETIME);
    world.send(with_bearer("/me", &access)).await;
    assert_eq!(results(), one("expired"));
    world.send(request("/me", &[("cookie", &format!("{ACCESS}={access}"))])).await;
    assert_eq!(results(), one("expired"), "an expired cookie is skipped because of its own expiry");
}

#[tokio::test]
async fn calls_of_the_store_and_of_the_claims_source_are_timed() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let login = series(&snapshotter);
    assert_eq!(login["tower_refresh_store_seconds{call=\"create\",result=\"ok\"}"], 1);
    assert_eq!(login["tower_refresh_claims_seconds{result=\"ok\"}"], 1);

    world.clock.advance(ACCESS_LIFETIME);
    world.store.break_op(Op::Load, Fault::Fails);
    browser.get(&world, "/me").await;
    assert_eq!(series(&snapshotter)["tower_refresh_store_seconds{call=\"load\",result=\"error\"}"], 1);
    world.store.fix();
    world.users.break_loads(Some(Fault::Fails));
    browser.get(&world, "/me").await;
    assert_eq!(series(&snapshotter)["tower_refresh_claims_seconds{result=\"error\"}"], 1);
}

#[tokio::test]
async fn the_lag_of_the_feed_is_the_time_since_the_session_end() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let store = TestStore::default();
    // A server whose clock is seconds ahead reports a lag of these seconds.
    let server = |ahead| {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(ahead));
        World::on(clock, store.clone(), |builder| builder)
    };
    let (here, _there) = (server(0), server(3));
    settle().await;
    let browser = Browser::logged_in(&here, "alice").await;
    here.auth.end_session(session_of(&browser)).await.unwrap();
    settle().await;
    // A server that joins afterwards learns of the session end, but reports no lag: it was not there.
    let _newcomer = server(5);
    settle().await;

    let mut lags: Vec<f64> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "tower_refresh_feed_lag_seconds")
        .flat_map(|(.., value)| match value {
            DebugValue::Histogram(values) => values.into_iter().map(f64::from).collect(),
            _ => Vec::new(),
        })
        .collect();
    lags.sort_by(f64::total_cmp);
    assert_eq!(lags, [0.0, 3.0]);
}

/// A set with the key of RFC 8037, appendix A.2.
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn verifier<F>(
    clock: &ManualClock,
    jwks: impl Fn() -> F + Send + Sync + 'static,
) -> tower_refresh::Verifier<()>
where
    F: Future<Output = Result<&'static str, std::io::Error>> + Send + 'static,
{
    let builder = tower_refresh::Verifier::builder().issuer("https://issuer").audience("web");
    builder.jwks(jwks).clock(clock.clone()).build().unwrap()
}

#[tokio::test]
async fn the_fetches_of_an_issuers_keys_are_counted_and_their_age_is_shown() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let clock = ManualClock::new();
    let answers = std::sync::Arc::new(std::sync::Mutex::new(vec!["", KEYS, ""]));
    let verifier = verifier(&clock, move || {
        let answer = answers.lock().unwrap().pop().unwrap_or_default();
        async move { Ok(answer) }
    });
    let shown = |name: &str| series(&snapshotter).get(&format!("tower_refresh_jwks_{name}")).copied();
    // A snapshot takes what was counted since the last one.
    assert_eq!(shown("up{}"), Some(0), "before the first fetch");
    verifier.load().await.unwrap_err();
    assert_eq!(shown("fetches_total{result=\"error\"}"), Some(1));
    verifier.load().await.unwrap();
    let now = tower_refresh::Clock::now(&clock).as_secs();
    let all = series(&snapshotter);
    assert_eq!(all["tower_refresh_jwks_up{}"], 1);
    assert_eq!(all["tower_refresh_jwks_fetched_timestamp_seconds{}"], now);
    assert_eq!(all["tower_refresh_jwks_fetches_total{result=\"ok\"}"], 1);
    clock.advance(Duration::from_secs(600));
    verifier.verify("x.y.z").await.unwrap_err();
    settle().await;
    let all = series(&snapshotter);
    assert_eq!(all["tower_refresh_jwks_up{}"], 0);
    assert_eq!(all["tower_refresh_jwks_fetches_total{result=\"error\"}"], 1);
}

#[tokio::test]
async fn the_table_of_metrics_names_every_metric_and_no_other() {
    let documentation = include_str!("../../../docs/observability.md");
    let (_, table) = documentation.split_once("## Metrics").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let documented: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (clock, store) = (ManualClock::new(), TestStore::default());
    let world = World::on(clock.clone(), store.clone(), |builder| builder);
    let mut browser = Browser::logged_in(&world, "alice").await;
    browser.get(&world, "/me").await;
    browser.get(&world, "/logout").await;
    let _there = World::on(clock, store, |builder| builder);
    verifier(&ManualClock::new(), || async { Ok(KEYS) }).load().await.unwrap();
    settle().await;

    let there = snapshotter.snapshot().into_vec();
    let there: BTreeSet<&str> = there.iter().map(|(key, ..)| key.key().name()).collect();
    assert_eq!(there, documented);
    assert!(!browser.cookies.contains_key(REFRESH));
    for reason in EndReason::ALL {
        assert!(documentation.contains(&format!("`{}`", reason.as_str())), "{reason:?}");
    }
}
