//! What the configuration requires of access tokens.

use std::time::Duration;

/// What the configuration requires of a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    /// One of them must be in `aud`.
    pub(crate) audiences: &'a [String],
    /// How long after `iat` a token is valid at most.
    pub(crate) access_lifetime: Duration,
    pub(crate) profile: &'a Profile,
}

/// How the tokens of an issuer are written.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// They are those that this server issues itself. Otherwise `kid` and `jti` may be missing, EdDSA may have its newer name,
    /// and tokens of other kinds are rejected by their claims.
    pub(crate) is_own: bool,
    /// The values of the header's `typ` beside `at+jwt`.
    pub(crate) other_types: Vec<String>,
    pub(crate) type_optional: bool,
    /// `sid`, `epoch` and `dbsc` are not those of this library, but custom claims.
    pub(crate) without_session_id: bool,
    /// The claims with scope tokens, each a string or an array. If it is empty, the scope is the string `scope`.
    pub(crate) scope_claims: Vec<String>,
    /// The tolerance for `exp` and `nbf`.
    pub(crate) leeway: Duration,
}

impl Profile {
    /// The tokens that this server issues.
    pub(crate) fn own() -> &'static Self {
        static OWN: Profile = Profile {
            is_own: true,
            other_types: Vec::new(),
            type_optional: false,
            without_session_id: false,
            scope_claims: Vec::new(),
            leeway: Duration::ZERO,
        };
        &OWN
    }

    /// Whether an access token may have this `typ` in its header. Media types are case-insensitive, and `application/` may be
    /// omitted (RFC 7515 §4.1.9).
    pub(super) fn accepts_type(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ.map(subtype) else { return self.type_optional };
        let is = |other: &str| typ.eq_ignore_ascii_case(other);
        is("at+jwt") || self.other_types.iter().any(|other| is(subtype(other)))
    }

    /// Whether scope tokens are read from the custom claim `name`.
    pub(super) fn is_scope_claim(&self, name: &str) -> bool {
        self.scope_claims.iter().any(|claim| claim == name)
    }
}

fn subtype(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, subtype)) if prefix.eq_ignore_ascii_case(PREFIX) => subtype,
        _ => typ,
    }
}
