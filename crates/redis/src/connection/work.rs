//! What is sent to a node of a Cluster.

use redis::{
    Cmd, Pipeline, RedisError, RedisResult, RetryMethod, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

pub(super) enum Work<'a> {
    One(&'a Cmd),
    /// Commands that are sent one after the other. Those with a key are all for the same slot.
    All(&'a Pipeline),
    /// Commands for several slots. The answers are returned even if some are redirections.
    Several(&'a Pipeline),
}

impl Work<'_> {
    /// `asking` is for a slot that is on its way to the node. `ASKING` is valid for the next command only, so each has its own, in the
    /// same message: between two messages on the connection there may be another request.
    pub(super) async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::One(cmd) if asking => ask(connection, [*cmd]).await,
            Self::One(cmd) => Ok(vec![connection.req_packed_command(cmd).await?]),
            Self::All(pipeline) | Self::Several(pipeline) if asking => {
                ask(connection, pipeline.cmd_iter()).await
            }
            Self::All(pipeline) | Self::Several(pipeline) => {
                connection.req_packed_commands(pipeline, 0, pipeline.len()).await
            }
        }
    }

    /// The answer because of which the work must be sent again, perhaps elsewhere.
    pub(super) fn obstacle(&self, answers: &[Value]) -> Option<RedisError> {
        if matches!(self, Self::Several(_)) {
            return None;
        }
        let errors = answers.iter().filter_map(|answer| match answer {
            Value::ServerError(error) => Some(RedisError::from(error.clone())),
            _ => None,
        });
        errors.into_iter().find(|error| !matches!(error.retry_method(), RetryMethod::NoRetry))
    }
}

async fn ask<'a>(
    connection: &mut MultiplexedConnection,
    commands: impl IntoIterator<Item = &'a Cmd>,
) -> RedisResult<Vec<Value>> {
    let mut pipeline = redis::pipe();
    for command in commands {
        pipeline.cmd("ASKING").add_command(command.clone());
    }
    let answers = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
    let (mut answers, mut own) = (answers.into_iter(), Vec::new());
    while let (Some(asked), Some(answer)) = (answers.next(), answers.next()) {
        // The user may lack the right to ask.
        own.push(if matches!(asked, Value::ServerError(_)) { asked } else { answer });
    }
    Ok(own)
}
