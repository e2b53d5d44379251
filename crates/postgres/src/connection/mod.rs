//! How connections to the server are made.

mod listener;
mod settings;

pub(crate) use self::{
    listener::{ListenConnection, ListenConnector, Messages},
    settings::{harden, parse_url_without_tls, pool},
};
