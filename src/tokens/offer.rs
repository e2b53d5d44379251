//! The offer of a registration, in the response to a login.

use http::HeaderValue;
use tower_refresh_core::{SessionRow, Timestamp};

use super::Tokens;
use crate::{
    CustomClaims,
    device::{self, Challenge, ChallengeError},
};

impl<C: CustomClaims> Tokens<C> {
    /// The header that offers the browser to register a device for the session of `row`; `None` if devices are not bound, or this
    /// session cannot be. `from_elsewhere` says whether the response is to a navigation that another site started.
    pub(crate) fn device_offer(
        &self,
        row: &SessionRow,
        now: Timestamp,
        from_elsewhere: bool,
    ) -> Result<Option<HeaderValue>, ChallengeError> {
        let Some(device) = self.settings.device.as_ref().filter(|_| device::is_offer_possible(row)) else {
            return Ok(None);
        };
        let issued_at = Timestamp::from_secs(now.as_secs());
        let challenge = Challenge::Register { handle: row.handle, issued_at, from_elsewhere };
        let challenge = challenge.encode(&self.keys(), &self.device_context)?;
        Ok(device::headers::registration(&format!("{}/register", device.routes), &challenge))
    }
}
