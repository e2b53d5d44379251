//! Requests as browsers, attackers and other clients send them, and whether their cookies count.

/// The trusted origins. The service's own origin is https://api.example.com.
pub(crate) const TRUSTED: [&str; 3] =
    ["https://app.example.com", "http://localhost:3000", "chrome-extension://abcdefgh"];

/// A request: method, target and headers. `Host` is api.example.com unless the headers name one, or `no host`.
pub(crate) struct Case {
    pub(crate) reason: &'static str,
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) passes: bool,
}

type Headers = &'static [(&'static str, &'static str)];

const fn case(reason: &'static str, method: &'static str, headers: Headers, passes: bool) -> Case {
    Case { reason, method, target: "/optional", headers, passes }
}

const fn pass(reason: &'static str, method: &'static str, headers: Headers) -> Case {
    case(reason, method, headers, true)
}

const fn reject(reason: &'static str, method: &'static str, headers: Headers) -> Case {
    case(reason, method, headers, false)
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
    pass("neither header, GET", "GET", &[]),
    pass("neither header, POST", "POST", &[]),
    pass("neither header, no Host", "POST", &[("host", "no host")]),
    pass("a referrer of another site is ignored", "POST", &[("referer", "https://evil.example/")]),
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
    reject(
        "same-site POST: a sibling host",
        "POST",
        &[(SITE, "same-site"), ("origin", "https://www.example.com")],
    ),
    reject("same-site GET of a script", "GET", &[(SITE, "same-site"), (MODE, "cors"), (DEST, "empty")]),
    reject("cross-site POST", "POST", &[(SITE, "cross-site"), ("origin", "https://evil.example")]),
    reject("cross-site PUT", "PUT", &[(SITE, "cross-site")]),
    reject("cross-site DELETE", "DELETE", &[(SITE, "cross-site")]),
    reject("cross-site PATCH", "PATCH", &[(SITE, "cross-site")]),
    reject("cross-site GET of a script", "GET", &[(SITE, "cross-site"), (MODE, "cors"), (DEST, "empty")]),
    reject("cross-site image", "GET", &[(SITE, "cross-site"), (MODE, "no-cors"), (DEST, "image")]),
    reject("cross-site script element", "GET", &[(SITE, "cross-site"), (MODE, "no-cors"), (DEST, "script")]),
    reject("cross-site OPTIONS", "OPTIONS", &[(SITE, "cross-site"), (MODE, "cors")]),
    reject("cross-site, though Origin is ours", "POST", &[(SITE, "cross-site"), ("origin", OWN)]),
    reject("cross-site, without other headers", "GET", &[(SITE, "cross-site")]),
    reject("site in another case", "POST", &[(SITE, "Same-Origin")]),
    reject("site empty", "POST", &[(SITE, "")]),
    reject("site is unknown", "POST", &[(SITE, "same-party")]),
    reject("site contains a space", "POST", &[(SITE, "same- origin")]),
    reject("site is a list", "POST", &[(SITE, "same-origin, cross-site")]),
    reject("site twice", "POST", &[(SITE, "same-origin"), (SITE, "cross-site")]),
    reject("site twice, the other way round", "POST", &[(SITE, "cross-site"), (SITE, "none")]),
    reject("site twice, and the same", "POST", &[(SITE, "same-origin"), (SITE, "same-origin")]),
    reject("site is not text", "POST", &[(SITE, "same-origin\u{e9}")]),
    // Navigations.
    pass("a link from elsewhere", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")]),
    pass(
        "a link from elsewhere, HEAD",
        "HEAD",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")],
    ),
    pass(
        "a link from elsewhere that a service worker passes on",
        "GET",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "empty")],
    ),
    reject(
        "a form from elsewhere that a service worker passes on",
        "POST",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "empty")],
    ),
    pass("a link from a sibling", "GET", &[(SITE, "same-site"), (MODE, "navigate"), (DEST, "document")]),
    reject("a form from elsewhere", "POST", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")]),
    reject("a form from a sibling", "POST", &[(SITE, "same-site"), (MODE, "navigate"), (DEST, "document")]),
    reject(
        "a form with method DELETE",
        "DELETE",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")],
    ),
    reject("a custom method", "get", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document")]),
    reject("a frame", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "iframe")]),
    reject("an old frame", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "frame")]),
    reject("an object", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "object")]),
    reject("an embed", "GET", &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "embed")]),
    reject("a navigation without destination", "GET", &[(SITE, "cross-site"), (MODE, "navigate")]),
    reject("a document without navigation", "GET", &[(SITE, "cross-site"), (DEST, "document")]),
    reject("nested-navigate", "GET", &[(SITE, "cross-site"), (MODE, "nested-navigate"), (DEST, "document")]),
    reject("mode in another case", "GET", &[(SITE, "cross-site"), (MODE, "Navigate"), (DEST, "document")]),
    reject("mode empty", "GET", &[(SITE, "cross-site"), (MODE, ""), (DEST, "document")]),
    reject(
        "mode twice",
        "GET",
        &[(SITE, "cross-site"), (MODE, "navigate"), (MODE, "cors"), (DEST, "document")],
    ),
    reject(
        "dest twice",
        "GET",
        &[(SITE, "cross-site"), (MODE, "navigate"), (DEST, "document"), (DEST, "iframe")],
    ),
    reject(
        "a navigation alone does not excuse another origin",
        "GET",
        &[(MODE, "navigate"), (DEST, "document"), ("origin", "https://evil.example")],
    ),
    // Origin alone.
    pass("our origin", "POST", &[("origin", OWN)]),
    pass("our origin, GET", "GET", &[("origin", OWN)]),
    pass(
        "our host with http, as behind a proxy that terminates TLS",
        "POST",
        &[("origin", "http://api.example.com")],
    ),
    pass("Host in another case", "POST", &[("origin", OWN), ("host", "API.Example.COM")]),
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
    reject("another origin", "POST", &[("origin", "https://evil.example")]),
    reject("another origin, GET", "GET", &[("origin", "https://evil.example")]),
    reject("a sibling host", "POST", &[("origin", "https://www.example.com")]),
    reject("the parent domain", "POST", &[("origin", "https://example.com")]),
    reject("a host below ours", "POST", &[("origin", "https://evil.api.example.com")]),
    reject("a host that begins with ours", "POST", &[("origin", "https://api.example.com.evil.example")]),
    reject("a host that ends with ours", "POST", &[("origin", "https://evil-api.example.com")]),
    reject("null: a sandbox, a file, a redirect", "POST", &[("origin", "null")]),
    reject("null, GET", "GET", &[("origin", "null")]),
    reject("null, and Host null", "POST", &[("origin", "null"), ("host", "null")]),
    reject("empty", "POST", &[("origin", "")]),
    reject("empty, and Host empty", "POST", &[("origin", ""), ("host", "")]),
    reject("a scheme alone, and Host empty", "POST", &[("origin", "https://"), ("host", "")]),
    reject("another port", "POST", &[("origin", "https://api.example.com:8443")]),
    reject("no port where Host has one", "POST", &[("origin", OWN), ("host", "api.example.com:8443")]),
    pass("the default port in Host alone", "POST", &[("origin", OWN), ("host", "api.example.com:443")]),
    pass(
        "the default port of HTTP in Host alone",
        "POST",
        &[("origin", "http://api.example.com"), ("host", "api.example.com:80")],
    ),
    pass("the same with an IPv6 address", "POST", &[("origin", "https://[::1]"), ("host", "[::1]:443")]),
    reject("the default port of another scheme", "POST", &[("origin", OWN), ("host", "api.example.com:80")]),
    reject(
        "the default port of another scheme, the other way round",
        "POST",
        &[("origin", "http://api.example.com"), ("host", "api.example.com:443")],
    ),
    reject(
        "a scheme without a default port",
        "POST",
        &[("origin", "app://api.example.com"), ("host", "api.example.com:443")],
    ),
    reject("the default port in Origin alone", "POST", &[("origin", "https://api.example.com:443")]),
    reject(
        "a port that begins like ours",
        "POST",
        &[("origin", "https://api.example.com:80"), ("host", "api.example.com:8080")],
    ),
    reject("no scheme", "POST", &[("origin", "api.example.com")]),
    reject("no scheme, but slashes", "POST", &[("origin", "//api.example.com")]),
    reject("a path", "POST", &[("origin", "https://api.example.com/")]),
    reject("ours as the userinfo of another", "POST", &[("origin", "https://api.example.com@evil.example")]),
    reject(
        "ours as the userinfo of another, with a port",
        "POST",
        &[("origin", "https://api.example.com:443@evil.example")],
    ),
    reject("userinfo before ours", "POST", &[("origin", "https://user@api.example.com")]),
    reject("ours in the path of another", "POST", &[("origin", "https://evil.example/api.example.com")]),
    reject("ours after a backslash", "POST", &[("origin", "https://evil.example\\api.example.com")]),
    reject("ours after a scheme of another", "POST", &[("origin", "https://evil.example://api.example.com")]),
    reject("ours in the fragment of another", "POST", &[("origin", "https://evil.example#api.example.com")]),
    reject("ours with a trailing dot", "POST", &[("origin", "https://api.example.com.")]),
    reject("Host with a trailing dot", "POST", &[("origin", OWN), ("host", "api.example.com.")]),
    reject(
        "a list that begins with ours",
        "POST",
        &[("origin", "https://api.example.com https://evil.example")],
    ),
    reject(
        "a list that ends with ours",
        "POST",
        &[("origin", "https://evil.example, https://api.example.com")],
    ),
    reject("two headers, both ours", "POST", &[("origin", OWN), ("origin", OWN)]),
    reject(
        "two headers, the second of another origin",
        "POST",
        &[("origin", OWN), ("origin", "https://evil.example")],
    ),
    reject("two headers, the first null", "POST", &[("origin", "null"), ("origin", OWN)]),
    reject("a letter that looks alike", "POST", &[("origin", "https://\u{430}pi.example.com")]),
    reject("percent-encoded", "POST", &[("origin", "https://api%2Eexample.com")]),
    reject("another IPv6 address", "POST", &[("origin", "http://[::1]:8080"), ("host", "[::2]:8080")]),
    reject("no Host", "POST", &[("origin", OWN), ("host", "no host")]),
    reject("two Hosts", "POST", &[("origin", OWN), ("host", "api.example.com"), ("host", "api.example.com")]),
    reject(
        "two Hosts, the second of an attacker",
        "POST",
        &[("origin", "https://evil.example"), ("host", "api.example.com"), ("host", "evil.example")],
    ),
    reject(
        "X-Forwarded-Host is ignored",
        "POST",
        &[("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")],
    ),
    // Targets with an authority: HTTP/2, and HTTP/1.1 in absolute form (RFC 9112 §3.2.2).
    to("https://api.example.com/optional", pass("authority is ours", "POST", &[("origin", OWN)])),
    to(
        "https://api.example.com/optional",
        pass("authority is ours, and no Host", "POST", &[("origin", OWN), ("host", "no host")]),
    ),
    to("https://API.example.com/optional", pass("authority in another case", "POST", &[("origin", OWN)])),
    to(
        "https://api.example.com/optional",
        pass("authority counts, not Host", "POST", &[("origin", OWN), ("host", "evil.example")]),
    ),
    to(
        "https://api.example.com/optional",
        reject(
            "authority counts, not Host, for the attacker",
            "POST",
            &[("origin", "https://evil.example"), ("host", "evil.example")],
        ),
    ),
    to("https://api.example.com:8443/optional", reject("authority with a port", "POST", &[("origin", OWN)])),
    to("https://api.example.com/optional", reject("authority, and null", "POST", &[("origin", "null")])),
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
    reject(
        "trusted, twice",
        "POST",
        &[("origin", "https://app.example.com"), ("origin", "https://app.example.com")],
    ),
    reject(
        "trusted, then another",
        "POST",
        &[("origin", "https://app.example.com"), ("origin", "https://evil.example"), (SITE, "cross-site")],
    ),
    reject("trusted, in another case", "POST", &[("origin", "https://APP.example.com")]),
    reject("trusted, but with http", "POST", &[("origin", "http://app.example.com")]),
    reject("trusted, with the default port", "POST", &[("origin", "https://app.example.com:443")]),
    reject("trusted, with another port", "POST", &[("origin", "http://localhost:3001")]),
    reject("trusted, without its port", "POST", &[("origin", "http://localhost")]),
    reject("trusted, with a slash", "POST", &[("origin", "https://app.example.com/")]),
    reject("trusted, and more", "POST", &[("origin", "https://app.example.com.evil.example")]),
    reject(
        "trusted, as the userinfo of another",
        "POST",
        &[("origin", "https://app.example.com@evil.example")],
    ),
    reject("another extension", "POST", &[("origin", "chrome-extension://hgfedcba")]),
];
