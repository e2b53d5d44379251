//! The users. A real application keeps them in its database.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use openidconnect::IssuerUrl;
use tower_refresh::Subject;

/// The longest `sub` (OpenID Connect Core §2).
const LONGEST_SUB: usize = 255;

/// The user of `sub` at `issuer`. Neither is enough: another provider may give the same `sub` to somebody else, and an email address
/// changes hands.
///
/// A URL has no space, so the first space ends the issuer: two users never have the same subject.
pub(crate) fn subject(issuer: &IssuerUrl, sub: &str) -> Option<Subject> {
    let is_valid = !sub.is_empty() && sub.len() <= LONGEST_SUB && sub.is_ascii();
    is_valid.then(|| Subject::from_display(format_args!("{} {sub}", issuer.as_str())))
}

#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// The name of the provider in the settings.
    pub(crate) provider: String,
}

#[derive(Default)]
pub(crate) struct Accounts(Mutex<HashMap<Subject, Account>>);

impl Accounts {
    pub(crate) fn save(&self, subject: Subject, account: Account) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(subject, account);
    }

    pub(crate) fn find(&self, subject: &Subject) -> Option<Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(subject).cloned()
    }
}
