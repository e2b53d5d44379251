//! The store: what each call asks of the server.

use std::{convert::Infallible, fmt, sync::Arc};

use redis::cmd;
use tower_refresh_core::{
    EndReason, EndWatcher, Ended, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

use crate::{ConnectError, Options, Server, end, feed, inner::Inner, list, purge, request::Request, row};

/// Keeps sessions in Redis or Valkey. See the [crate's documentation](crate) for an example, and for what it promises.
///
/// A clone is another handle on the same store and the same connection.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

impl RedisStore {
    /// Connects to the server of a [URL](Server::url), with the [defaults](Options).
    ///
    /// # Errors
    /// If the URL is not one, or goes across a network without TLS, or the server cannot be reached
    /// ([`ConnectError::kind`]).
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Options::new().connect(Server::url(url)?).await
    }

    pub(crate) async fn open(options: Options, server: Server) -> Result<Self, ConnectError> {
        Ok(Self { inner: Arc::new(Inner::connect(options, server).await?) })
    }
}

/// Dropping a future takes nothing back: what was sent may be done all the same. Of an
/// [`end_subject`](SessionStore::end_subject) that was dropped, some sessions may be ended and others not.
impl SessionStore for RedisStore {
    /// The subject's index comes first: if the row never follows, the index names a session that is not there, which nobody
    /// sees; the other way round a session would be missing when its subject is ended.
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let value = row::encode(row, inner.writer())
            .ok_or_else(|| StoreError::with_source(StoreErrorKind::Unavailable, "a text is too long"))?;
        list::add(inner, row).await?;
        if let Some(ended) = row.ended {
            end::note(inner, &[row.handle], ended.at).await?;
        }
        let expiry = inner.forgotten_at(row.dead_since());
        let key = inner.keys.row(row.handle);
        let request = Request::script(&inner.scripts.create, &key, &[&value, expiry.as_bytes()]);
        match inner.ask(request).await? {
            true => Ok(()),
            false => Err(StoreError::new(StoreErrorKind::AlreadyExists)),
        }
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        let inner = &*self.inner;
        let mut get = cmd("GET");
        get.arg(inner.keys.row(handle));
        let value: Option<Vec<u8>> = inner.ask(Request::Command(get)).await?;
        value.map(|value| inner.decode(handle, &value)).transpose()
    }

    async fn compare_and_swap(&self, row: &SessionRow) -> Result<bool, StoreError> {
        let inner = &*self.inner;
        let head = row::swapped_head(row, inner.writer());
        let expiry = inner.forgotten_at(row.expires_at());
        let key = inner.keys.row(row.handle);
        let arguments: [&[u8]; 3] = [&row.version.to_be_bytes(), &head, expiry.as_bytes()];
        inner.ask(Request::script(&inner.scripts.swap, &key, &arguments)).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended = Ended::new(reason, now);
        end::note(&self.inner, &[handle], now).await?;
        let Some(subject) = end::end(&self.inner, handle, None, ended).await? else { return Ok(false) };
        list::remove(&self.inner, &subject, &[handle]).await;
        Ok(true)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        let mut handles = list::handles(&self.inner, subject).await?;
        handles.retain(|&handle| Some(handle) != except);
        end::end_all(&self.inner, subject, &handles, Ended::new(reason, now)).await
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<SessionRow>, StoreError> {
        list::live(&self.inner, subject, now).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        purge::purge(&self.inner, dead_before).await
    }

    /// Fails at once, with [`StoreErrorKind::Unavailable`], if `since` is longer ago than
    /// [the feed's window](Options::with_feed_window) and ends of that time are no longer known.
    async fn watch_ends(&self, since: Timestamp, watcher: &dyn EndWatcher) -> Result<Infallible, StoreError> {
        feed::watch(&self.inner, since, watcher).await
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.inner.route)
            .field("keys", &self.inner.keys)
            .finish_non_exhaustive()
    }
}
