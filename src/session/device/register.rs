//! The registration of a device's key.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tower_refresh_core::{
    EndReason, SessionHandle,
    rotation::{Registration, register},
};

use super::{MOST_ROUNDS, answer::respond, single};
use crate::{
    CustomClaims, RejectionKind,
    credentials::cross_site,
    device::{Challenge, proof, proof::RegistrationProof},
    event::{About, DeviceRefusal, EventKind},
    refresh::RefreshError,
    refresh_token::RefreshTransport,
    rejection::Rejection,
    session::Session,
    settings::{AccessTransport, DeviceSettings},
    state::Change,
    tokens::Issued,
};

/// Why a device was not registered.
enum Failure {
    Refused(StatusCode, DeviceRefusal),
    Rejected(Rejection),
}

impl<C: CustomClaims> Session<C> {
    /// Binds the session to the device of the browser, which sends this request after an offer in the response to a login:
    /// `POST /auth/device/register`, for services without axum. `headers` are those of the request, and the response has no body but
    /// the session instructions.
    ///
    /// The request must come from the page's own origin and carry the refresh token of the session in its cookie, so that the offer is
    /// worth nothing to a script that reads it, even with the access token. A registration that was refused sets no cookie: 400 if its proof is malformed, else 403. The session
    /// goes on with its refresh token alone.
    ///
    /// # Errors
    /// [`RejectionKind::NoDeviceBinding`] without [`AuthBuilder::device_binding`](crate::AuthBuilder::device_binding);
    /// [`RejectionKind::Unavailable`] if the store or the claims source fails; [`RejectionKind::InvalidClaims`];
    /// [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the session may be bound to a key that the browser has discarded. Such a binding
    /// counts for nothing before its first proof.
    pub async fn register_device(&self, headers: &HeaderMap) -> Result<Response<Bytes>, Rejection> {
        let device = self.device_settings()?;
        match self.register(device, headers).await {
            Ok(response) => Ok(response),
            Err(Failure::Rejected(rejection)) => Err(rejection),
            Err(Failure::Refused(status, reason)) => {
                self.state.emit(EventKind::DeviceRegistrationRefused(reason));
                let body = format!(r#"{{"error":"{}"}}"#, reason.as_str());
                Ok(respond(status, body.into_bytes()))
            }
        }
    }

    async fn register(
        &self,
        device: &DeviceSettings,
        headers: &HeaderMap,
    ) -> Result<Response<Bytes>, Failure> {
        if !self.is_registration_of_browser(headers) {
            return Err(refused(DeviceRefusal::NotSameOrigin));
        }
        let RegistrationProof { key, challenge } = match proof::read_response(headers) {
            Ok(Some(jwt)) => proof::register(jwt).map_err(|error| match error.is_malformed() {
                true => Failure::Refused(StatusCode::BAD_REQUEST, DeviceRefusal::InvalidProof),
                false => refused(DeviceRefusal::InvalidProof),
            })?,
            Ok(None) | Err(_) => {
                return Err(Failure::Refused(StatusCode::BAD_REQUEST, DeviceRefusal::InvalidProof));
            }
        };
        let handle = self.session_of(&challenge)?;
        self.bind(device, handle, &key.to_bytes(), headers).await
    }

    /// Whether a browser registers for a page of ours, as far as its headers show. Scripts cannot send such a request with a proof,
    /// and an origin that the application trusts is not its own.
    fn is_registration_of_browser(&self, headers: &HeaderMap) -> bool {
        let is = |name, expected: &str| single(headers, name).is_some_and(|value| value == expected);
        let origin = single(headers, "origin").and_then(|origin| origin.to_str().ok());
        is("sec-fetch-site", "same-origin")
            && is("sec-fetch-mode", "no-cors")
            && origin.is_some_and(cross_site::is_origin)
            // Browsers register without `Authorization`, and their access token is a cookie.
            && self.state.info.transport == AccessTransport::Cookie
    }

    /// The session for which this challenge was issued, if this request may register a device for it.
    fn session_of(&self, challenge: &str) -> Result<SessionHandle, Failure> {
        let tokens = self.state.auth.tokens();
        let challenge = Challenge::decode(challenge.as_bytes(), &tokens.keys(), tokens.device_context());
        let Some(challenge @ Challenge::Register { handle, from_elsewhere, .. }) = challenge else {
            return Err(refused(DeviceRefusal::InvalidChallenge));
        };
        if !challenge.is_fresh(self.state.auth.now()) {
            return Err(refused(DeviceRefusal::ExpiredChallenge));
        }
        let token = self.state.parse_refresh_tokens_once().token();
        // No script can have read an offer in the response to a navigation from elsewhere, and the browser sends no cookie with the
        // registration that follows it.
        if token.is_some_and(|token| token.handle == handle) || from_elsewhere {
            Ok(handle)
        } else {
            Err(refused(DeviceRefusal::NoSession))
        }
    }

    async fn bind(
        &self,
        device: &DeviceSettings,
        handle: SessionHandle,
        key: &[u8],
        headers: &HeaderMap,
    ) -> Result<Response<Bytes>, Failure> {
        let (auth, client) = (&self.state.auth, self.client());
        let (sessions, tokens) = (auth.sessions(), auth.tokens());
        for _ in 0..MOST_ROUNDS {
            let row = sessions.store.load(handle, None, &client).await;
            let row = row.map_err(|_| self.failed(RefreshError::Unavailable))?;
            let now = sessions.now();
            let is_denied = sessions.is_denied(handle);
            let (bound, is_new) = match (register(row.as_ref(), is_denied, key, now), row) {
                (Registration::Bind(bound), _) => (bound, true),
                (Registration::SameKey, Some(row)) => (Box::new(row), false),
                (Registration::Confirmed | Registration::OtherKey, _) => {
                    return Err(refused(DeviceRefusal::OtherKey));
                }
                _ => return Err(refused(DeviceRefusal::SessionOver)),
            };
            let user = auth.refresher.load_user(&bound, RefreshTransport::Cookie, &client).await;
            let Some(user) = user.map_err(|error| self.failed(error))? else {
                let subject = Some(bound.subject.clone());
                let ended = sessions.end(handle, subject, EndReason::Disabled, &client).await;
                ended.map_err(|_| self.failed(RefreshError::Unavailable))?;
                return Err(refused(DeviceRefusal::SessionOver));
            };
            let keys = tokens.keys();
            let access = tokens
                .issue_proven_access(&keys, &user, &bound, now)
                .map_err(|error| Failure::Rejected(self.crypto_failed(Some(&bound), &error)))?;
            let (identifier, next) = self
                .identifier(handle)
                .and_then(|identifier| {
                    let next = self.next_challenge(&bound, &identifier)?;
                    Ok((identifier, next))
                })
                .map_err(|error| Failure::Rejected(self.crypto_failed(Some(&bound), &error)))?;
            if is_new {
                let swapped = sessions.store.compare_and_swap(&bound, &client).await;
                if swapped.map_err(|_| self.failed(RefreshError::Unavailable))?.is_none() {
                    continue;
                }
            }
            let issued = Issued { access: Some(access), ..Issued::default() };
            self.state
                .set_change(Change::Refreshed { user: Some(user.user), issued })
                .map_err(Failure::Rejected)?;
            if is_new {
                let about = About::client(&client).session(Some(handle), Some(&bound.subject));
                sessions.events.emit(EventKind::DeviceBound, about);
            }
            return Ok(self.instruct(device, &identifier, next, headers));
        }
        Err(self.failed(RefreshError::Unavailable))
    }

    fn failed(&self, error: RefreshError) -> Failure {
        Failure::Rejected(self.reject(RejectionKind::from(error)))
    }
}

fn refused(reason: DeviceRefusal) -> Failure {
    Failure::Refused(StatusCode::FORBIDDEN, reason)
}
