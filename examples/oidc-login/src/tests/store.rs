//! A store that can fail to end sessions, and during whose calls something else can happen.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tower_refresh::store::{
    EndReason, MemoryStore, Page, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

#[derive(Clone, Default)]
pub(super) struct TestStore {
    sessions: MemoryStore,
    ends_fail: Arc<AtomicBool>,
    before_create: Arc<Mutex<Option<Meanwhile>>>,
}

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

impl TestStore {
    pub(super) fn set_ends_fail(&self, fail: bool) {
        self.ends_fail.store(fail, Ordering::Relaxed);
    }

    /// The next session is created after this.
    pub(super) fn before_create(&self, meanwhile: impl Future<Output = ()> + Send + 'static) {
        *self.before_create.lock().unwrap() = Some(Box::pin(meanwhile));
    }

    fn check(&self) -> Result<(), StoreError> {
        let fail = self.ends_fail.load(Ordering::Relaxed);
        if fail { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { Ok(()) }
    }
}

impl SessionStore for TestStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let meanwhile = self.before_create.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.sessions.create(row).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.sessions.load(handle).await
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        self.sessions.has_version(handle, version)
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.sessions.compare_and_swap(row, version).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.sessions.end(handle, reason, now, version).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.check()?;
        self.sessions.end_subject(subject, except, reason, now, version).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.sessions.outdate_claims(handle, now, version).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.sessions.list(subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.sessions.purge_dead(dead_before).await
    }
}
