//! Requests as browsers, attackers and other clients send them, and whether their cookies count.

/// The trusted origins. The service's own origin is https://api.example.com.
pub(crate) const TRUSTED: [&str; 3] =
    ["https://app.example.com", "http://localhost:3000", "chrome-extension://abcdefgh"];

/// A request: method, target and headers. `Host` is api.example.com unless the headers name one, or `no host`.
pub(crate) struct Case {
    pub(crate) reason: &'static str,
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) fields: &'static [(&'static str, &'static str)],
    pub(crate) passes: bool,
}

type Fields = &'static [(&'static str, &'static str)];

const fn case(reason: &'static str, method: &'static str, fields: Fields, passes: bool) -> Case {
    Case { reason, method, target: "/optional", fields, passes }
}

const fn pass(reason: &'static str, method: &'static str, fields: Fields) -> Case {
    case(reason, method, fields, true)
}

const fn refuse(reason: &'static str, method: &'static str, fields: Fields) -> Case {
    case(reason, method, fields, false)
}

const fn to(target: &'static str, case: Case) -> Case {
    Case { target, ..case }
}

const SITE: &str = "sec-fetch-site";
const MODE: &str = "sec-fetch-mode";
const DEST: &str = "sec-fetch-dest";
const OWN: &str = "https://api.example.com";

