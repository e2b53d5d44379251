//! Requests to the server.

use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value,
    aio::ConnectionLike,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
};

use super::any::Connection;

/// A command, or a script that works on one key.
pub(crate) enum Request<'a> {
    Command(Cmd),
    Script(&'a Script, Cmd),
    /// Commands that are sent one after the other on one connection, to the primary that serves this key. The answer is an array
    /// of their answers, some of which may be errors.
    Pipeline(String, Pipeline),
    /// A command for the primary that serves this slot of the Cluster.
    OnPrimaryOf(u16, Cmd),
}

impl<'a> Request<'a> {
    /// A call of the script with its key and arguments.
    pub(crate) fn script(script: &'a Script, key: &str, arguments: &[&[u8]]) -> Self {
        let bytes = arguments.iter().map(|argument| argument.len()).sum::<usize>();
        let mut cmd = Cmd::with_capacity(4 + arguments.len(), 64 + key.len() + bytes);
        cmd.arg("EVALSHA").arg(script.get_hash()).arg(1).arg(key).arg(arguments);
        Self::Script(script, cmd)
    }

    pub(crate) async fn send(&self, connection: &mut Connection) -> RedisResult<Value> {
        match self {
            Self::Command(cmd) => send(cmd, connection).await,
            Self::Script(script, cmd) => match send(cmd, connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    script.load_async(connection).await?;
                    send(cmd, connection).await
                }
                answer => answer,
            },
            Self::Pipeline(key, pipeline) => send_all(key, pipeline, connection).await,
            Self::OnPrimaryOf(slot, cmd) => match connection {
                Connection::Cluster(cluster) => {
                    let route = SingleNodeRoutingInfo::SpecificNode(Route::new(*slot, SlotAddr::Master));
                    cluster.route_command(cmd.clone(), RoutingInfo::SingleNode(route)).await?.extract_error()
                }
                connection => send(cmd, connection).await,
            },
        }
    }
}

async fn send(cmd: &Cmd, connection: &mut Connection) -> RedisResult<Value> {
    connection.req_packed_command(cmd).await?.extract_error()
}

async fn send_all(key: &str, pipeline: &Pipeline, connection: &mut Connection) -> RedisResult<Value> {
    let answers = match connection {
        Connection::Cluster(cluster) => {
            let route = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
            cluster.route_pipeline(pipeline.clone(), 0, pipeline.len(), route).await?
        }
        connection => connection.req_packed_commands(pipeline, 0, pipeline.len()).await?,
    };
    let read_only = ErrorKind::Server(ServerErrorKind::ReadOnly);
    for answer in &answers {
        // The node is no longer the primary, so that the connection must be replaced.
        if let Value::ServerError(error) = answer
            && RedisError::from(error.clone()).kind() == read_only
        {
            return Err(error.clone().into());
        }
    }
    Ok(Value::Array(answers))
}
