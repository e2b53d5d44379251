//! The rotation protocol on random rows and in random histories: invariants that a table cannot list.

mod decisions;
mod device;
mod honest;
mod hostile;
mod world;

/// More cases than the default, because each is cheap. `PROPTEST_CASES` scales the number.
fn config() -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config::default();
    proptest::test_runner::Config { cases: config.cases * 4, failure_persistence: None, ..config }
}
