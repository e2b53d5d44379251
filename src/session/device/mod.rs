//! The device to which a session is bound: its registration, and the proofs that it still has its key (Device Bound Session
//! Credentials).

mod answer;
mod refresh;
mod register;

use http::{HeaderMap, HeaderValue, header};

use super::Session;
use crate::{CustomClaims, RejectionKind, device::Origin, rejection::Rejection, settings::DeviceSettings};

/// How often a decision is made again because the session was written meanwhile.
const MOST_ROUNDS: usize = 4;

impl<C: CustomClaims> Session<C> {
    /// The settings of device-bound sessions, in a request that may change the session.
    fn device_settings(&self) -> Result<&DeviceSettings, Rejection> {
        let settings = self.state.auth.settings.device.as_ref();
        let settings = settings.ok_or_else(|| self.reject(RejectionKind::NoDeviceBinding))?;
        self.check_not_sealed()?;
        Ok(settings)
    }
}

/// The header, if the request has it exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The origin of the request, as its browser knows it.
fn origin(headers: &HeaderMap) -> Option<Origin> {
    let origin = single(headers, header::ORIGIN.as_str());
    Origin::of(origin, single(headers, header::HOST.as_str()))
}
