//! A created row is loaded unchanged, and no row is created twice.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::trial::{DAY, LARGEST, MINUTE, NOW, Trial, after};
use crate::{
    EndReason, SessionBinding, SessionHandle, SessionMeta, SessionRow, SessionStore, Subject, Timestamp,
};

/// Every field of a created row is loaded unchanged.
pub async fn every_field_of_a_created_row_is_loaded<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.round_trip(&trial.row(0)).await;
    let row = SessionRow {
        generation: 3,
        rotated_at: after(NOW, Duration::from_millis(1)),
        confirmed: true,
        late_budget: after(NOW, Duration::from_millis(20)),
        created_at: after(NOW, Duration::from_millis(300)),
        authenticated_at: after(NOW, Duration::from_millis(4000)),
        idle: Some(Duration::from_millis(90_000_001)),
        idle_expiry: after(NOW, Duration::from_millis(86_404_000)),
        absolute_expiry: after(NOW, Duration::from_millis(86_450_000)),
        persistent: false,
        claims_epoch: 70_000,
        binding: Some(SessionBinding::from_bytes(*b"\x00key\xff")),
        version: trial.version(0),
        meta: SessionMeta {
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".into()),
            ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            label: Some("Anna's phone".into()),
        },
        data: b"\x00\x01binary\xff\xfe".to_vec(),
        ..trial.row(1)
    };
    trial.round_trip(&row).await;
}

/// Numbers from 0 to the largest signed 64-bit integer, and every generation, are kept.
pub async fn the_smallest_and_largest_numbers_are_kept<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let largest = Timestamp::from_millis(LARGEST);
    let row = SessionRow {
        generation: u32::MAX,
        rotated_at: largest,
        late_budget: largest,
        idle_expiry: largest,
        absolute_expiry: largest,
        authenticated_at: largest,
        idle: Some(Duration::from_millis(LARGEST)),
        claims_epoch: u32::MAX,
        version: LARGEST,
        ..trial.row(0)
    };
    trial.round_trip(&row).await;

    let epoch = Timestamp::default();
    let row = SessionRow {
        rotated_at: epoch,
        late_budget: epoch,
        created_at: epoch,
        authenticated_at: epoch,
        idle: Some(Duration::ZERO),
        ..trial.row(1)
    };
    trial.round_trip(&row).await;

    for (number, generation) in [(2, i32::MAX as u32), (3, i32::MIN as u32), (4, 1)] {
        trial.round_trip(&SessionRow { generation, ..trial.row(number) }).await;
    }
}

/// Texts are kept byte for byte, without trimming, normalization or escaping.
pub async fn texts_are_kept_byte_for_byte<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let texts = [
        "Zoë 🦀 \u{10ffff} 日本語 \u{202e}txet",
        "e\u{301} is not \u{e9}",
        " spaces around \t",
        "line\r\nbreaks\n",
        "'; DROP TABLE sessions; --",
        "\" \\ \\x00 \\u0000 %s {0} ${x} $1 ?",
        "* [a-z] {tag}:1",
        "\u{1}\u{7f}\u{80}\u{feff}",
        "null",
        "0",
    ];
    for (number, text) in (0..).zip(texts) {
        let row = SessionRow {
            subject: trial.subject(text),
            meta: SessionMeta { user_agent: Some(text.into()), ip: None, label: Some(text.into()) },
            data: text.as_bytes().to_vec(),
            ..trial.row(number)
        };
        trial.round_trip(&row).await;
        assert_eq!(trial.list(&row.subject, NOW).await, [row], "the session is listed by its subject");
    }
}

/// A text with U+0000, which some databases cannot store, is kept unchanged or rejected, but never truncated.
pub async fn a_text_with_nul_is_kept_or_rejected<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let text = "before\0after";
    let meta = SessionMeta { user_agent: Some(text.into()), ip: None, label: Some(text.into()) };
    let rows =
        [SessionRow { subject: trial.subject(text), ..trial.row(0) }, SessionRow { meta, ..trial.row(1) }];
    for row in rows {
        match store.create(&row).await {
            Ok(()) => trial.expect(&row).await,
            Err(_) => trial.expect_none(row.handle).await,
        }
    }
}

/// 64 KiB of data, of label and of user agent are kept.
pub async fn large_meta_and_data_are_kept<S: SessionStore>(store: &S) {
    const LENGTH: usize = 64 * 1024;
    let trial = Trial::new(store);
    let text = "é".repeat(LENGTH / 2);
    let row = SessionRow {
        meta: SessionMeta { user_agent: Some(text.clone()), ip: None, label: Some(text) },
        data: (0..LENGTH).map(|index| (index % 251) as u8).collect(),
        ..trial.row(0)
    };
    trial.round_trip(&row).await;
}

