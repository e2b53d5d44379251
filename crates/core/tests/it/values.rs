//! Times, subjects and store errors keep their values.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use tower_refresh_core::{StoreError, StoreErrorKind, Subject, Timestamp};

#[test]
fn a_time_is_in_milliseconds_and_its_seconds_are_rounded_down() {
    let time = Timestamp::from_millis(2_999);
    assert_eq!((time.as_millis(), time.as_secs()), (2_999, 2));
    assert_eq!(Timestamp::from_secs(3), Timestamp::from_millis(3_000));
    assert_eq!(Timestamp::from_secs(u64::MAX).as_millis(), u64::MAX);
}

#[test]
fn arithmetic_on_times_saturates() {
    let (first, last) = (Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX));
    let second = Duration::from_secs(1);
    assert_eq!(last.saturating_add(second), last);
    assert_eq!(first.saturating_sub(second), first);
    assert_eq!(first.saturating_add(Duration::MAX), last);
    assert_eq!(first.saturating_since(last), Duration::ZERO);
    assert_eq!(Timestamp::from_secs(3).saturating_since(Timestamp::from_secs(1)), 2 * second);
}

#[test]
fn a_system_time_converts_to_whole_milliseconds_and_back() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_999_999);
    let timestamp = Timestamp::from(time);
    assert_eq!(timestamp, Timestamp::from_millis(1_700_000_000_123), "rounded down");
    assert_eq!(SystemTime::from(timestamp), time - Duration::from_nanos(999_999));
    assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH), Timestamp::default());
}

#[test]
fn a_system_time_before_1970_becomes_the_epoch() {
    for before in [Duration::from_nanos(1), Duration::from_secs(1), Duration::from_secs(1 << 32)] {
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - before), Timestamp::default(), "{before:?}");
    }
}

#[test]
fn the_largest_time_converts_without_overflow() {
    let last = Timestamp::from_millis(u64::MAX);
    let exact = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::MAX));
    let converted = SystemTime::from(last);
    assert!(exact.is_none_or(|exact| converted == exact));
    assert!(converted > SystemTime::from(Timestamp::from_secs(4_000_000_000)));
    if let Some(beyond) = converted.checked_add(Duration::from_secs(1)) {
        assert_eq!(Timestamp::from(beyond), last, "saturated");
    }
}

#[test]
fn a_subject_keeps_its_text() {
    let subject = Subject::new("alice");
    assert_eq!((subject.as_str(), subject.to_string().as_str()), ("alice", "alice"));
    assert_eq!(format!("{subject:?}"), "Subject(\"alice\")");
    assert_eq!(format!("{subject:>7}"), "  alice", "it can be aligned in a list");
    assert_eq!(subject.into_string(), "alice");
}

#[test]
fn a_subject_is_made_of_an_integer_or_of_what_is_displayed() {
    let subjects = [
        (Subject::from(-1_i32), "-1"),
        (Subject::from(i64::MIN), "-9223372036854775808"),
        (Subject::from(i128::MAX), "170141183460469231731687303715884105727"),
        (Subject::from(42_u32), "42"),
        (Subject::from(u64::MAX), "18446744073709551615"),
        (Subject::from(0_u128), "0"),
        (Subject::from_display(format_args!("{:08x}-{:04x}", 0xdead_beef_u32, 7)), "deadbeef-0007"),
    ];
    for (subject, text) in subjects {
        assert_eq!(subject.as_str(), text);
    }
}

#[test]
fn a_subject_is_made_of_a_reference_without_a_conversion_by_hand() {
    let name = String::from("alice");
    let subject = Subject::new("alice");
    assert_eq!((Subject::from(&name), Subject::from(&subject)), (subject.clone(), subject));
}

#[test]
fn a_store_error_displays_its_kind_and_not_its_source() {
    let kinds = [
        (StoreErrorKind::Unavailable, "the session store is unavailable"),
        (StoreErrorKind::TimedOut, "the session store did not answer in time"),
        (StoreErrorKind::AlreadyExists, "a session with this handle already exists"),
        (StoreErrorKind::Corrupt, "the session store contains an invalid row"),
        (StoreErrorKind::Unsupported, "the session store does not support this operation"),
    ];
    for (kind, text) in kinds {
        let (bare, caused) = (StoreError::new(kind), StoreError::with_source(kind, "connection reset"));
        assert_eq!((bare.kind(), bare.to_string().as_str()), (kind, text));
        assert!(bare.source().is_none());
        assert_eq!(caused.to_string(), text, "the source is not repeated");
        assert_eq!(caused.source().map(ToString::to_string).as_deref(), Some("connection reset"));
    }
}
