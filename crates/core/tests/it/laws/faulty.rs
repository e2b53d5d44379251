//! A simple store with a chosen fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use tower_refresh_core::{
    EndReason, Ended, FeedWatcher, Page, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

use super::fault::Fault;

/// The largest 16-bit length.
const MOST_BYTES: usize = u16::MAX as usize;
/// The size of a page of results.
const MOST_ROWS: usize = 9_000;

pub(crate) struct FaultyStore {
    fault: Option<Fault>,
    rows: Mutex<BTreeMap<String, SessionRow>>,
    /// The version of each row before its last swap.
    previous: Mutex<BTreeMap<SessionHandle, u64>>,
    /// When the sessions of a subject were ended.
    subjects: Mutex<BTreeMap<String, Timestamp>>,
    /// When the claims of each session were outdated.
    outdated_at: Mutex<BTreeMap<SessionHandle, Timestamp>>,
}

impl FaultyStore {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            rows: Mutex::default(),
            previous: Mutex::default(),
            subjects: Mutex::default(),
            outdated_at: Mutex::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, SessionRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subjects(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outdated_at(&self) -> MutexGuard<'_, BTreeMap<SessionHandle, Timestamp>> {
        self.outdated_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, handle: SessionHandle) -> String {
        let mut key = handle.to_string();
        match self.fault {
            Some(Fault::HandlesIgnoreCase) => key.to_lowercase(),
            Some(Fault::HandlesLoseTheirEnd) => {
                key.pop();
                key
            }
            _ => key,
        }
    }

    fn is_of(&self, row: &SessionRow, subject: &Subject) -> bool {
        let (of, subject) = (row.subject.as_str(), subject.as_str());
        of == subject
            || self.has(Fault::SubjectsIgnoreCase) && of.to_lowercase() == subject.to_lowercase()
            || self.has(Fault::SubjectsByPrefix) && of.starts_with(subject)
    }

    fn end_row(&self, row: &mut SessionRow, reason: EndReason, now: Timestamp, version: u64) -> bool {
        let spared = self.has(Fault::EndSparesExpired) && now >= row.expires_at()
            || self.has(Fault::EndNeedsAnUnwrittenRow) && row.generation > 0;
        if row.ended.is_some() && !self.has(Fault::EndAgain) || spared {
            return false;
        }
        row.ended = Some(Ended::new(reason, now));
        match self.fault {
            Some(Fault::EndKeepsVersion) => {}
            Some(Fault::EndIncrementsVersion) => row.version += 1,
            _ => row.version = version,
        }
        if self.has(Fault::EndForgetsBinding) {
            row.binding = None;
        }
        true
    }

    fn outdate_row(&self, row: &mut SessionRow, now: Timestamp, version: u64) -> Option<u32> {
        let spared = self.has(Fault::OutdateSparesExpired) && now >= row.expires_at()
            || self.has(Fault::OutdateNeedsAnUnwrittenRow) && row.generation > 0;
        if row.ended.is_some() && !self.has(Fault::OutdateIgnoresEnd) || spared {
            return None;
        }
        let (old, old_version) = (row.claims_epoch, row.version);
        row.claims_epoch = old.saturating_add(1);
        row.version = version;
        match self.fault {
            Some(Fault::OutdateKeepsEpoch) => {
                row.claims_epoch = old;
                return Some(old + 1);
            }
            Some(Fault::OutdateReturnsTheOldEpoch) => return Some(old),
            Some(Fault::OutdateStartsAtZero) => row.claims_epoch = 1,
            Some(Fault::OutdateKeepsVersion) => row.version = old_version,
            Some(Fault::OutdateIncrementsVersion) => row.version = old_version.wrapping_add(1),
            Some(Fault::OutdateForgetsBinding) => row.binding = None,
            Some(Fault::OutdateMovesExpiry) => row.idle_expiry = now.saturating_add(Duration::from_secs(9)),
            Some(Fault::OutdateWraps) => row.claims_epoch = old.wrapping_add(1),
            Some(Fault::OutdateStopsAtSignedIntegers) => {
                row.claims_epoch = old.max(row.claims_epoch.min(i32::MAX as u32));
            }
            Some(Fault::OutdateKeepsVersionAtTheLargestEpoch) if old == u32::MAX => {
                row.version = old_version;
            }
            _ => {}
        }
        Some(row.claims_epoch)
    }

