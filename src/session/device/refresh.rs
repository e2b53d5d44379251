//! The proofs of a device, which its browser gives when the access cookie is missing.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tower_refresh_core::{
    EndReason, SessionHandle, SessionRow,
    rotation::{ProofAttempt, Proven, TokenClass, Tokens as TokensToSend, prove},
};

use super::{MOST_ROUNDS, answer::respond, origin};
use crate::{
    Assessment, CustomClaims,
    device::{Challenge, ChallengeError, DeviceKey, headers, identifier, proof},
    event::EventKind,
    refresh_token::{RefreshToken, RefreshTransport},
    rejection::Rejection,
    session::Session,
    settings::{DeviceBinding, DeviceSettings},
    state::Change,
    tokens::{Issued, PreparedUser},
};

/// The request of a browser whose access cookie is missing.
struct Ceremony<'a> {
    device: &'a DeviceSettings,
    headers: &'a HeaderMap,
    session: SessionHandle,
    /// The identifier of the session, as the browser has it: it ends a session that is answered with another one.
    text: String,
}

/// What an accepted proof writes and sends.
struct Accepted {
    row: Box<SessionRow>,
    class: Option<TokenClass>,
    send: TokensToSend,
}

impl<C: CustomClaims> Session<C> {
    /// Exchanges a proof of the device for an access token: `POST /auth/device/refresh`, for services without axum. `headers` are
    /// those of the request. The refresh token in its cookie, if there is one, is committed at the same time, and the access token
    /// is set in its cookie.
    ///
    /// | response | when |
    /// |---|---|
    /// | 200 with the session instructions and an access cookie | the proof is valid |
    /// | 200 without a cookie | the store or the claims source failed, or the application requires a login: the browser goes on, and the request that waited gets its own response |
    /// | 403 with `Secure-Session-Challenge` | there is no proof, or it is invalid, or its challenge was used |
    /// | 401 with `{"continue":false}` | the session has ended |
    /// | 400 | there is no session identifier, or no origin |
    ///
    /// Browsers end the session after other responses, or stop asking for minutes, so none is a redirect, a 429 or a 5xx.
    ///
    /// # Errors
    /// [`RejectionKind::NoDeviceBinding`](crate::RejectionKind::NoDeviceBinding) without
    /// [`AuthBuilder::device_binding`](crate::AuthBuilder::device_binding); [`RejectionKind::Sealed`](crate::RejectionKind::Sealed).
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the challenge may be used up, and the session may have been rotated, which
    /// counts as a lost response.
    pub async fn refresh_device(&self, headers: &HeaderMap) -> Result<Response<Bytes>, Rejection> {
        let device = self.device_settings()?;
        let sent = headers::session_id(headers).filter(|_| !self.state.info.sender.is_cross_site);
        let sent = sent.and_then(|text| Some((text, identifier::decode_unverified(text)?)));
        // Without an origin there are no instructions, so a proof would be used up for nothing.
        let Some((text, named)) = sent.filter(|_| origin(headers).is_some()) else {
            return Ok(respond(StatusCode::BAD_REQUEST, Vec::new()));
        };
        let tokens = self.state.auth.tokens();
        let is_ours = identifier::decode(text, &tokens.keys(), tokens.device_context()).is_some();
        // A canonical one is ASCII.
        let text = String::from_utf8_lossy(text).into_owned();
        if is_ours || self.token_of(named).is_some() {
            return self.prove(&Ceremony { device, headers, session: named, text }).await;
        }
        // Its key was removed from the ring, or it is forged. A request with the refresh token shows which.
        Ok(self.instruct(device, &text, None, headers))
    }

