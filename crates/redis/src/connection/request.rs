//! Requests to the server.

use redis::{
    Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value,
    aio::ConnectionLike,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
};

use super::{
    any::{Connection, Driver},
    cluster::Cluster,
    topology::slot,
    work::Work,
};
use crate::keyspace::StoredScript;

/// A command, or a script that works on one key.
pub(crate) enum Request<'a> {
    Command(Cmd),
    Script(&'a StoredScript, Cmd),
    /// Commands that are sent one after the other on one connection, to the primary that serves these keys. The answer is an array
    /// of their answers, some of which may be errors. With several keys these may be redirections.
    Pipeline(Vec<String>, Pipeline),
    /// A command for the primary that serves this slot of the Cluster.
    OnPrimaryOf(u16, Cmd),
}

impl<'a> Request<'a> {
    /// A call of the script with its key and arguments.
    pub(crate) fn script(script: &'a StoredScript, key: &str, arguments: &[&[u8]]) -> Self {
        let bytes = arguments.iter().map(|argument| argument.len()).sum::<usize>();
        let mut cmd = Cmd::with_capacity(4 + arguments.len(), 64 + key.len() + bytes);
        cmd.arg("EVALSHA").arg(script.hash()).arg(1).arg(key).arg(arguments);
        Self::Script(script, cmd)
    }

    pub(crate) async fn send(&self, connection: &mut Connection) -> RedisResult<Value> {
        match connection {
            Connection::Cluster(cluster) => self.send_to_cluster(cluster).await,
            Connection::Driver(driver) => self.send_by_driver(driver).await,
        }
    }

    async fn send_to_cluster(&self, cluster: &Cluster) -> RedisResult<Value> {
        match self {
            Self::Command(cmd) => send_one(cluster, slot_of(cmd), cmd).await,
            Self::Script(script, cmd) => match send_one(cluster, slot_of(cmd), cmd).await {
                Err(error) if is_missing_script(&error) => {
                    let mut pipeline = redis::pipe();
                    pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source).add_command(cmd.clone());
                    last(cluster.send(slot_of(cmd), Work::All(&pipeline)).await?)
                }
                answer => answer,
            },
            Self::Pipeline(keys, pipeline) => {
                let work = if keys.len() > 1 { Work::Several(pipeline) } else { Work::All(pipeline) };
                cluster.send(keys.first().map(slot), work).await.map(Value::Array)
            }
            Self::OnPrimaryOf(slot, cmd) => send_one(cluster, Some(*slot), cmd).await,
        }
    }

    async fn send_by_driver(&self, driver: &mut Driver) -> RedisResult<Value> {
        match self {
            Self::Command(cmd) => send(cmd, driver).await,
            Self::Script(script, cmd) => match send(cmd, driver).await {
                Err(error) if is_missing_script(&error) => {
                    script.script.load_async(driver).await?;
                    send(cmd, driver).await
                }
                answer => answer,
            },
            Self::Pipeline(keys, pipeline) => {
                send_all(keys.first().map_or("", String::as_str), pipeline, driver).await
            }
            Self::OnPrimaryOf(slot, cmd) => match driver {
                Driver::Cluster(cluster) => {
                    let route = SingleNodeRoutingInfo::SpecificNode(Route::new(*slot, SlotAddr::Master));
                    cluster.route_command(cmd.clone(), RoutingInfo::SingleNode(route)).await?.extract_error()
                }
                driver => send(cmd, driver).await,
            },
        }
    }
}

async fn send_one(cluster: &Cluster, slot: Option<u16>, cmd: &Cmd) -> RedisResult<Value> {
    last(cluster.send(slot, Work::One(cmd)).await?)
}

fn last(answers: Vec<Value>) -> RedisResult<Value> {
    answers.into_iter().next_back().unwrap_or(Value::Nil).extract_error()
}

/// The slot of the key of a command, if it has one.
fn slot_of(cmd: &Cmd) -> Option<u16> {
    let word = |place| match cmd.args_iter().nth(place) {
        Some(Arg::Simple(word)) => Some(word),
        _ => None,
    };
    let place = match word(0)? {
        b"CLUSTER" | b"TIME" => return None,
        b"EVALSHA" => 3,
        b"XINFO" => 2,
        _ => 1,
    };
    word(place).map(slot)
}

fn is_missing_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

async fn send(cmd: &Cmd, driver: &mut Driver) -> RedisResult<Value> {
    driver.req_packed_command(cmd).await?.extract_error()
}

async fn send_all(key: &str, pipeline: &Pipeline, driver: &mut Driver) -> RedisResult<Value> {
    let answers = match driver {
        Driver::Cluster(cluster) => {
            let route = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
            cluster.route_pipeline(pipeline.clone(), 0, pipeline.len(), route).await?
        }
        driver => driver.req_packed_commands(pipeline, 0, pipeline.len()).await?,
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