    /// Whether the claims of the session were outdated at `since` or later, according to a faulty feed.
    fn is_outdated_since(&self, row: &SessionRow, since: Timestamp) -> bool {
        let at = self.outdated_at().get(&row.handle).copied();
        let omitted = match self.fault {
            Some(Fault::FeedOmitsOutdatedAtSince) => at == Some(since),
            Some(Fault::FeedOmitsOutdatedOfExpired) => at >= Some(row.expires_at()),
            Some(Fault::FeedOmitsOutdatedBeforeASwap) => row.generation > 0,
            Some(Fault::FeedOmitsOutdated) => true,
            _ => false,
        };
        let reported = at >= Some(since)
            || self.has(Fault::FeedReportsAllOutdated) && at.is_some()
            || self.has(Fault::FeedReportsEveryEpoch) && row.claims_epoch > 0;
        let is_live = row.ended.is_none() || self.has(Fault::FeedReportsOutdatedOfEnded);
        reported && is_live && !omitted
    }

    /// The row as a faulty `create` stores it.
    fn with_faults(&self, row: &SessionRow) -> SessionRow {
        let mut row = row.clone();
        if self.has(Fault::CreateLosesMilliseconds) {
            row.created_at = Timestamp::from_secs(row.created_at.as_secs());
        }
        match self.fault {
            Some(Fault::CreateForgetsAuthentication) => row.authenticated_at = row.created_at,
            Some(Fault::CreateForgetsIdle) => {
                row.idle = Some(row.idle_expiry.saturating_since(row.created_at));
            }
            Some(Fault::CreateSetsIdle) => row.idle = row.idle.or(Some(Duration::ZERO)),
            Some(Fault::CreateForgetsPersistence) => row.persistent = true,
            Some(Fault::CreateForgetsEpoch) => row.claims_epoch = 0,
            Some(Fault::CreateForgetsBinding) => row.binding = None,
            Some(Fault::CreateForgetsVersion) => row.version = 0,
            Some(Fault::CreateDropsEmptyBindings) => {
                row.binding = row.binding.filter(|binding| !binding.as_bytes().is_empty());
            }
            _ => {}
        }
        if self.has(Fault::CreateTrimsTexts) {
            row.subject = row.subject.as_str().trim().into();
            row.meta.label = row.meta.label.map(|label| label.trim().to_owned());
        }
        if self.has(Fault::CreateCutsAtNul) {
            let end = row.subject.as_str().find('\0').unwrap_or(row.subject.as_str().len());
            row.subject = row.subject.as_str()[..end].into();
        }
        if self.has(Fault::CreateDropsEmptyTexts) {
            row.meta.label = row.meta.label.filter(|label| !label.is_empty());
        }
        if self.has(Fault::CreateCutsLongTexts) {
            row.meta.label = row.meta.label.filter(|label| label.len() <= MOST_BYTES);
        }
        if self.has(Fault::CreateCutsLongData) {
            row.data.truncate(MOST_BYTES);
        }
        if self.has(Fault::CreateUnmapsAddresses) {
            row.meta.ip = row.meta.ip.map(|ip| ip.to_canonical());
        }
        if self.has(Fault::CreateCutsGenerations) {
            row.generation = row.generation.min(i32::MAX as u32);
        }
        if self.has(Fault::CreateLosesTheLeastInteger) && row.generation == i32::MIN as u32 {
            row.generation = 0;
        }
        if self.has(Fault::CreateLosesTheLargestTime) {
            row.rotated_at = row.rotated_at.min(Timestamp::from_millis(i64::MAX as u64 - 1));
        }
        if self.has(Fault::CreateLosesTheEpoch) {
            row.created_at = row.created_at.max(Timestamp::from_millis(1));
        }
        if self.has(Fault::CreateEndsLaterLogins)
            && let Some(at) = self.subjects().get(row.subject.as_str())
        {
            row.ended = Some(Ended::new(EndReason::Revoked, *at));
        }
        row
    }
}

