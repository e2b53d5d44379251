//! The part of a store that belongs to one law, and the helpers with which laws are written.

use std::{collections::hash_map::RandomState, hash::BuildHasher, time::Duration};

use super::join::join_all;
use crate::{
    EndReason, Ended, Page, SessionHandle, SessionRow, SessionStore, StoreErrorKind, Subject, Timestamp,
};

/// When the sessions log in. In the far future, so that a database that also expires rows by its own clock does not remove
/// them.
pub(super) const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);
/// The time for all purges. Only the laws about purging have sessions that end or expire before it, so that concurrent
/// laws do not purge the rows of others.
pub(super) const PURGE: Timestamp = Timestamp::from_secs(4_000_000_000 - 60 * 60);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The resolution of a [`Timestamp`].
pub(super) const TICK: Duration = Duration::from_millis(1);

/// The largest signed 64-bit integer, the integer type of most databases.
pub(super) const LARGEST: u64 = i64::MAX as u64;

const CONCURRENT: usize = 50;

const LONG_PAGE: usize = 1_000;

/// The number of the version that [`Trial::end`] and [`Trial::end_subject`] write.
const END: u64 = u64::MAX;
/// The number of the version that [`Trial::outdate`] writes.
const OUTDATE: u64 = u64::MAX - 1;

/// A store, with handles and subjects that no other law and no other run uses. Its calls panic if the store fails.
pub(super) struct Trial<'a, S> {
    store: &'a S,
    seed: u64,
}

