//! Calls of one kind that run at the same time share one statement.

mod batcher;
mod end;
mod load;
mod outdate;
mod swap;

pub(crate) use self::{
    batcher::Batcher,
    end::{End, EndSessions},
    load::LoadSessions,
    outdate::{Outdate, OutdateClaims},
    swap::{Swap, SwapSessions},
};
