//! The way to the server: one connection that all calls share, replaced when it breaks or falls silent.

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
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, RetryMethod, ServerErrorKind, Value,
};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{connection::Connection, error::failed, request::Request, server::Route};

/// More than the driver's own 50, so that hundreds of tasks at once do not wait for a place in the queue.
const QUEUE: usize = 1024;
/// A server that restarts, or a connection that was cut, costs a call no more than these.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(200)];

/// A clone is another handle on the same connection.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    route: Arc<Route>,
    limit: Duration,
    slot: Mutex<Slot>,
    made_at: Instant,
    /// When the server answered last, in milliseconds since `made_at`.
    answered: AtomicU64,
}

struct Slot {
    connection: Option<Connection>,
    /// Tells one connection from the next.
    number: u64,
    since: Instant,
    connecting: Option<Connecting>,
}

type Connecting = Shared<BoxFuture<'static, RedisResult<()>>>;

impl Link {
    pub(crate) fn new(route: Arc<Route>, given: Option<Connection>, limit: Duration) -> Self {
        let now = Instant::now();
        let slot = Slot { connection: given, number: 0, since: now, connecting: None };
        Self(Arc::new(Inner {
            route,
            limit,
            slot: Mutex::new(slot),
            made_at: now,
            answered: AtomicU64::new(0),
        }))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(*self.0.route, Route::Cluster(_))
    }

    pub(crate) fn limit(&self) -> Duration {
        self.0.limit
    }

    /// Connects, if it is not connected yet.
    pub(crate) async fn connect(&self) -> RedisResult<Connection> {
        Ok(self.connection().await?.1)
    }

    /// Asks the server, within the time limit. What is asked must do no harm if it is asked twice: it is repeated where the
    /// connection broke before the answer.
    pub(crate) async fn ask(&self, request: &Request<'_>) -> Result<Value, StoreError> {
        let asked = self.0.now();
        let mut number = None;
        match tokio::time::timeout(self.0.limit, self.try_some_times(request, &mut number)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failed(error)),
            Err(elapsed) => {
                if let Some(number) = number {
                    self.suspect(number, asked);
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
            Err(error) if is_broken(error) => self.leave(number),
            _ => self.0.answered.store(self.0.now(), Ordering::Relaxed),
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        loop {
            let connecting = {
                let mut slot = self.slot();
                if let Some(connection) = &slot.connection {
                    return Ok((slot.number, connection.clone()));
                }
                self.start(&mut slot)
            };
            connecting.await?;
        }
    }

    /// Connects in the background, which goes on if nobody waits any more. The connection that there is stays in use
    /// meanwhile.
    fn start(&self, slot: &mut Slot) -> Connecting {
        if let Some(connecting) = &slot.connecting {
            return connecting.clone();
        }
        let link = self.clone();
        let connecting = async move {
            let outcome = link.0.route.connect(link.0.limit).await;
            let mut slot = link.slot();
            slot.connecting = None;
            slot.connection = Some(outcome?);
            slot.number += 1;
            slot.since = Instant::now();
            Ok(())
        };
        let connecting = connecting.boxed().shared();
        slot.connecting = Some(connecting.clone());
        tokio::spawn(connecting.clone());
        connecting
    }

    /// The connection will not work again.
    fn leave(&self, number: u64) {
        let mut slot = self.slot();
        if slot.number != number || self.repairs_itself(&slot) {
            return;
        }
        slot.connection = None;
        drop(self.start(&mut slot));
    }

    /// The server did not answer in time. One that has answered to nobody since may be behind a connection that leads nowhere.
    /// Of a Cluster's nodes one may be silent while others answer, and its replica have taken over: a new connection asks
    /// anew who is who.
    fn suspect(&self, number: u64, asked: u64) {
        if !self.is_cluster() {
            if self.0.answered.load(Ordering::Relaxed) < asked {
                self.leave(number);
            }
            return;
        }
        let mut slot = self.slot();
        let is_old = slot.since.elapsed() > self.0.limit * 2;
        if slot.number == number && slot.connection.is_some() && is_old {
            drop(self.start(&mut slot));
        }
    }

    fn repairs_itself(&self, slot: &Slot) -> bool {
        matches!(slot.connection, Some(Connection::Cluster(_) | Connection::Manager(_)))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now(&self) -> u64 {
        u64::try_from(self.made_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Route {
    /// A connection that is ready, within `limit`.
    pub(crate) async fn connect(&self, limit: Duration) -> RedisResult<Connection> {
        let connect = async {
            match self {
                Self::Node(client) => connect_node(client).await,
                Self::Sentinel(client) => connect_node(&client.lock().await.async_get_client().await?).await,
                Self::Cluster(nodes) => {
                    let client = Self::cluster_client(nodes, limit)?;
                    client.get_async_connection().await.map(Connection::Cluster)
                }
            }
        };
        tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

/// The time limits are this module's, and those of who calls it.
async fn connect_node(client: &Client) -> RedisResult<Connection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Node)
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Also where the node is no primary any more: Sentinel knows which is.
fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn may_pass(error: &RedisError) -> bool {
    !error.is_timeout() && !matches!(error.retry_method(), RetryMethod::NoRetry)
}
