//! `Cookie` headers, and the user whom they authenticate.

/// Sends these `Cookie` headers. `A` and `R` in angle brackets are alice's tokens, `a` and `r` bob's.
pub(crate) struct Case {
    pub(crate) reason: &'static str,
    pub(crate) headers: &'static [&'static [u8]],
    pub(crate) who: &'static str,
}

const fn case(reason: &'static str, headers: &'static [&'static [u8]], who: &'static str) -> Case {
    Case { reason, headers, who }
}

pub(crate) const CASES: &[Case] = &[
    case("no header", &[], "-"),
    case("an empty header", &[b""], "-"),
    case("the access cookie", &[b"__Host-access=<A>"], "alice"),
    case("the refresh cookie", &[b"__Host-refresh=<R>"], "alice"),
    case("both", &[b"__Host-access=<A>; __Host-refresh=<R>"], "alice"),
    // How pairs are separated.
    case("no space after the semicolon", &[b"a=b;__Host-access=<A>;c=d"], "alice"),
    case("many spaces", &[b"a=b;    __Host-access=<A>   ;c=d"], "alice"),
    case("tabs", &[b"a=b;\t__Host-access=<A>\t;\tc=d"], "alice"),
    case("semicolons before", &[b";;; ;__Host-access=<A>"], "alice"),
    case("semicolons after", &[b"__Host-access=<A>;;; ;"], "alice"),
    case("a comma does not separate", &[b"a=b, __Host-access=<A>"], "-"),
    case("a comma after", &[b"__Host-access=<A>, a=b"], "-"),
    case("an ampersand does not separate", &[b"a=b&__Host-access=<A>"], "-"),
    case("a space does not separate", &[b"a=b __Host-access=<A>"], "-"),
    case("$Version and $Path are ordinary cookies", &[b"$Version=1; __Host-access=<A>; $Path=/"], "alice"),
    // Names.
    case("percent-encoded name", &[b"%5F%5FHost-access=<A>; %5F%5FHost-refresh=<R>"], "-"),
    case("percent-encoded hyphen", &[b"__Host%2Daccess=<A>; __Host%2Drefresh=<R>"], "-"),
    case("percent-encoded letter", &[b"__Host-%61ccess=<A>; __Host-%72efresh=<R>"], "-"),
    case("percent-encoded =", &[b"__Host-access%3D<A>; __Host-refresh%3D<R>"], "-"),
    case("name in lower case", &[b"__host-access=<A>; __host-refresh=<R>"], "-"),
    case("name in capitals", &[b"__HOST-ACCESS=<A>; __HOST-REFRESH=<R>"], "-"),
    case("name with a space after", &[b"__Host-access =<A>; __Host-refresh =<R>"], "-"),
    case("name with a tab after", &[b"__Host-access\t=<A>; __Host-refresh\t=<R>"], "-"),
    case("name that begins with ours", &[b"__Host-access2=<A>; __Host-refresh2=<R>"], "-"),
    case("name that ends with ours", &[b"x__Host-access=<A>; x__Host-refresh=<R>"], "-"),
    case("name without the prefix", &[b"access=<A>; refresh=<R>"], "-"),
    case("name with the other prefix", &[b"__Secure-access=<A>; __Secure-refresh=<R>"], "-"),
    case("half of the name", &[b"__Host-acces=<A>; __Host-refres=<R>"], "-"),
    case("name in quotes", &[b"\"__Host-access\"=<A>; \"__Host-refresh\"=<R>"], "-"),
    case("no name", &[b"=<A>; =<R>"], "-"),
    case("no name, and ours in the value", &[b"=__Host-access=<A>; =__Host-refresh=<R>"], "-"),
    case("name without value", &[b"__Host-access; __Host-refresh"], "-"),
    case("no-break space before, in UTF-8", &[b"\xc2\xa0__Host-access=<A>; \xc2\xa0__Host-refresh=<R>"], "-"),
    case("no-break space before, in latin-1", &[b"\xa0__Host-access=<A>; \xa0__Host-refresh=<R>"], "-"),
    case("ideographic space before", &[b"\xe3\x80\x80__Host-access=<A>;\xe3\x80\x80__Host-refresh=<R>"], "-"),
    case("next line before, in latin-1", &[b"\x85__Host-access=<A>; \x85__Host-refresh=<R>"], "-"),
    case("zero-width space before", &[b"\xe2\x80\x8b__Host-access=<A>; \xe2\x80\x8b__Host-refresh=<R>"], "-"),
    case("no-break space after the name", &[b"__Host-access\xc2\xa0=<A>; __Host-refresh\xc2\xa0=<R>"], "-"),
    case("full-width =", &[b"__Host-access\xef\xbc\x9d<A>; __Host-refresh\xef\xbc\x9d<R>"], "-"),
    // Values.
    case("empty values", &[b"__Host-access=; __Host-refresh="], "-"),
    case("value in quotes", &[b"__Host-access=\"<A>\"; __Host-refresh=\"<R>\""], "-"),
    case("value with = before", &[b"__Host-access==<A>; __Host-refresh==<R>"], "-"),
    case("value with = after", &[b"__Host-access=<A>=; __Host-refresh=<R>="], "-"),
    case("value with no-break space after", &[b"__Host-access=<A>\xc2\xa0; __Host-refresh=<R>\xc2\xa0"], "-"),
    case("value percent-encoded", &[b"__Host-access=%65<A>; __Host-refresh=%41<R>"], "-"),
    case("value that looks like an attribute", &[b"__Host-access=<A>; Path=/; Secure"], "alice"),
    // Neighbours.
    case("8-bit neighbours", &[b"\xff\xfe=\x80; __Host-access=<A>; caf\xe9=cr\xe8me"], "alice"),
    case("neighbours of broken UTF-8", &[b"a=\xc3; __Host-refresh=<R>; b=\xe2\x82"], "alice"),
    case("neighbours without =", &[b"flag; __Host-access=<A>; other"], "alice"),
    case("neighbours in JSON", &[b"j={\"a\":\"b\"}; __Host-access=<A>; k=[1,2]"], "alice"),
    case("neighbours with unpaired quotes", &[b"a=\"; __Host-access=<A>; b=\""], "alice"),
    case("a neighbour that has our name in its value", &[b"x=__Host-access=<a>; __Host-access=<A>"], "alice"),
    case(
        "a neighbour in quotes with a semicolon: the semicolon separates",
        &[b"x=\"; __Host-access=<A>"],
        "alice",
    ),
    case("a backslash escapes nothing", &[b"x=\\; __Host-access=<A>"], "alice"),
    case("a neighbour with the other case of our name", &[b"__HOST-access=<a>; __Host-access=<A>"], "alice"),
    // Several headers, as HTTP/2 sends them.
    case("one header each", &[b"__Host-access=<A>", b"__Host-refresh=<R>"], "alice"),
    case("ours in the last of many headers", &[b"a=b", b"", b"\xff", b"c", b"__Host-refresh=<R>"], "alice"),
    case("one pair across two headers", &[b"__Host-access=", b"<A>"], "-"),
    case("one name across two headers", &[b"__Host-", b"access=<A>"], "-"),
    // Duplicates of the access cookie.
    case("the same twice", &[b"__Host-access=<A>; __Host-access=<A>"], "alice"),
    case("forged, then valid", &[b"__Host-access=x.y.z; __Host-access=<A>"], "alice"),
    case("valid, then forged", &[b"__Host-access=<A>; __Host-access=x.y.z"], "alice"),
    case("two users", &[b"__Host-access=<A>; __Host-access=<a>"], "-"),
    case("two users, in two headers", &[b"__Host-access=<a>", b"__Host-access=<A>"], "-"),
    case(
        "two users, and a valid refresh cookie: it decides",
        &[b"__Host-access=<A>; __Host-access=<a>; __Host-refresh=<R>"],
        "alice",
    ),
    case(
        "2 forged, then valid: a browser has one of this name",
        &[b"__Host-access=0; __Host-access=1; __Host-access=<A>"],
        "-",
    ),
    // Duplicates of the refresh cookie.
    case("the same twice, refresh", &[b"__Host-refresh=<R>; __Host-refresh=<R>"], "alice"),
    case("forged, then valid, refresh", &[b"__Host-refresh=x; __Host-refresh=<R>"], "alice"),
    case("valid, then forged, refresh", &[b"__Host-refresh=<R>", b"__Host-refresh=x"], "alice"),
    case("two sessions", &[b"__Host-refresh=<R>; __Host-refresh=<r>"], "-"),
    case("two sessions, in the other order", &[b"__Host-refresh=<r>", b"__Host-refresh=<R>"], "-"),
    case(
        "two sessions of three cookies",
        &[b"__Host-refresh=<R>; __Host-refresh=<r>; __Host-refresh=<R>"],
        "-",
    ),
    case("2 forged, then valid, refresh", &[b"__Host-refresh=0; __Host-refresh=1; __Host-refresh=<R>"], "-"),
    // Which of the two counts.
    case(
        "an access cookie of one and a refresh cookie of the other: the access token counts",
        &[b"__Host-access=<A>; __Host-refresh=<r>"],
        "alice",
    ),
    case("a forged access cookie counts as absent", &[b"__Host-access=x.y.z; __Host-refresh=<R>"], "alice"),
];