    async fn prove(&self, ceremony: &Ceremony<'_>) -> Result<Response<Bytes>, Rejection> {
        let (auth, client) = (&self.state.auth, self.client());
        let sessions = auth.sessions();
        let handle = ceremony.session;
        let token = self.token_of(handle);
        for _ in 0..MOST_ROUNDS {
            let Ok(row) = sessions.store.load(handle, None, &client).await else {
                return Ok(self.unavailable(ceremony));
            };
            let is_over = |row: &SessionRow| sessions.is_denied(handle) || !row.is_live(sessions.now());
            let Some(row) = row.filter(|row| !is_over(row)) else { return Ok(self.forget()) };
            let Some(binding) = &row.binding else { return Ok(self.forget()) };
            // A binding of a later version of this crate.
            let Some(key) = binding.key().and_then(DeviceKey::from_bytes) else {
                return Ok(self.unavailable(ceremony));
            };
            let Some(counter) = self.signed_counter(ceremony, &key) else {
                return Ok(self.challenge_for(ceremony, &row));
            };
            let user = match auth.refresher.load_user(&row, RefreshTransport::Cookie, &client).await {
                Ok(Some(user)) => user,
                Ok(None) => return Ok(self.end_for(ceremony, &row, EndReason::Disabled).await),
                Err(_) => return Ok(self.unavailable(ceremony)),
            };
            let attempt = ProofAttempt::new(Some(&row), counter, sessions.now())
                .with_denied(sessions.is_denied(handle))
                .with_generation(token.map(|token| token.generation));
            let accepted = match prove(&attempt, &sessions.policy) {
                Proven::Accepted { write, class, send, .. } => Accepted { row: write, class, send },
                Proven::StaleChallenge => return Ok(self.challenge_for(ceremony, &row)),
                _ => return Ok(self.forget()),
            };
            if let Some(response) = self.objection(ceremony, &row, accepted.class).await {
                return Ok(response);
            }
            let Ok(issued) = self.issue_for_proof(&accepted, &user, token) else {
                return Ok(self.unavailable(ceremony));
            };
            sessions.count_row_change();
            match sessions.store.compare_and_swap(&accepted.row, &client).await {
                Ok(Some(_)) => return self.accept(ceremony, accepted, user, issued),
                Ok(None) => {}
                Err(_) => return Ok(self.unavailable(ceremony)),
            }
        }
        Ok(self.unavailable(ceremony))
    }

    /// The refresh token of this session that came along.
    fn token_of(&self, handle: SessionHandle) -> Option<&RefreshToken> {
        self.state.parse_refresh_tokens_once().token().filter(|token| token.handle == handle)
    }

    /// The counter in the challenge of this session that the device has signed.
    fn signed_counter(&self, ceremony: &Ceremony<'_>, key: &DeviceKey) -> Option<u32> {
        let jwt = proof::read_response(ceremony.headers).ok()??;
        let challenge = proof::refresh(jwt, key).ok()?.challenge;
        let tokens = self.state.auth.tokens();
        match Challenge::decode(challenge.as_bytes(), &tokens.keys(), tokens.device_context())? {
            Challenge::Refresh { handle, counter } if handle == ceremony.session => Some(counter),
            Challenge::Refresh { .. } | Challenge::Register { .. } => None,
        }
    }

    /// What the application or the refresh token says against a proof that is valid.
    async fn objection(
        &self,
        ceremony: &Ceremony<'_>,
        row: &SessionRow,
        class: Option<TokenClass>,
    ) -> Option<Response<Bytes>> {
        let (sessions, client) = (self.state.auth.sessions(), self.client());
        let report = |kind| sessions.events.emit_for(kind, row, &client);
        // Where proofs are not enforced, a copy of the token needs none.
        if class == Some(TokenClass::Reuse) && ceremony.device.binding != DeviceBinding::Enforce {
            report(EventKind::Reuse);
            return Some(self.end_for(ceremony, row, EndReason::Reuse).await);
        }
        let assessor = sessions.assessor.as_ref()?;
        match assessor.assess(row, class.unwrap_or(TokenClass::Current), &client) {
            Some(Assessment::Allow) => None,
            Some(Assessment::RequireLogin) => {
                report(EventKind::LoginRequired);
                Some(self.unrefreshed(ceremony))
            }
            Some(Assessment::EndSession) => {
                report(EventKind::Suspicious);
                Some(self.end_for(ceremony, row, EndReason::Suspicious).await)
            }
            None => Some(self.unavailable(ceremony)),
        }
    }