pub(crate) const CASES: &[Case] = &[
    // Not a browser.
    pass("neither field, GET", "GET", &[]),
    pass("neither field, POST", "POST", &[]),
    pass("neither field, no Host", "POST", &[("host", "no host")]),
    pass("a referrer of another site is no matter", "POST", &[("referer", "https://evil.example/")]),
    // Sec-Fetch-Site.
    pass("same-origin GET", "GET", &[(SITE, "same-origin"), (MODE, "cors"), (DEST, "empty")]),
    pass("same-origin POST", "POST", &[(SITE, "same-origin"), (MODE, "cors"), ("origin", OWN)]),
    pass("same-origin DELETE", "DELETE", &[(SITE, "same-origin")]),
    pass("none GET: typed, or a bookmark", "GET", &[(SITE, "none"), (MODE, "navigate"), (DEST, "document")]),
    pass("none POST", "POST", &[(SITE, "none")]),
    pass(
        "same-origin, behind a proxy that changed Host",
        "POST",
        &[(SITE, "same-origin"), ("origin", OWN), ("host", "10.0.0.7")],
    ),
    refuse(
        "same-site POST: a sibling host",
        "POST",
        &[(SITE, "same-site"), ("origin", "https://www.example.com")],
    ),
    refuse("same-site GET of a script", "GET", &[(SITE, "same-site"), (MODE, "cors"), (DEST, "empty")]),
    refuse("cross-site POST", "POST", &[(SITE, "cross-site"), ("origin", "https://evil.example")]),
    refuse("cross-site PUT", "PUT", &[(SITE, "cross-site")]),
    refuse("cross-site DELETE", "DELETE", &[(SITE, "cross-site")]),
    refuse("cross-site PATCH", "PATCH", &[(SITE, "cross-site")]),
    refuse("cross-site GET of a script", "GET", &[(SITE, "cross-site"), (MODE, "cors"), (DEST, "empty")]),
    refuse("cross-site image", "GET", &[(SITE, "cross-site"), (MODE, "no-cors"), (DEST, "image")]),
    refuse("cross-site script element", "GET", &[(SITE, "cross-site"), (MODE, "no-cors"), (DEST, "script")]),
    refuse("cross-site OPTIONS", "OPTIONS", &[(SITE, "cross-site"), (MODE, "cors")]),
    refuse("cross-site, though Origin is ours", "POST", &[(SITE, "cross-site"), ("origin", OWN)]),
    refuse("cross-site, and no more is known", "GET", &[(SITE, "cross-site")]),
    refuse("site in other case", "POST", &[(SITE, "Same-Origin")]),
    refuse("site empty", "POST", &[(SITE, "")]),
    refuse("site of a later standard", "POST", &[(SITE, "same-party")]),
    refuse("site with a space within", "POST", &[(SITE, "same- origin")]),
    refuse("site a list", "POST", &[(SITE, "same-origin, cross-site")]),
    refuse("site twice", "POST", &[(SITE, "same-origin"), (SITE, "cross-site")]),
    refuse("site twice, the other way round", "POST", &[(SITE, "cross-site"), (SITE, "none")]),
    refuse("site twice, and the same", "POST", &[(SITE, "same-origin"), (SITE, "same-origin")]),
    refuse("site that is no text", "POST", &[(SITE, "same-origin\u{e9}")]),
    // Navigations.
    pass("a link from elsewhere", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")]),
    pass(
        "a link from elsewhere, HEAD",
        "HEAD",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")],
    ),
    pass("a link from a sibling", "GET", &[(SITE, "same-site"), (MODE, "navigate"), (DEST, "document")]),
    refuse("a form from elsewhere", "POST", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")]),
    refuse("a form from a sibling", "POST", &[(SITE, "same-site"), (MODE, "navigate"), (DEST, "document")]),
    refuse(
        "a form with method DELETE",
        "DELETE",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")],
    ),
    refuse("a method of one's own", "get", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")]),
    refuse("a frame", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "iframe")]),
    refuse("an old frame", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "frame")]),
    refuse("an object", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "object")]),
    refuse("an embed", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "embed")]),
    refuse("a navigation to nowhere", "GET", &[(SITE, "cross-site"), (MODE, "navigate")]),
    refuse("a document without navigation", "GET", &[(SITE, "cross-site"), (DEST, "document")]),
    refuse("nested-navigate", "GET", &[(SITE, "cross-site"), (MODE, "nested-navigate"), (DEST, "document")]),
    refuse("mode in other case", "GET", &[(SITE, "cross-site"), (MODE, "Navigate"), (DEST, "document")]),
    refuse("mode empty", "GET", &[(SITE, "cross-site"), (MODE, ""), (DEST, "document")]),
    refuse(
        "mode twice",
        "GET",
        &[(SITE, "cross-site"), (MODE, "navigate"), (MODE, "cors"), (DEST, "document")],
    ),
    refuse(
        "dest twice",
        "GET",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document"), (DEST, "iframe")],
    ),
    refuse(
        "a navigation alone does not excuse another origin",
        "GET",
        &[(MODE, "navigate"), (DEST, "document"), ("origin", "https://evil.example")],
    ),
    // Origin alone.
    pass("our origin", "POST", &[("origin", OWN)]),
    pass("our origin, GET", "GET", &[("origin", OWN)]),
    pass(
        "our host by http, as behind a proxy that ends TLS",
        "POST",
        &[("origin", "http://api.example.com")],
    ),
    pass("Host in other case", "POST", &[("origin", OWN), ("host", "API.Example.COM")]),
    pass(
        "our origin with its port",
        "POST",
        &[("origin", "https://api.example.com:8443"), ("host", "api.example.com:8443")],
    ),
    pass("an IPv4 address", "POST", &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]),
    pass("an IPv6 address", "POST", &[("origin", "http://[::1]:8080"), ("host", "[::1]:8080")]),
    pass(
        "a name in Punycode",
        "POST",
        &[("origin", "https://xn--e1afmkfd.example"), ("host", "xn--e1afmkfd.example")],
    ),
    refuse("another origin", "POST", &[("origin", "https://evil.example")]),
    refuse("another origin, GET", "GET", &[("origin", "https://evil.example")]),
    refuse("a sibling host", "POST", &[("origin", "https://www.example.com")]),
    refuse("the parent domain", "POST", &[("origin", "https://example.com")]),
    refuse("a host below ours", "POST", &[("origin", "https://evil.api.example.com")]),
    refuse("a host that begins with ours", "POST", &[("origin", "https://api.example.com.evil.example")]),
    refuse("a host that ends with ours", "POST", &[("origin", "https://evil-api.example.com")]),
    refuse("null: a sandbox, a file, a redirect", "POST", &[("origin", "null")]),
    refuse("null, GET", "GET", &[("origin", "null")]),
    refuse("null, and Host null", "POST", &[("origin", "null"), ("host", "null")]),
    refuse("empty", "POST", &[("origin", "")]),
    refuse("empty, and Host empty", "POST", &[("origin", ""), ("host", "")]),
    refuse("a scheme alone, and Host empty", "POST", &[("origin", "https://"), ("host", "")]),
    refuse("another port", "POST", &[("origin", "https://api.example.com:8443")]),
    refuse("no port where Host has one", "POST", &[("origin", OWN), ("host", "api.example.com:8443")]),
    refuse("the default port in Host alone", "POST", &[("origin", OWN), ("host", "api.example.com:443")]),
    refuse("the default port in Origin alone", "POST", &[("origin", "https://api.example.com:443")]),
    refuse(
        "a port that begins like ours",
        "POST",
        &[("origin", "https://api.example.com:80"), ("host", "api.example.com:8080")],
    ),
    refuse("no scheme", "POST", &[("origin", "api.example.com")]),
    refuse("no scheme, but slashes", "POST", &[("origin", "//api.example.com")]),
    refuse("a path", "POST", &[("origin", "https://api.example.com/")]),
    refuse("ours as the user of another", "POST", &[("origin", "https://api.example.com@evil.example")]),
    refuse(
        "ours as the user of another, with a port",
        "POST",
        &[("origin", "https://api.example.com:443@evil.example")],
    ),
    refuse("a user before ours", "POST", &[("origin", "https://user@api.example.com")]),
    refuse("ours in the path of another", "POST", &[("origin", "https://evil.example/api.example.com")]),
    refuse("ours behind a backslash", "POST", &[("origin", "https://evil.example\\api.example.com")]),
    refuse(
        "ours behind a scheme of another",
        "POST",
        &[("origin", "https://evil.example://api.example.com")],
    ),
    refuse("ours in the fragment of another", "POST", &[("origin", "https://evil.example#api.example.com")]),
    refuse("ours with a dot behind", "POST", &[("origin", "https://api.example.com.")]),
    refuse("Host with a dot behind", "POST", &[("origin", OWN), ("host", "api.example.com.")]),
    refuse(
        "a list that begins with ours",
        "POST",
        &[("origin", "https://api.example.com https://evil.example")],
    ),
    refuse(
        "a list that ends with ours",
        "POST",
        &[("origin", "https://evil.example, https://api.example.com")],
    ),
    refuse("two fields, both ours", "POST", &[("origin", OWN), ("origin", OWN)]),
    refuse("two fields, the second another", "POST", &[("origin", OWN), ("origin", "https://evil.example")]),
    refuse("two fields, the first null", "POST", &[("origin", "null"), ("origin", OWN)]),
    refuse("a letter that looks alike", "POST", &[("origin", "https://\u{430}pi.example.com")]),
    refuse("percent-encoded", "POST", &[("origin", "https://api%2Eexample.com")]),
    refuse("another IPv6 address", "POST", &[("origin", "http://[::1]:8080"), ("host", "[::2]:8080")]),
    refuse("no Host", "POST", &[("origin", OWN), ("host", "no host")]),
    refuse("two Hosts", "POST", &[("origin", OWN), ("host", "api.example.com"), ("host", "api.example.com")]),
    refuse(
        "two Hosts, the second of the attacker",
        "POST",
        &[("origin", "https://evil.example"), ("host", "api.example.com"), ("host", "evil.example")],
    ),
    refuse(
        "X-Forwarded-Host is anybody's",
        "POST",
        &[("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")],
    ),
    // Targets with an authority: HTTP/2, and HTTP/1.1 in absolute form (RFC 9112 §3.2.2).
    to("https://api.example.com/optional", pass("authority is ours", "POST", &[("origin", OWN)])),
    to(
        "https://api.example.com/optional",
        pass("authority is ours, and no Host", "POST", &[("origin", OWN), ("host", "no host")]),
    ),
    to("https://API.example.com/optional", pass("authority in other case", "POST", &[("origin", OWN)])),
    to(
        "https://api.example.com/optional",
        pass("authority counts, not Host", "POST", &[("origin", OWN), ("host", "evil.example")]),
    ),
    to(
        "https://api.example.com/optional",
        refuse(
            "authority counts, not Host, for the attacker",
            "POST",
            &[("origin", "https://evil.example"), ("host", "evil.example")],
        ),
    ),
    to("https://api.example.com:8443/optional", refuse("authority with a port", "POST", &[("origin", OWN)])),
    to("https://api.example.com/optional", refuse("authority, and null", "POST", &[("origin", "null")])),
    // Trusted origins.
    pass("trusted", "POST", &[("origin", "https://app.example.com")]),
    pass("trusted, with a port", "POST", &[("origin", "http://localhost:3000")]),
    pass("trusted, of an extension", "POST", &[("origin", "chrome-extension://abcdefgh")]),
    pass(
        "trusted, though same-site",
        "POST",
        &[("origin", "https://app.example.com"), (SITE, "same-site"), (MODE, "cors")],
    ),
    pass(
        "trusted, though cross-site",
        "POST",
        &[("origin", "http://localhost:3000"), (SITE, "cross-site"), (MODE, "cors")],
    ),
    pass(
        "trusted GET, though cross-site",
        "GET",
        &[("origin", "http://localhost:3000"), (SITE, "cross-site"), (MODE, "cors"), (DEST, "empty")],
    ),
    refuse(
        "trusted, twice",
        "POST",
        &[("origin", "https://app.example.com"), ("origin", "https://app.example.com")],
    ),
    refuse(
        "trusted, then another",
        "POST",
        &[("origin", "https://app.example.com"), ("origin", "https://evil.example"), (SITE, "cross-site")],
    ),
    refuse("trusted, in other case", "POST", &[("origin", "https://APP.example.com")]),
    refuse("trusted, by http", "POST", &[("origin", "http://app.example.com")]),
    refuse("trusted, with the default port", "POST", &[("origin", "https://app.example.com:443")]),
    refuse("trusted, with another port", "POST", &[("origin", "http://localhost:3001")]),
    refuse("trusted, without its port", "POST", &[("origin", "http://localhost")]),
    refuse("trusted, with a slash", "POST", &[("origin", "https://app.example.com/")]),
    refuse("trusted, and more", "POST", &[("origin", "https://app.example.com.evil.example")]),
    refuse("trusted, as the user of another", "POST", &[("origin", "https://app.example.com@evil.example")]),
    refuse("another extension", "POST", &[("origin", "chrome-extension://hgfedcba")]),
];
