//! The journey of a request through the layer of a verifier: its credentials are read, and its token is checked.

use std::{net::IpAddr, sync::Arc};

use http::Request;

use crate::{
    CustomClaims, RejectionKind,
    access_token::is_expired_unverified,
    auth_inner::AuthId,
    claims::User,
    credentials::{HeaderField, RequestHeaders, RetainedHeaders, bearer_token, cross_site},
    jwks::InProgress,
    middleware::capacity,
    state::{Outcome, RequestExtension, VerifiedState},
    telemetry,
    verifier_inner::{Checked, Patience, VerifierInner},
};

/// What happens to a request next.
pub(super) enum Arrival {
    /// The inner service is called. The keys are fetched again meanwhile, if they are old.
    Serve(Option<InProgress>),
    /// The token's key may be among those that are being fetched.
    Wait(InProgress),
}

/// Whether the same layer is further outside.
#[inline]
pub(super) fn has_passed<ReqBody>(id: &AuthId, request: &Request<ReqBody>) -> bool {
    request.extensions().get::<RequestExtension>().is_some_and(|extension| extension.is_of(id))
}

/// Finds out who the user of the request is, and shows it to the inner service.
pub(super) fn arrive<ReqBody, C: CustomClaims>(
    verifier: &Arc<VerifierInner<C>>,
    request: &mut Request<ReqBody>,
    patience: Patience,
) -> Arrival {
    let settings = &verifier.settings;
    let now = verifier.now();
    let fetch = verifier.look_after_keys(now);
    let ip = settings.client_ip.as_ref().and_then(|ip| ip(request.headers(), request.extensions()));
    let target = cross_site::Target::of(request);
    let mut retained = RetainedHeaders::default();
    let headers = RequestHeaders::read_and_mark_sensitive(request.headers_mut(), &mut retained);

    let bearer = match headers.authorization {
        HeaderField::Several => {
            let outcome = Outcome::Rejected(RejectionKind::InvalidRequest);
            hand_over(verifier, request, outcome, false, ip, retained);
            return Arrival::Serve(fetch);
        }
        HeaderField::One(value) => bearer_token(value.as_bytes()),
        HeaderField::Absent => None,
    };
    let (outcome, is_cross_site) = match (bearer, &settings.access_cookie) {
        (Some(token), _) => match verifier.check(token, patience, now) {
            Checked::Valid(user) => (Outcome::Authenticated(user), false),
            Checked::Invalid(reason) => (Outcome::Rejected(RejectionKind::InvalidToken(reason)), false),
            Checked::Unavailable => (Outcome::Rejected(RejectionKind::Unavailable), false),
            Checked::Pending(fetch) => return Arrival::Wait(fetch),
        },
        (None, None) => (Outcome::Anonymous, false),
        (None, Some(name)) => {
            let is_cross_site = cross_site::is_from_browser(&headers)
                && cross_site::is_cross_site(&headers, &target, &settings.trusted_origins);
            if is_cross_site {
                let has_cookie = retained.cookies.contains(name);
                let refused = Outcome::Rejected(RejectionKind::CrossSite);
                (if has_cookie { refused } else { Outcome::Anonymous }, true)
            } else {
                match from_cookies(verifier, &retained, name, patience) {
                    FromCookies::Outcome(outcome) => (outcome, false),
                    FromCookies::Pending(fetch) => return Arrival::Wait(fetch),
                }
            }
        }
    };
    hand_over(verifier, request, outcome, is_cross_site, ip, retained);
    Arrival::Serve(fetch)
}

enum FromCookies<C> {
    Outcome(Outcome<C>),
    Pending(InProgress),
}

/// An invalid or expired cookie counts as absent. Several valid cookies must be of one session, and the latest expiry counts.
#[inline(never)]
fn from_cookies<C: CustomClaims>(
    verifier: &Arc<VerifierInner<C>>,
    headers: &RetainedHeaders,
    name: &str,
    patience: Patience,
) -> FromCookies<C> {
    let now = verifier.now();
    let mut best: Option<Arc<User<C>>> = None;
    let mut is_unavailable = false;
    for token in headers.cookies.values(name) {
        if is_expired_unverified(token, now.saturating_sub(verifier.settings.profile.leeway)) {
            continue;
        }
        let user = match verifier.check(token, patience, now) {
            Checked::Valid(user) => user,
            Checked::Invalid(_) => continue,
            Checked::Unavailable => {
                is_unavailable = true;
                continue;
            }
            Checked::Pending(fetch) => return FromCookies::Pending(fetch),
        };
        match &best {
            Some(other) if !is_same_login(other, &user) => return FromCookies::Outcome(Outcome::Anonymous),
            Some(other) if other.expires_at >= user.expires_at => {}
            _ => best = Some(user),
        }
    }
    FromCookies::Outcome(match best {
        Some(user) => Outcome::Authenticated(user),
        None if is_unavailable => Outcome::Rejected(RejectionKind::Unavailable),
        None => Outcome::Anonymous,
    })
}

fn is_same_login<C>(one: &User<C>, other: &User<C>) -> bool {
    one.subject == other.subject && one.session == other.session
}

#[inline]
fn hand_over<ReqBody, C: CustomClaims>(
    verifier: &Arc<VerifierInner<C>>,
    request: &mut Request<ReqBody>,
    outcome: Outcome<C>,
    is_cross_site: bool,
    ip: Option<IpAddr>,
    headers: RetainedHeaders,
) {
    telemetry::request(outcome.label(false));
    let state = VerifiedState::new(verifier.clone(), outcome, is_cross_site, ip, headers);
    state.report_rejection();
    let extensions = request.extensions_mut();
    capacity::reserve(extensions);
    extensions.insert(RequestExtension(state));
}
