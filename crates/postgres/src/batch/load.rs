//! Loads, many in one statement.

use std::{collections::HashMap, sync::Arc};

use tower_refresh_core::{SessionHandle, SessionRow, StoreError};

use super::batcher::Operation;
use crate::{
    database::Database,
    table::{read, read_handle},
};

pub(crate) struct LoadSessions(pub(crate) Arc<Database>);

impl Operation for LoadSessions {
    type Input = SessionHandle;
    type Output = Option<SessionRow>;

    async fn run(&self, handles: Vec<SessionHandle>) -> Result<Vec<Option<SessionRow>>, StoreError> {
        let Self(database) = self;
        let statements = &database.statements;
        if let [handle] = &*handles {
            let found = database.query(&statements.load, &[&handle.as_bytes().as_slice()]).await?;
            return Ok(vec![found.first().map(read).transpose()?]);
        }
        let mut distinct = handles.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let distinct: Vec<&[u8]> = distinct.iter().map(|handle| handle.as_bytes().as_slice()).collect();
        let found = database.query(&statements.load_batch, &[&distinct]).await?;
        let rows: HashMap<_, _> = found
            .iter()
            .map(|columns| Ok((read_handle(columns, 0)?, read(columns)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(handles.iter().map(|handle| rows.get(handle).cloned()).collect())
    }
}
