//! The laws that every [`SessionStore`](crate::SessionStore) keeps.