/// `Some("")` is kept and differs from `None`.
pub async fn an_empty_text_is_not_an_absent_one<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let absent = SessionMeta::default();
    let metas = [
        absent.clone(),
        SessionMeta { user_agent: Some(String::new()), ..absent.clone() },
        SessionMeta { label: Some(String::new()), ..absent.clone() },
        SessionMeta { user_agent: Some(String::new()), label: Some(String::new()), ..absent },
    ];
    for (number, meta) in (0..).zip(metas) {
        trial.round_trip(&SessionRow { meta, ..trial.row(number) }).await;
    }
    trial.round_trip(&SessionRow { subject: Subject::new(""), ..trial.row(10) }).await;
    trial.round_trip(&SessionRow { data: vec![0], ..trial.row(11) }).await;
}

/// No binding differs from an empty one, and no idle lifetime of its own from one of zero. Bindings of any bytes are kept.
pub async fn an_absent_binding_or_idle_lifetime_is_kept<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let bindings = [Vec::new(), vec![0], (0..=255).collect(), vec![0xff; 4096]];
    for (number, bytes) in (0..).zip(bindings) {
        let binding = Some(SessionBinding::from_bytes(bytes));
        trial.round_trip(&SessionRow { binding, ..trial.row(number) }).await;
    }
    trial.round_trip(&SessionRow { binding: None, idle: None, ..trial.row(10) }).await;
    trial.round_trip(&SessionRow { idle: Some(Duration::ZERO), ..trial.row(11) }).await;
}

/// IPv4 and IPv6 addresses are kept, including those with more than one text form.
pub async fn every_kind_of_address_is_kept<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let addresses: [IpAddr; 7] = [
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::BROADCAST.into(),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv6Addr::LOCALHOST.into(),
        Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1).into(),
        Ipv6Addr::from_bits(u128::MAX).into(),
    ];
    for (number, address) in (0..).zip(addresses) {
        let meta = SessionMeta { ip: Some(address), ..SessionMeta::default() };
        trial.round_trip(&SessionRow { meta, ..trial.row(number) }).await;
    }
}

/// Loading a handle that was never created returns `None`.
pub async fn an_unknown_handle_loads_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    trial.expect_none(trial.handle(1)).await;
}

/// Handles are compared by all their bits, not as case-insensitive text.
pub async fn similar_handles_are_different_sessions<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    for bit in 0..128 {
        let flipped = u128::from_be_bytes(*row.handle.as_bytes()) ^ (1 << bit);
        trial.expect_none(SessionHandle::from_bytes(flipped.to_be_bytes())).await;
    }

    let text = row.handle.to_string();
    let (free, last) = text.split_at(SessionHandle::TEXT_LEN - 1);
    for other in [free.to_lowercase(), free.to_uppercase()] {
        let other = format!("{other}{last}").parse().expect("only the last character can be invalid");
        if other != row.handle {
            trial.expect_none(other).await;
        }
    }
}

/// The handle of a live session is rejected, and the session is unchanged.
pub async fn create_rejects_the_handle_of_a_live_session<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    rejects(&trial, &row).await;
}

/// The handle of an ended session is rejected, and the session is unchanged.
pub async fn create_rejects_the_handle_of_an_ended_session<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    let at = after(NOW, MINUTE);
    assert!(trial.end(row.handle, EndReason::Logout, at).await, "this call ended the session");
    rejects(&trial, &trial.ended(&row, EndReason::Logout, at)).await;
}

/// The handle of an expired session is rejected while its row exists.
pub async fn create_rejects_the_handle_of_an_expired_session<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow { idle_expiry: after(NOW, MINUTE), ..trial.row(0) };
    trial.create(&row).await;
    rejects(&trial, &row).await;
}

async fn rejects<S: SessionStore>(trial: &Trial<'_, S>, stored: &SessionRow) {
    let bob = trial.subject("bob");
    let other = SessionRow {
        generation: 9,
        created_at: after(NOW, MINUTE * 2),
        idle_expiry: after(NOW, DAY),
        ended: None,
        version: stored.version,
        data: b"other".to_vec(),
        ..trial.row_of(&bob, 0)
    };
    assert!(!trial.try_create(&other).await, "create rejects a handle that exists");
    trial.expect(stored).await;
    assert_eq!(trial.list(&bob, NOW).await, [], "the rejected session is not listed");
    assert_eq!(trial.end_subject(&bob, None, NOW).await, [], "the rejected session is not ended");
    trial.expect(stored).await;
}
