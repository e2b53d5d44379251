//! No `Debug` output contains a token, a cookie value or a key; `tests/traced` checks logs.

mod debug;
mod headers;
mod search;
