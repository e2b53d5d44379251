//! The table, as this driver uses it: its migration, its statements and its rows.

mod migrate;
mod row;
mod statement;

pub(crate) use self::{
    migrate::{check, migrate},
    row::{read, read_column, read_epoch, read_handle, read_time},
    statement::{Statement, Statements, statements},
};
