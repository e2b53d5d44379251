//! How connections to the server are made.

mod feed;
mod listener;
mod pooler;
mod settings;

pub(crate) use self::{
    feed::{Feed, FeedUrl},
    listener::{ListenConnection, ListenConnector, Messages},
    pooler::check_prepared_statements,
    settings::{harden, parse_url_without_tls, pool},
};
