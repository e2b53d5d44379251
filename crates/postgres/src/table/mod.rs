//! The table: its name, its migrations, the statements on it, and the conversion of its rows.

pub(crate) mod name;
mod owners;
pub(crate) mod row;
pub(crate) mod schema;
pub(crate) mod statements;
