//! Operations on sessions that take several requests.

pub(crate) mod end;
pub(crate) mod end_subject;
pub(crate) mod first_index;
pub(crate) mod outdate;
pub(crate) mod purge;
pub(crate) mod subject_index;
pub(crate) mod swap;
