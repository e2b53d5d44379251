//! x

mod connection;
mod database;
mod error;
mod feed;
mod open;
mod options;
mod store;
mod table;

pub use self::{
    error::{OpenError, OpenErrorKind},
    options::SqlxOptions,
    store::SqlxStore,
};
