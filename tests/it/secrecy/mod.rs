//! No token, no cookie value and no key shows in any `Debug`; `tests/traced` looks into logs.

mod debug;
mod headers;
mod search;
