//! Loads, many in one statement.

use std::{collections::HashMap, sync::Arc};

use tower_refresh_core::{SessionHandle, SessionRow};

use crate::{
    database::Database,
    error::Failure,
    group::Work,
    row::{read, read_handle},
};

pub(crate) struct Loads(pub(crate) Arc<Database>);

impl Work for Loads {
    type Question = SessionHandle;
    type Answer = Option<SessionRow>;

    async fn answer(&self, handles: Vec<SessionHandle>) -> Result<Vec<Option<SessionRow>>, Failure> {
        let Self(database) = self;
        let statements = &database.statements;
        if let [handle] = &*handles {
            let found = database.query(&statements.load, &[&handle.as_bytes().as_slice()]).await?;
            return Ok(vec![found.first().map(read).transpose()?]);
        }
        let mut each = handles.clone();
        each.sort_unstable();
        each.dedup();
        let each: Vec<&[u8]> = each.iter().map(|handle| handle.as_bytes().as_slice()).collect();
        let found = database.query(&statements.load_group, &[&each]).await?;
        let rows: HashMap<_, _> = found
            .iter()
            .map(|columns| Ok((read_handle(columns, 0)?, read(columns)?)))
            .collect::<Result<_, Failure>>()?;
        Ok(handles.iter().map(|handle| rows.get(handle).cloned()).collect())
    }
}
