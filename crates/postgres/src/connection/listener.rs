//! A connection that receives notifications. Connections of a pool do not.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio_postgres::{
    AsyncMessage, Client, Config, Error, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

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

impl Messages {
    /// `None` or an error comes last: the connection is lost.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> {
        (self.0)(context)
    }
}
