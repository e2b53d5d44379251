//! Steps 1 to 3 of a request, and which of the others are due.

use std::sync::Arc;

use futures_util::FutureExt;
use http::Request;
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{
    CustomClaims, RejectionKind,
    access::{self, Access},
    auth::settings::{Channel, Settings},
    credentials::CookieFields,
    cross_site,
    fields::Fields,
    finish::Renewal,
    refresh::{Flight, Mode, confirm_or_load},
    shared::Shared,
    state::{Origin, Outcome, State},
    token::RefreshToken,
    user::User,
    verify::InvalidTokenReason,
};

/// What becomes of a request.
pub(crate) enum Arrival<C> {
    Serve(Arc<State<C>>, Option<Box<Renewal<C>>>),
    Wait(Flight<C>, Origin, Otherwise),
}

/// What a request is if the session that it waits for does not hold.
pub(crate) enum Otherwise {
    Anonymous,
    Bearer(InvalidTokenReason),
}

pub(crate) fn arrive<ReqBody, C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    request: &mut Request<ReqBody>,
) -> Arrival<C> {
    let settings = &shared.settings;
    let now = shared.now();
    let ip = settings.client_ip.as_ref().and_then(|ip| ip(request.headers(), request.extensions()));
    let target = cross_site::Target::of(request);
    let mut origin = Origin::new(ip);
    let fields = Fields::read(request.headers_mut(), &mut origin.fields);

    if cross_site::is_of_browser(&fields) {
        origin.browser = true;
        origin.navigation = cross_site::is_navigation(&fields);
        origin.cross_site = cross_site::is_refused(&fields, &target, &settings.trusted_origins);
    }
    let refused_cookies = origin.cross_site && has_ours(&origin.fields.cookies, settings);
    if origin.cross_site {
        origin.fields.cookies = CookieFields::default();
    }
    let access = access::read(shared, fields.authorization, &origin.fields.cookies, now);
    let access = match access {
        // Nearly every request; the rest is kept out of its way.
        Access::Valid(valid) if !valid.near_end && !shared.must_ask_store() => {
            origin.access_session = Some(valid.user.session);
            origin.channel = valid.channel;
            let outcome = Outcome::Authenticated(valid.user);
            return Arrival::Serve(State::new(shared.clone(), outcome, origin, None), None);
        }
        access => access,
    };
    origin.access_session = access.session();
    origin.channel = channel(&access, settings);
    let (outcome, renewal) = match decide(shared, &origin, access, refused_cookies, now) {
        Decision::Serve(outcome) => (outcome, None),
        Decision::Renew(user, renewal) => (Outcome::Authenticated(user), Some(renewal)),
        Decision::Wait(flight, otherwise) => return Arrival::Wait(flight, origin, otherwise),
    };
    Arrival::Serve(State::new(shared.clone(), outcome, origin, None), renewal)
}

/// What is to be done with a request.
enum Decision<C> {
    Serve(Outcome<C>),
    /// To serve it, and to renew the tokens meanwhile.
    Renew(Arc<User<C>>, Box<Renewal<C>>),
    Wait(Flight<C>, Otherwise),
}

#[inline(never)]
fn decide<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    origin: &Origin,
    access: Access<C>,
    refused_cookies: bool,
    now: Timestamp,
) -> Decision<C> {
    let load = |token: &RefreshToken, mode| shared.flights.join(shared, token, mode);
    match access {
        Access::Valid(valid) if shared.must_ask_store() => {
            let (otherwise, token) = match valid.channel {
                Channel::Header => (Otherwise::Bearer(InvalidTokenReason::Revoked), None),
                Channel::Cookie => (Otherwise::Anonymous, origin.presented(shared, now).token().cloned()),
            };
            Decision::Wait(confirm_or_load(shared.clone(), valid.user, token).boxed(), otherwise)
        }
        Access::Valid(valid) => match token_of(shared, origin, valid.user.session).filter(|_| valid.near_end)
        {
            Some(token) => {
                let flight = load(&token, Mode::Advisory);
                Decision::Renew(valid.user, Box::new(Renewal { token, flight, loaded: None }))
            }
            None => Decision::Serve(Outcome::Authenticated(valid.user)),
        },
        Access::Refused(kind) => Decision::Serve(Outcome::Refused(kind)),
        Access::Expired(session) => match token_of(shared, origin, session) {
            Some(token) => {
                Decision::Wait(load(&token, Mode::Deciding), Otherwise::Bearer(InvalidTokenReason::Expired))
            }
            None => {
                Decision::Serve(Outcome::Refused(RejectionKind::InvalidToken(InvalidTokenReason::Expired)))
            }
        },
        Access::Absent if refused_cookies => Decision::Serve(Outcome::Refused(RejectionKind::CrossSite)),
        Access::Absent => match origin.presented(shared, now).token() {
            Some(token) => Decision::Wait(load(token, Mode::Deciding), Otherwise::Anonymous),
            None => Decision::Serve(Outcome::Anonymous),
        },
    }
}

fn has_ours(cookies: &CookieFields, settings: &Settings) -> bool {
    cookies.has(settings.cookies.refresh_name())
        || settings.channels.cookie && cookies.has(settings.cookies.access_name())
}

/// Where a new access token goes: back where the request's came from, else into the cookie, else into the header.
fn channel<C>(access: &Access<C>, settings: &Settings) -> Channel {
    match access {
        Access::Valid(valid) => valid.channel,
        Access::Expired(_) | Access::Refused(_) => Channel::Header,
        Access::Absent if settings.channels.cookie => Channel::Cookie,
        Access::Absent => Channel::Header,
    }
}

/// The request's refresh token, if it is of `session`: one user's access token is never renewed by another's session.
fn token_of<C: CustomClaims>(
    shared: &Shared<C>,
    origin: &Origin,
    session: SessionHandle,
) -> Option<RefreshToken> {
    let token = origin.presented(shared, shared.now()).token()?;
    (token.handle == session).then(|| token.clone())
}