impl SessionStore for FaultyStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let row = self.with_faults(row);
        let mut rows = self.rows();
        if let Some(old) = rows.get(&self.key(row.handle)) {
            let free = self.has(Fault::CreateOverwritesEnded) && old.ended.is_some()
                || self.has(Fault::CreateOverwritesExpired)
                    && old.expires_at() <= old.created_at.saturating_add(Duration::from_secs(3600));
            if !free && !self.has(Fault::CreateOverwrites) {
                let failed = self.has(Fault::CreateReportsAnotherError);
                let kind = if failed { StoreErrorKind::Unavailable } else { StoreErrorKind::AlreadyExists };
                return Err(StoreError::new(kind));
            }
        }
        rows.insert(self.key(row.handle), row);
        Ok(())
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        let hidden = |row: &SessionRow| self.has(Fault::LoadHidesEnded) && row.ended.is_some();
        let rows = self.rows();
        let invented = if self.has(Fault::LoadInvents) { rows.values().next() } else { None };
        Ok(rows.get(&self.key(handle)).or(invented).filter(|row| !hidden(row)).cloned())
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        let previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let is_former =
            self.has(Fault::TellsFormerVersions) && previous.get(&handle).is_some_and(|old| *old == version);
        let rows = self.rows();
        let row = rows.get(&self.key(handle));
        let is_ended = self.has(Fault::TellsOfEnded) && row.is_some_and(|row| row.ended.is_some());
        Some(is_former || is_ended || row.is_some_and(|row| row.version == version))
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let Some(old) = rows.get_mut(&self.key(row.handle)) else {
            if self.has(Fault::SwapInserts) {
                rows.insert(self.key(row.handle), row.clone());
            }
            return Ok(false);
        };
        let mut previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let ignores_all = self.has(Fault::SwapIgnoresAll);
        let same = old.version == row.version
            || self.has(Fault::SwapIgnoresVersion)
            || self.has(Fault::SwapOrdersVersions) && old.version < row.version
            || self.has(Fault::SwapComparesLowBits) && old.version as u32 == row.version as u32
            || self.has(Fault::SwapWinsTwice) && previous.get(&row.handle) == Some(&row.version);
        let is_final = old.ended.is_some() && !self.has(Fault::SwapIgnoresEnd);
        if !ignores_all && (!same || is_final) {
            return Ok(false);
        }
        previous.insert(row.handle, old.version);
        let mut new = old.clone();
        new.version = version;
        new.generation = row.generation;
        new.rotated_at = row.rotated_at;
        new.confirmed = row.confirmed;
        new.late_budget = row.late_budget;
        new.idle_expiry = row.idle_expiry;
        new.claims_epoch = row.claims_epoch;
        new.binding.clone_from(&row.binding);
        new.data.clone_from(&row.data);
        new.ended = row.ended;
        match self.fault {
            Some(Fault::SwapKeepsVersion) => new.version = old.version,
            Some(Fault::SwapIncrementsVersion) => new.version = old.version.wrapping_add(1),
            Some(Fault::SwapForgetsEpoch) => new.claims_epoch = old.claims_epoch,
            Some(Fault::SwapForgetsBinding) => new.binding = old.binding.clone(),
            Some(Fault::SwapKeepsAnOldBinding) => new.binding = new.binding.or(old.binding.clone()),
            Some(Fault::SwapForgetsData) => new.data = old.data.clone(),
            Some(Fault::SwapWritesMeta) => new.meta = row.meta.clone(),
            Some(Fault::SwapWritesAuthentication) => new.authenticated_at = row.authenticated_at,
            Some(Fault::SwapWritesIdle) => new.idle = row.idle,
            Some(Fault::SwapWritesPersistence) => new.persistent = row.persistent,
            Some(Fault::SwapForgetsGeneration) => new.generation = old.generation,
            Some(Fault::SwapForgetsTheTime) => new.rotated_at = old.rotated_at,
            Some(Fault::SwapForgetsConfirmation) => new.confirmed = old.confirmed,
            Some(Fault::SwapForgetsLateBudget) => new.late_budget = old.late_budget,
            Some(Fault::SwapForgetsExpiry) => new.idle_expiry = old.idle_expiry,
            Some(Fault::SwapCutsGenerations) => new.generation = new.generation.min(i32::MAX as u32),
            _ => {}
        }
        *old = new;
        if self.has(Fault::SwapTouchesOthers) {
            for other in rows.values_mut().filter(|other| other.handle != row.handle) {
                other.idle_expiry = row.idle_expiry;
            }
        }
        Ok(true)
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        if self.has(Fault::EndEndsTheSubject) {
            return Ok(rows
                .values_mut()
                .map(|row| self.end_row(row, reason, now, version))
                .filter(|ended| *ended)
                .count()
                > 0);
        }
        if let Some(row) = rows.get_mut(&self.key(handle)) {
            return Ok(self.end_row(row, reason, now, version));
        }
        if self.has(Fault::EndInserts) {
            let mut row = SessionRow::new(handle, "".into(), now, now, now);
            row.ended = Some(Ended::new(reason, now));
            rows.insert(self.key(handle), row);
        }
        Ok(false)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        const MOST: usize = 700;
        let mut ended = Vec::new();
        let mut rows = self.rows();
        let earlier = rows.values().filter(|row| self.is_of(row, subject) && row.ended.is_some()).count();
        let ends_all =
            self.has(Fault::EndOfUnknownSubjectEndsAll) && !rows.values().any(|row| self.is_of(row, subject));
        self.subjects().insert(subject.as_str().to_owned(), now);
        for row in rows.values_mut().filter(|row| ends_all || self.is_of(row, subject)) {
            if except == Some(row.handle) && !self.has(Fault::EndSubjectIgnoresException) {
                continue;
            }
            let spared = self.has(Fault::EndSubjectSparesExpired) && now >= row.expires_at();
            if spared || self.has(Fault::EndSubjectStopsEarly) && earlier + ended.len() >= MOST_ROWS {
                continue;
            }
            if ended.len() == MOST {
                break;
            }
            if self.end_row(row, reason, now, version) || self.has(Fault::EndSubjectReturnsAll) {
                ended.push(row.handle);
            }
        }
        if self.has(Fault::EndSubjectForgetsOne) {
            ended.pop();
        }
        Ok(ended)
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        if self.has(Fault::OutdateRaces) {
            let row = self.rows().get(&self.key(handle)).cloned();
            yield_once().await;
            let Some(mut row) = row else { return Ok(None) };
            let epoch = self.outdate_row(&mut row, now, version);
            self.rows().insert(self.key(handle), row);
            return Ok(epoch);
        }
        let mut rows = self.rows();
        if self.has(Fault::OutdateOutdatesTheSubject) {
            let epochs: Vec<_> = rows.values_mut().map(|row| self.outdate_row(row, now, version)).collect();
            return Ok(epochs[0]);
        }
        let Some(row) = rows.get_mut(&self.key(handle)) else {
            if self.has(Fault::OutdateInserts) {
                let row = SessionRow::new(handle, "".into(), now, now, now);
                rows.insert(self.key(handle), row);
            }
            return Ok(None);
        };
        let epoch = self.outdate_row(row, now, version);
        if epoch.is_some() || self.has(Fault::FeedReportsOutdatedOfEnded) {
            let mut outdated_at = self.outdated_at();
            let at = outdated_at.entry(handle).or_default();
            *at = if self.has(Fault::FeedForgetsTheLatestTime) { now } else { now.max(*at) };
        }
        Ok(epoch)
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let now =
            if self.has(Fault::ListAtExpiry) { now.saturating_sub(Duration::from_millis(1)) } else { now };
        let mut rows: Vec<_> = self.rows().values().filter(|row| self.is_of(row, subject)).cloned().collect();
        rows.retain(|row| row.is_live(now) || self.has(Fault::ListShowsEnded) && row.ended.is_some());
        rows.sort_by_key(|row| (row.created_at, row.handle));
        if !self.has(Fault::ListOldestFirst) {
            rows.reverse();
        }
        if self.has(Fault::ListStopsEarly) {
            rows.truncate(MOST_ROWS);
        }
        rows.retain(|row| match self.fault {
            Some(Fault::ListRepeatsTheLastRow) => {
                page.includes(row) || page.after == Some((row.created_at, row.handle))
            }
            Some(Fault::ListSkipsEqualTimes) => page.after.is_none_or(|(at, _)| row.created_at < at),
            _ => page.includes(row),
        });
        if !self.has(Fault::ListIgnoresLimits) {
            rows.truncate(page.limit);
        }
        Ok(rows)
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        const MOST: usize = 100;
        let dead_since = |row: &SessionRow| {
            if self.has(Fault::PurgeByExpiryOnly) { row.expires_at() } else { row.dead_since() }
        };
        let is_dead = |row: &SessionRow| {
            let at_the_time = self.has(Fault::PurgeAtTheTime) && dead_since(row) == dead_before;
            dead_since(row) < dead_before || at_the_time
        };
        let mut rows = self.rows();
        let dead: Vec<_> = rows.iter().filter(|(_, row)| is_dead(row)).map(|(key, _)| key.clone()).collect();
        let purged = dead.iter().take(MOST).filter_map(|key| rows.remove(key)).count() as u64;
        match self.fault {
            Some(Fault::PurgeStopsEarly) => Ok(0),
            Some(Fault::PurgeNeverZero) => Ok(purged + 1),
            _ => Ok(purged),
        }
    }

    /// Polls every row repeatedly.
    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        let mut reported = BTreeSet::new();
        let mut epochs = BTreeMap::new();
        let mut rounds = 0;
        poll_fn(|context| {
            for row in self.rows().values() {
                if self.is_outdated_since(row, since) && epochs.get(&row.handle) < Some(&row.claims_epoch) {
                    let silent = self.has(Fault::FeedOmitsEarlierOutdated) && rounds == 0
                        || self.has(Fault::FeedReportsTheFirstEpochOnly) && epochs.contains_key(&row.handle)
                        || self.has(Fault::FeedStops) && rounds > 0;
                    epochs.insert(row.handle, row.claims_epoch);
                    if !silent {
                        let more = u32::from(self.has(Fault::FeedReportsTooLargeEpochs));
                        watcher.outdated(row.handle, row.claims_epoch.saturating_add(more));
                    }
                }
                let Some(ended) = row.ended else { continue };
                if self.has(Fault::FeedOmitsEndsOfOutdated) && row.claims_epoch > 0 {
                    continue;
                }
                let early = ended.at < since || self.has(Fault::FeedOmitsEndsAtSince) && ended.at == since;
                if early && !self.has(Fault::FeedReportsAll) || !reported.insert(row.handle) {
                    continue;
                }
                let silent = self.has(Fault::FeedOmitsEarlierEnds) && rounds == 0
                    || self.has(Fault::FeedStops) && rounds > 0;
                let at = if self.has(Fault::FeedReportsWrongTimes) { since } else { ended.at };
                if !silent {
                    watcher.ended(row.handle, at);
                }
            }
            if rounds == 0 && !self.has(Fault::FeedNeverCatchesUp) {
                watcher.caught_up();
            }
            rounds += 1;
            if rounds > 1000 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Err(StoreError::new(StoreErrorKind::Unavailable))
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
