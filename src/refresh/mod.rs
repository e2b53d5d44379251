//! Steps 4 and 5: the refresh, in two halves.
//!
//! [`load`] decides who is there, before the inner service is called; [`commit`] decides what goes out, when the
//! response head is ready. Between them lies the handler, however slow, and nothing is spent until the second half.

mod commit;
mod flight;
mod issue;
mod load;

pub(crate) use self::{
    commit::{Committed, commit},
    flight::{Flight, Flights},
    issue::{Issued, IssuedAccess, IssuedRefresh, issue_access, issue_refresh},
    load::{Dead, Live, Loaded, Mode, ask_again, confirm_or_load},
};
