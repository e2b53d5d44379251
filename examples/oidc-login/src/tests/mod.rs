//! The application in process, with two providers on loopback that do what each test asks of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod callbacks;
mod fetching;
mod guide;
mod id_tokens;
mod logins;
mod logout;
mod logout_tokens;
mod op;
mod reauthentication;
mod settings;
mod store;
mod world;