impl<'a, S: SessionStore> Trial<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self { store, seed: RandomState::new().hash_one("conformance") }
    }

    pub(super) fn handle(&self, number: u64) -> SessionHandle {
        let low = scatter(self.seed.wrapping_add(number));
        let high = scatter(self.seed) ^ low.rotate_left(32);
        SessionHandle::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }

    /// A version: a number from 0 to [`LARGEST`] that looks random.
    pub(super) fn version(&self, number: u64) -> u64 {
        scatter(self.seed.rotate_left(32) ^ number) & LARGEST
    }

    /// The row after [`end`](Self::end).
    pub(super) fn ended(&self, row: &SessionRow, reason: EndReason, at: Timestamp) -> SessionRow {
        SessionRow { ended: Some(Ended::new(reason, at)), version: self.version(END), ..row.clone() }
    }

    /// The row after [`outdate`](Self::outdate).
    pub(super) fn outdated(&self, row: &SessionRow, claims_epoch: u32) -> SessionRow {
        SessionRow { claims_epoch, version: self.version(OUTDATE), ..row.clone() }
    }

    pub(super) fn subject(&self, name: &str) -> Subject {
        Subject::new(format!("{name}-{:016x}", self.seed))
    }

    /// A session of the subject `alice` with a login at [`NOW`], which expires after seven days idle and after thirty in any
    /// case.
    pub(super) fn row(&self, number: u64) -> SessionRow {
        let idle = NOW.saturating_add(DAY * 7);
        SessionRow::new(self.handle(number), self.subject("alice"), NOW, idle, NOW.saturating_add(DAY * 30))
    }

    pub(super) fn row_of(&self, subject: &Subject, number: u64) -> SessionRow {
        SessionRow { subject: subject.clone(), ..self.row(number) }
    }

    pub(super) async fn create(&self, row: &SessionRow) {
        self.store.create(row).await.expect("create of a new handle succeeds");
    }

    pub(super) async fn create_all(&self, rows: &[SessionRow]) {
        for some in rows.chunks(CONCURRENT) {
            join_all(some.iter().map(|row| self.create(row))).await;
        }
    }

    /// Creates [`row`](Self::row) `number` and returns it.
    pub(super) async fn created(&self, number: u64) -> SessionRow {
        let row = self.row(number);
        self.create(&row).await;
        row
    }

    /// Creates the row, which must be loaded unchanged.
    pub(super) async fn round_trip(&self, row: &SessionRow) {
        self.create(row).await;
        self.expect(row).await;
    }

    /// Returns whether the handle was free.
    pub(super) async fn try_create(&self, row: &SessionRow) -> bool {
        match self.store.create(row).await {
            Ok(()) => true,
            Err(error) if error.kind() == StoreErrorKind::AlreadyExists => false,
            Err(error) => panic!("create of an existing handle returns AlreadyExists, not: {error:?}"),
        }
    }

    /// Asserts that the stored row is `row`.
    pub(super) async fn expect(&self, row: &SessionRow) {
        assert_eq!(
            self.load(row.handle).await.as_ref(),
            Some(row),
            "the stored row (left) is the expected one (right)"
        );
    }

    pub(super) async fn expect_none(&self, handle: SessionHandle) {
        assert_eq!(self.load(handle).await, None, "there is no such row");
    }

    pub(super) async fn load(&self, handle: SessionHandle) -> Option<SessionRow> {
        self.store.load(handle).await.expect("load succeeds")
    }

    pub(super) async fn swap(&self, row: &SessionRow, version: u64) -> bool {
        self.store.compare_and_swap(row, version).await.expect("compare_and_swap returns Ok, swapped or not")
    }

    pub(super) async fn end(&self, handle: SessionHandle, reason: EndReason, now: Timestamp) -> bool {
        self.end_at(handle, Ended::new(reason, now), self.version(END)).await
    }

    pub(super) async fn end_at(&self, handle: SessionHandle, ended: Ended, version: u64) -> bool {
        let end = self.store.end(handle, ended.reason, ended.at, version);
        end.await.expect("end returns Ok, first or not")
    }

    /// Ends the sessions of the subject as revoked, with as many calls as it takes. Returns their handles in order.
    pub(super) async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        now: Timestamp,
    ) -> Vec<SessionHandle> {
        const MOST_CALLS: usize = 20_000;
        let mut all = Vec::new();
        for _ in 0..MOST_CALLS {
            let end = self.store.end_subject(subject, except, EndReason::Revoked, now, self.version(END));
            let ended = end.await.expect("end_subject succeeds");
            if ended.is_empty() {
                return sorted(all);
            }
            all.extend(ended);
        }
        panic!("end_subject returns no handle eventually");
    }

    pub(super) async fn outdate(&self, handle: SessionHandle, now: Timestamp) -> Option<u32> {
        self.outdate_at(handle, now, self.version(OUTDATE)).await
    }

    pub(super) async fn outdate_at(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Option<u32> {
        let outdate = self.store.outdate_claims(handle, now, version);
        outdate.await.expect("outdate_claims returns Ok, outdated or not")
    }

    /// The whole list.
    pub(super) async fn list(&self, subject: &Subject, now: Timestamp) -> Vec<SessionRow> {
        self.list_by(subject, now, LONG_PAGE).await
    }

    /// The whole list, in pages of `limit` rows.
    pub(super) async fn list_by(&self, subject: &Subject, now: Timestamp, limit: usize) -> Vec<SessionRow> {
        let mut all = self.page(subject, now, Page::first(limit)).await;
        let mut len = all.len();
        while len == limit {
            let page = Page::after(&all[all.len() - 1], limit);
            let more = self.page(subject, now, page).await;
            assert!(more.iter().all(|row| page.includes(row)), "a page has no row of the page before");
            len = more.len();
            all.extend(more);
        }
        all
    }

    pub(super) async fn page(&self, subject: &Subject, now: Timestamp, page: Page) -> Vec<SessionRow> {
        let rows = self.store.list(subject, now, page).await.expect("list succeeds");
        assert!(rows.len() <= page.limit, "a page has at most {} rows, not {}", page.limit, rows.len());
        rows
    }

    /// Purges all sessions that ended or expired before [`PURGE`].
    pub(super) async fn purge(&self) {
        const MOST_CALLS: usize = 100_000;
        for _ in 0..MOST_CALLS {
            if self.purge_once(PURGE).await == 0 {
                return;
            }
        }
        panic!("purge_dead returns 0 eventually");
    }

    pub(super) async fn purge_once(&self, dead_before: Timestamp) -> u64 {
        self.store.purge_dead(dead_before).await.expect("purge_dead succeeds")
    }
}

pub(super) fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(by)
}

pub(super) fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by)
}

pub(super) fn sorted(mut handles: Vec<SessionHandle>) -> Vec<SessionHandle> {
    handles.sort_unstable();
    handles
}

/// A name of a subject for [`similar_to`].
pub(super) const EASILY_CONFUSED: &str = "aliceé";

/// Subjects that a careless comparison confuses with `subject`: other case or normalization, padding, patterns, prefixes.
pub(super) fn similar_to(subject: &Subject) -> Vec<Subject> {
    let name = subject.as_str();
    let shorter: String = name.chars().take(name.chars().count() - 1).collect();
    [
        name.to_uppercase(),
        name.replace('é', "e\u{301}"),
        name.replace('é', "e"),
        name.replace('i', "ı"),
        shorter,
        format!("{name} "),
        format!(" {name}"),
        format!("{name}\n"),
        format!("{name}x"),
        format!("{name}%"),
        format!("{name}*"),
        format!("{name}:1"),
        format!("{{{name}}}"),
        format!("\"{name}\""),
        format!("{name}' or ''='"),
        format!("{name}\u{200b}"),
        name.replace('-', "_"),
        name.replace('-', "%"),
    ]
    .map(Subject::new)
    .to_vec()
}

/// A bijection that spreads numbers over all of `u64` (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