    fn issue_for_proof(
        &self,
        accepted: &Accepted,
        user: &PreparedUser<C>,
        token: Option<&RefreshToken>,
    ) -> Result<Issued, Rejection> {
        let tokens = self.state.auth.tokens();
        let (keys, now) = (tokens.keys(), self.state.auth.now());
        let access = tokens
            .issue_proven_access(&keys, user, &accepted.row, now)
            .map_err(|error| self.crypto_failed(Some(&accepted.row), &error))?;
        let refresh = match (accepted.send, token) {
            (TokensToSend::AccessAndRefresh { generation, .. }, Some(token)) => {
                let refresh = token.with_generation(generation);
                let refresh = tokens.issue_refresh(&keys, &refresh, &accepted.row, now);
                Some(refresh.map_err(|error| self.crypto_failed(Some(&accepted.row), &error))?)
            }
            _ => None,
        };
        Ok(Issued { access: Some(access), refresh, ..Issued::default() })
    }

    /// After the proof is stored.
    fn accept(
        &self,
        ceremony: &Ceremony<'_>,
        Accepted { row, class, .. }: Accepted,
        user: PreparedUser<C>,
        issued: Issued,
    ) -> Result<Response<Bytes>, Rejection> {
        let (sessions, client) = (self.state.auth.sessions(), self.client());
        // A logout may have come after the swap; what it denied must not be sent.
        if sessions.is_denied(row.handle) {
            return Ok(self.forget());
        }
        self.state.set_change(Change::Refreshed { user: Some(user.user), issued })?;
        let report = |kind| sessions.events.emit_for(kind, &row, &client);
        report(EventKind::DeviceProven);
        match class {
            Some(TokenClass::Reuse) => report(EventKind::Reuse),
            Some(TokenClass::Late) => report(EventKind::Late),
            Some(TokenClass::Ahead) => report(EventKind::Ahead),
            Some(TokenClass::Impossible) => report(EventKind::Impossible),
            _ => {}
        }
        if let Some(class) = class.filter(|class| class.is_accepted()) {
            report(EventKind::Refresh(class));
        }
        let next = self.next_challenge(&row, &ceremony.text);
        let next = next.map_err(|error| self.crypto_failed(Some(&row), &error)).ok().flatten();
        Ok(self.instruct(ceremony.device, &ceremony.text, next, ceremony.headers))
    }

    /// The browser goes on without a new access cookie, and keeps the session. The request that waited gets its own response.
    fn unrefreshed(&self, ceremony: &Ceremony<'_>) -> Response<Bytes> {
        self.instruct(ceremony.device, &ceremony.text, None, ceremony.headers)
    }

    /// The same after a failure: the request that waited must not be answered as if the user had to log in.
    fn unavailable(&self, ceremony: &Ceremony<'_>) -> Response<Bytes> {
        self.state.auth.sessions().device_failures.remember(ceremony.session, self.state.auth.now());
        self.unrefreshed(ceremony)
    }

    fn challenge_for(&self, ceremony: &Ceremony<'_>, row: &SessionRow) -> Response<Bytes> {
        let challenge: Result<_, ChallengeError> = self.next_challenge(row, &ceremony.text);
        match challenge {
            Ok(Some(challenge)) => self.challenge(challenge),
            Ok(None) => self.unavailable(ceremony),
            Err(error) => {
                drop(self.crypto_failed(Some(row), &error));
                self.unavailable(ceremony)
            }
        }
    }

    async fn end_for(&self, ceremony: &Ceremony<'_>, row: &SessionRow, reason: EndReason) -> Response<Bytes> {
        let sessions = self.state.auth.sessions();
        let ended = sessions.end(row.handle, Some(row.subject.clone()), reason, &self.client()).await;
        if ended.is_ok() { self.forget() } else { self.unavailable(ceremony) }
    }
}
