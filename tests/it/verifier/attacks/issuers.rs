//! The issuers whose tokens a verifier accepts: how they write them, and the settings for them.

use std::time::Duration;

use tower_refresh::VerifierBuilder;

use crate::{
    attacks::forge::{OWN_CLAIMS, Valid},
    support::Claims,
};

pub(super) struct Issuer {
    pub(super) name: &'static str,
    pub(super) valid: Valid,
    pub(super) configure: fn(VerifierBuilder<Claims>) -> VerifierBuilder<Claims>,
    /// Attacks on its tokens only.
    pub(super) json: &'static str,
}

pub(super) const ISSUERS: [Issuer; 6] = [OWN, RFC_9068, KEYCLOAK, AUTH0, ENTRA, UNTYPED];

/// An `Auth` elsewhere.
pub(super) const OWN: Issuer = Issuer {
    name: "own",
    valid: Valid {
        key: "ed",
        header: &[("alg", "'EdDSA'"), ("typ", "'at+jwt'"), ("kid", "'ed'")],
        claims: OWN_CLAIMS,
    },
    configure: |builder| builder.access_lifetime(Duration::from_secs(600)),
    json: include_str!("../../../attacks/verifier/own.json"),
};

/// An authorization server that keeps to RFC 9068.
const RFC_9068: Issuer = Issuer {
    name: "rfc9068",
    valid: Valid {
        key: "es256",
        header: &[("typ", "'at+jwt'"), ("alg", "'ES256'"), ("kid", "'es256'")],
        claims: &[
            ("iss", "'https://api.example.com'"),
            ("sub", "'alice'"),
            ("aud", "'example-web'"),
            ("client_id", "'s6BhdRkqt3'"),
            ("exp", "$now+300"),
            ("iat", "$now"),
            ("jti", "'dbe39bf3a3ba4238a513f51d6e1691c4'"),
            ("auth_time", "$now-60"),
            ("acr", "'urn:mace:incommon:iap:silver'"),
            ("scope", "'openid profile'"),
            ("name", "'Alice'"),
        ],
    },
    configure: VerifierBuilder::without_session_id,
    json: include_str!("../../../attacks/verifier/rfc9068.json"),
};

const KEYCLOAK: Issuer = Issuer {
    name: "keycloak",
    valid: Valid {
        key: "es256",
        header: &[("alg", "'ES256'"), ("typ", "'JWT'"), ("kid", "'es256'")],
        claims: &[
            ("exp", "$now+300"),
            ("iat", "$now"),
            ("auth_time", "$now-60"),
            ("jti", "'onrtac:3a2f3c1e-6d8b-4b3a-8f7e-0c9a5d1e2f3b'"),
            ("iss", "'https://api.example.com'"),
            ("aud", "['example-web','account']"),
            ("sub", "'alice'"),
            ("typ", "'Bearer'"),
            ("azp", "'shop'"),
            ("sid", "'f2e1c9d0-3c1d-4a0f-9b3c-9a6e0f4c8d21'"),
            ("acr", "'1'"),
            ("allowed-origins", "['https://shop.example.com']"),
            ("realm_access", "{'roles':['offline_access','uma_authorization']}"),
            ("resource_access", "{'account':{'roles':['manage-account']}}"),
            ("scope", "'openid email profile'"),
            ("name", "'Alice'"),
        ],
    },
    configure: |builder| builder.accept_typ("JWT").without_session_id(),
    json: include_str!("../../../attacks/verifier/keycloak.json"),
};

const AUTH0: Issuer = Issuer {
    name: "auth0",
    valid: Valid {
        key: "rs",
        header: &[("alg", "'RS256'"), ("typ", "'JWT'"), ("kid", "'rs'")],
        claims: &[
            ("iss", "'https://api.example.com'"),
            ("sub", "'alice'"),
            ("aud", "['example-web','https://api.example.com/userinfo']"),
            ("iat", "$now"),
            ("exp", "$now+300"),
            ("azp", "'my_client_id'"),
            ("scope", "'openid profile'"),
            ("permissions", "['read:orders']"),
            ("name", "'Alice'"),
        ],
    },
    configure: |builder| {
        builder.accept_typ("JWT").without_session_id().scope_claims(["scope", "permissions"])
    },
    json: include_str!("../../../attacks/verifier/auth0.json"),
};

const ENTRA: Issuer = Issuer {
    name: "entra",
    valid: Valid {
        key: "ps",
        header: &[("typ", "'JWT'"), ("alg", "'PS256'"), ("kid", "'ps'")],
        claims: &[
            ("aud", "'example-web'"),
            ("iss", "'https://api.example.com'"),
            ("iat", "$now"),
            ("nbf", "$now"),
            ("exp", "$now+300"),
            ("aio", "'AXQAi/8TAAAA'"),
            ("azp", "'6e74172b-be56-4843-9ff4-e66a39bb12e3'"),
            ("azpacr", "'0'"),
            ("oid", "'690222be-ff1a-4d56-abd1-7e4f7d38e474'"),
            ("scp", "'orders.read'"),
            ("roles", "['Orders.Approve']"),
            ("sub", "'alice'"),
            ("tid", "'72f988bf-86f1-41af-91ab-2d7cd011db47'"),
            ("ver", "'2.0'"),
            ("name", "'Alice'"),
        ],
    },
    configure: |builder| {
        builder
            .accept_typ("JWT")
            .without_session_id()
            .scope_claims(["scp", "roles"])
            .audience("api://example-web")
            .leeway(Duration::from_secs(60))
    },
    json: include_str!("../../../attacks/verifier/entra.json"),
};

/// Tokens with neither `typ` nor `kid`.
const UNTYPED: Issuer = Issuer {
    name: "untyped",
    valid: Valid {
        key: "ed",
        header: &[("alg", "'EdDSA'")],
        claims: &[
            ("sub", "'alice'"),
            ("iss", "'https://api.example.com'"),
            ("aud", "'example-web'"),
            ("iat", "$now"),
            ("exp", "$now+300"),
            ("scope", "'user'"),
            ("name", "'Alice'"),
        ],
    },
    configure: |builder| builder.accept_missing_typ().without_session_id(),
    json: include_str!("../../../attacks/verifier/untyped.json"),
};
