//! One connection that all calls share. It is replaced when it breaks or does not answer any more.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{ErrorKind, RedisError, RedisResult, RetryMethod, ServerErrorKind, Value};
use tower_refresh_core::{StoreError, StoreErrorKind};

use super::{
    any::{Connection, Driver},
    request::Request,
    route::Route,
};
use crate::error::store_error;

/// The pauses between tries. A server that restarts, or a connection that was cut, delays a call by no more than these.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(200)];

/// A clone is another handle to the same connection.
#[derive(Clone)]
pub(crate) struct SharedConnection(Arc<Inner>);

struct Inner {
    route: Arc<Route>,
    timeout: Duration,
    current: Mutex<Current>,
    created: Instant,
    /// When the server answered last, in milliseconds since `created`.
    answered_at: AtomicU64,
}

struct Current {
    connection: Option<Connection>,
    /// Distinguishes the connection from its predecessors.
    number: u64,
    since: Instant,
    connecting: Option<Connecting>,
}

type Connecting = Shared<BoxFuture<'static, RedisResult<()>>>;

impl SharedConnection {
    /// Starts with the connection `given`, if any, and connects when needed.
    pub(crate) fn new(route: Arc<Route>, given: Option<Connection>, timeout: Duration) -> Self {
        let now = Instant::now();
        let current = Current { connection: given, number: 0, since: now, connecting: None };
        Self(Arc::new(Inner {
            route,
            timeout,
            current: Mutex::new(current),
            created: now,
            answered_at: AtomicU64::new(0),
        }))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(*self.0.route, Route::Cluster(_))
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Connects, if there is no connection yet.
    pub(crate) async fn connect(&self) -> RedisResult<()> {
        self.connection().await.map(drop)
    }

    /// Sends the request and returns the answer, within the time limit. If the connection breaks before the answer, the
    /// request is sent again, so a request must do no harm if it is executed twice.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Value, StoreError> {
        let sent_at = self.0.now();
        let mut number = None;
        match tokio::time::timeout(self.0.timeout, self.try_some_times(request, &mut number)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(store_error(error)),
            Err(elapsed) => {
                if let Some(number) = number {
                    self.report_timeout(number, sent_at);
                }
                Err(StoreError::with_source(StoreErrorKind::TimedOut, elapsed))
            }
        }
    }

    async fn try_some_times(&self, request: &Request<'_>, used: &mut Option<u64>) -> RedisResult<Value> {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.try_once(request, used).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if may_pass(&error) => tokio::time::sleep(*pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn try_once(&self, request: &Request<'_>, used: &mut Option<u64>) -> RedisResult<Value> {
        let (number, mut connection) = self.connection().await?;
        *used = Some(number);
        let answer = request.send(&mut connection).await;
        match &answer {
            Err(error) if is_broken(error) => self.replace(number),
            _ => self.0.answered_at.store(self.0.now(), Ordering::Relaxed),
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        loop {
            let connecting = {
                let mut current = self.current();
                if let Some(connection) = &current.connection {
                    return Ok((current.number, connection.clone()));
                }
                self.start_connecting(&mut current)
            };
            connecting.await?;
        }
    }

    /// Connects in a task, which completes even if no caller waits any more. The existing connection stays in use meanwhile.
    fn start_connecting(&self, current: &mut Current) -> Connecting {
        if let Some(connecting) = &current.connecting {
            return connecting.clone();
        }
        let this = self.clone();
        let connecting = async move {
            let outcome = this.0.route.connect(this.0.timeout).await;
            let mut current = this.current();
            current.connecting = None;
            current.connection = Some(outcome?);
            current.number += 1;
            current.since = Instant::now();
            Ok(())
        };
        let connecting = connecting.boxed().shared();
        current.connecting = Some(connecting.clone());
        tokio::spawn(connecting.clone());
        connecting
    }

    /// Replaces a connection that will not work again.
    fn replace(&self, number: u64) {
        let mut current = self.current();
        if current.number != number || reconnects_itself(&current) {
            return;
        }
        current.connection = None;
        drop(self.start_connecting(&mut current));
    }

    /// Handles a call that had no answer in time. If no call had one since, the connection may lead nowhere, and is replaced.
    /// Of the nodes of a Cluster, one may be silent while others answer, and its replica may have taken over: a new
    /// connection learns the current topology.
    fn report_timeout(&self, number: u64, sent_at: u64) {
        if !self.is_cluster() {
            if self.0.answered_at.load(Ordering::Relaxed) < sent_at {
                self.replace(number);
            }
            return;
        }
        let mut current = self.current();
        let is_old = current.since.elapsed() > self.0.timeout * 2;
        if current.number == number && current.connection.is_some() && is_old {
            drop(self.start_connecting(&mut current));
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn reconnects_itself(current: &Current) -> bool {
    matches!(
        current.connection,
        Some(Connection::Cluster(_) | Connection::Driver(Driver::Cluster(_) | Driver::Manager(_)))
    )
}

/// Also if the node is no longer the primary: Sentinel knows which node is.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn may_pass(error: &RedisError) -> bool {
    !error.is_timeout() && !matches!(error.retry_method(), RetryMethod::NoRetry)
}
