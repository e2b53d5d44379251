//! The rotation protocol on random rows and in random histories: the invariants that no table can list.

mod decisions;
mod honest;
mod hostile;
mod world;

/// More than the default number of cases, since each is cheap; `PROPTEST_CASES` scales it.
fn config() -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config::default();
    proptest::test_runner::Config { cases: config.cases * 4, failure_persistence: None, ..config }
}
