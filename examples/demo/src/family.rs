//! The assessment of refreshes: another family of browsers than that of the login is suspicious.

use tower_refresh::{Assessment, RefreshAttempt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Firefox,
    /// Chromium too, and what is built on it: Chrome, Edge, Opera.
    Chrome,
    Safari,
    Other,
}

/// A request without a `User-Agent` is of no browser's family: a thief could omit it.
pub(crate) fn assess(attempt: &RefreshAttempt<'_>) -> Assessment {
    let [at_login, now] = [attempt.session().user_agent(), attempt.user_agent()];
    let is_same = family(at_login.unwrap_or_default()) == family(now.unwrap_or_default());
    if is_same { Assessment::Allow } else { Assessment::EndSession }
}

/// Chrome says Safari too.
fn family(user_agent: &str) -> Family {
    let names = [
        ("Firefox/", Family::Firefox),
        ("Chrome/", Family::Chrome),
        ("Chromium/", Family::Chrome),
        ("Safari/", Family::Safari),
    ];
    names.into_iter().find(|(name, _)| user_agent.contains(name)).map_or(Family::Other, |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_of_one_family_are_alike_and_those_of_two_are_not() {
        let webkit = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit";
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", Family::Firefox),
            ("Mozilla/5.0 (Android 16; Mobile; rv:151.0) Gecko/151.0 Firefox/151.0", Family::Firefox),
            (&format!("{webkit}/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"), Family::Chrome),
            (
                &format!("{webkit}/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36"),
                Family::Chrome,
            ),
            (
                &format!("{webkit}/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0"),
                Family::Chrome,
            ),
            (&format!("{webkit}/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"), Family::Safari),
            ("curl/8.14.1", Family::Other),
            ("", Family::Other),
        ] {
            assert_eq!(family(user_agent), expected, "{user_agent}");
        }
    }
}
