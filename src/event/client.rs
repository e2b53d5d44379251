//! The client of a request, as events and lists of sessions show it.

use std::net::IpAddr;

use http::HeaderValue;

use super::device::DeviceRefreshSkipped;

/// The longest text of a client that is stored or reported, in bytes.
const LONGEST_TEXT: usize = 256;

/// The client that sent a request. The default is for what no request caused.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientInfo {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<HeaderValue>,
    /// Why it did not refresh its device-bound session before.
    pub(crate) refresh_skipped: Option<DeviceRefreshSkipped>,
}

impl ClientInfo {
    /// For calls of the application outside of requests.
    pub(crate) const NONE: &'static Self = &Self { ip: None, user_agent: None, refresh_skipped: None };

    pub(crate) fn displayable_user_agent(&self) -> Option<String> {
        self.user_agent.as_ref().map(|header| {
            let bytes = header.as_bytes();
            displayable(&String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]))
        })
    }
}

/// Removes control characters, which PostgreSQL rejects (U+0000) and lists cannot show, and those that end lines, have no width or
/// reverse the text around them; and cuts the text.
pub(crate) fn displayable(text: &str) -> String {
    let mut len = 0;
    let fits = |c: &char| {
        len += c.len_utf8();
        len <= LONGEST_TEXT
    };
    text.chars().filter(|&c| is_displayable(c)).take_while(fits).collect()
}

fn is_displayable(c: char) -> bool {
    let is_format =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    !c.is_control() && !is_format
}
