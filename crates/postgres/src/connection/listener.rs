//! A connection that receives notifications. Connections of a pool do not.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio_postgres::{
    AsyncMessage, Client, Config, Error, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::error::{OpenError, OpenErrorKind, store_error};

/// Makes connections that receive notifications.
#[derive(Clone)]
pub(crate) struct ListenConnector(Arc<dyn Fn() -> Connecting + Send + Sync>);

type Connecting = Pin<Box<dyn Future<Output = Result<ListenConnection, Error>> + Send>>;

impl ListenConnector {
    pub(crate) fn new<T>(config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self(Arc::new(move || {
            let (config, tls) = (config.clone(), tls.clone());
            Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let messages = Messages(Box::new(move |context| connection.poll_message(context)));
                Ok(ListenConnection { client, messages })
            })
        }))
    }

    pub(crate) async fn connect(&self) -> Result<ListenConnection, Error> {
        (self.0)().await
    }
}

impl fmt::Debug for ListenConnector {
    /// Omits the configuration, which contains a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListenConnector")
    }
}

/// The client's queries make progress only while `messages` is polled.
pub(crate) struct ListenConnection {
    pub(crate) client: Client,
    pub(crate) messages: Messages,
}

pub(crate) struct Messages(Box<PollMessage>);

type PollMessage = dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send;

/// The connection is lost, with the driver's error if it reported one.
pub(crate) struct ConnectionLost(Option<Error>);

impl From<ConnectionLost> for OpenError {
    fn from(ConnectionLost(error): ConnectionLost) -> Self {
        error.map_or_else(|| OpenErrorKind::Unavailable.into(), Self::from)
    }
}

impl From<ConnectionLost> for StoreError {
    fn from(ConnectionLost(error): ConnectionLost) -> Self {
        error.map_or_else(|| Self::new(StoreErrorKind::Unavailable), store_error)
    }
}

impl Messages {
    /// Passes messages to `receive` until it returns an output, or `work` does. This drives the connection, which the work may
    /// wait for.
    pub(crate) async fn drive<T>(
        &mut self,
        work: impl Future<Output = T>,
        mut receive: impl FnMut(AsyncMessage) -> Option<T>,
    ) -> Result<T, ConnectionLost> {
        let mut work = pin!(work);
        poll_fn(|context| {
            while let Poll::Ready(message) = (self.0)(context) {
                match message {
                    Some(Ok(message)) => {
                        if let Some(output) = receive(message) {
                            return Poll::Ready(Ok(output));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Err(ConnectionLost(Some(error)))),
                    None => return Poll::Ready(Err(ConnectionLost(None))),
                }
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }
}
