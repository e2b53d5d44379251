//! Native clients: a login whose refresh token is in the body, and `POST /auth/token`.

mod browsers;
mod client;
mod forms;
mod login;
mod logout;
mod rotation;
mod transports;
