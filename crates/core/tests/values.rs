//! Times, subjects and errors of stores: what goes in comes out.

use std::{error::Error, time::Duration};

use tower_refresh_core::{StoreError, StoreErrorKind, Subject, Timestamp};

#[test]
fn a_time_is_in_milliseconds_and_its_seconds_are_rounded_down() {
    let time = Timestamp::from_millis(2_999);
    assert_eq!((time.as_millis(), time.as_secs()), (2_999, 2));
    assert_eq!(Timestamp::from_secs(3), Timestamp::from_millis(3_000));
    assert_eq!(Timestamp::from_secs(u64::MAX).as_millis(), u64::MAX);
}

#[test]
fn times_stop_at_both_ends() {
    let (first, last) = (Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX));
    let second = Duration::from_secs(1);
    assert_eq!(last.saturating_add(second), last);
    assert_eq!(first.saturating_sub(second), first);
    assert_eq!(first.saturating_add(Duration::MAX), last);
    assert_eq!(first.saturating_since(last), Duration::ZERO);
    assert_eq!(Timestamp::from_secs(3).saturating_since(Timestamp::from_secs(1)), 2 * second);
}

#[test]
fn a_subject_is_the_text_that_it_was_made_of() {
    let subject = Subject::new("alice");
    assert_eq!((subject.as_str(), subject.to_string().as_str()), ("alice", "alice"));
    assert_eq!(format!("{subject:?}"), "Subject(\"alice\")");
    assert_eq!(format!("{subject:>7}"), "  alice", "lists can align it");
    assert_eq!(subject.into_string(), "alice");
}

#[test]
fn an_error_of_a_store_says_its_kind_and_keeps_its_cause_apart() {
    let kinds = [
        (StoreErrorKind::Unavailable, "the session store is unavailable"),
        (StoreErrorKind::TimedOut, "the session store did not answer in time"),
        (StoreErrorKind::AlreadyExists, "a session with this handle exists already"),
        (StoreErrorKind::Corrupt, "the session store holds a row that cannot be read"),
        (StoreErrorKind::Unsupported, "the session store cannot do this"),
    ];
    for (kind, text) in kinds {
        let (bare, caused) = (StoreError::new(kind), StoreError::with_source(kind, "connection reset"));
        assert_eq!((bare.kind(), bare.to_string().as_str()), (kind, text));
        assert!(bare.source().is_none());
        assert_eq!(caused.to_string(), text, "the cause is the cause's to tell");
        assert_eq!(caused.source().map(ToString::to_string).as_deref(), Some("connection reset"));
    }
}
