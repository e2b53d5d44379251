//! Users who have given their password, and not yet their code.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tower_refresh::Timestamp;

const LIFETIME: Duration = Duration::from_secs(2 * 60);

/// At most one for each user, so that their number is bounded.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<&'static str, Ticket>>);

struct Ticket {
    text: String,
    expires_at: Timestamp,
}

impl Tickets {
    /// A new ticket for this user. Earlier ones become invalid.
    pub(crate) fn issue(&self, user: &'static str, now: Timestamp) -> Result<String, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let text = URL_SAFE_NO_PAD.encode(random);
        let ticket = Ticket { text: text.clone(), expires_at: now.saturating_add(LIFETIME) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(user, ticket);
        Ok(text)
    }

    /// The user who has this ticket, which stays valid until it is [redeemed](Self::redeem).
    pub(crate) fn user(&self, text: &str, now: Timestamp) -> Option<&'static str> {
        let tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tickets.iter().find(|(_, ticket)| ticket.text == text && now < ticket.expires_at);
        found.map(|(user, _)| *user)
    }

    /// Makes the ticket of this user invalid. Returns whether it was still this one: of two requests, one logs in.
    pub(crate) fn redeem(&self, user: &'static str, text: &str) -> bool {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = tickets.get(user).is_some_and(|ticket| ticket.text == text);
        is_current && tickets.remove(user).is_some()
    }
}
