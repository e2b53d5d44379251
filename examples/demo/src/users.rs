//! The users. A real application keeps this table in its database.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};
use serde::{Deserialize, Serialize};
use tower_refresh::Identity;

/// The claims of a user in the access token, besides the standard ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) name: String,
    /// From the session's data: each session of a user has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Users(Arc<RwLock<BTreeMap<&'static str, User>>>);

struct User {
    /// A real application stores a slow hash, such as Argon2id.
    password: Digest,
    profile: Profile,
}

/// The attributes of a user that can be changed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Profile {
    name: String,
    scope: String,
    disabled: bool,
}

/// Changes to a user; omitted members remain unchanged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    scope: Option<String>,
    name: Option<String>,
    disabled: Option<bool>,
}

/// Username, password and scope.
pub(crate) const USERS: [(&str, &str, &str); 3] = [
    ("alice", "alice-password", "user"),
    ("bob", "bob-password", "user"),
    ("admin", "admin-password", "user admin"),
];
const LONGEST_NAME: usize = 200;
const LONGEST_SCOPE: usize = 500;

impl Users {
    pub(crate) fn new() -> Self {
        let users = USERS.map(|(username, password, scope)| {
            let name = format!("{}{}", username[..1].to_uppercase(), &username[1..]);
            let profile = Profile { name, scope: scope.to_owned(), disabled: false };
            (username, User { password: hash(password), profile })
        });
        Self(Arc::new(RwLock::new(users.into())))
    }

    /// Whether this is the user's password. For an unknown user the same work is done, so that the response time does not
    /// reveal whether the account exists.
    pub(crate) fn check(&self, username: &str, password: &str) -> bool {
        let no_users = hash("");
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let user = users.get(username);
        let wanted = user.map_or(&no_users, |user| &user.password);
        let matches = verify_slices_are_equal(hash(password).as_ref(), wanted.as_ref()).is_ok();
        matches & user.is_some()
    }

    /// The claims source: the claims and the scope of a user, for the tenant in the session's data. `None` if the user is unknown or
    /// disabled.
    pub(crate) fn identity(&self, username: &str, data: &[u8]) -> Option<Identity<Claims>> {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let profile = &users.get(username).filter(|user| !user.profile.disabled)?.profile;
        // A real application also checks whether the user is a member of the tenant.
        let tenant = (!data.is_empty()).then(|| String::from_utf8_lossy(data).into_owned());
        Some(Identity::new(Claims { name: profile.name.clone(), tenant }).scope(&profile.scope))
    }

    /// Changes a user and returns the new profile; `None` if there is no such user.
    pub(crate) fn change(&self, username: &str, change: Change) -> Option<Profile> {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let profile = &mut users.get_mut(username)?.profile;
        let Change { scope, name, disabled } = change;
        profile.scope = scope.unwrap_or_else(|| profile.scope.clone());
        profile.name = name.unwrap_or_else(|| profile.name.clone());
        profile.disabled = disabled.unwrap_or(profile.disabled);
        Some(profile.clone())
    }
}

impl Change {
    /// Rejects values that do not fit into an access token, so that a mistake locks no user out.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.scope.as_deref().is_some_and(|scope| !is_scope(scope)) {
            return Err("the scope must be words of printable ASCII with one space between them");
        }
        if self.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > LONGEST_NAME) {
            return Err("the name must have between 1 and 200 bytes");
        }
        Ok(())
    }
}

/// RFC 6749 §3.3.
fn is_scope(scope: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    scope.len() <= LONGEST_SCOPE && (scope.is_empty() || scope.split(' ').all(is_word))
}

fn hash(password: &str) -> Digest {
    digest(&SHA256, password.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_valid_only_for_its_user() {
        let users = Users::new();
        for (username, password, _) in USERS {
            assert!(users.check(username, password));
        }
        for (username, password) in
            [("alice", "bob-password"), ("alice", ""), ("carol", ""), ("", ""), ("Alice", "alice-password")]
        {
            assert!(!users.check(username, password), "{username}");
        }
    }

    #[test]
    fn a_disabled_user_has_no_identity_until_enabled() {
        let users = Users::new();
        let disable = |disabled| Change { disabled: Some(disabled), ..Change::default() };
        assert!(users.change("bob", disable(true)).is_some());
        assert!(users.identity("bob", b"").is_none());
        assert!(users.change("bob", disable(false)).is_some());
        assert!(users.identity("bob", b"").is_some());
        assert!(users.change("carol", disable(false)).is_none());
    }

    #[test]
    fn a_malformed_scope_is_rejected() {
        for (scope, valid) in [
            ("", true),
            ("user", true),
            ("a b", true),
            ("a  b", false),
            (" a", false),
            ("ä", false),
            ("\"", false),
        ] {
            let change = Change { scope: Some(scope.to_owned()), ..Change::default() };
            assert_eq!(change.check().is_ok(), valid, "{scope:?}");
        }
    }
}
