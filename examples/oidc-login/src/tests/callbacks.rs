//! Callbacks that are not the answer to a login of this browser.

use std::time::Duration;

use axum::http::StatusCode;
use tower_refresh::testing::Client;

use super::{
    op::Parameters,
    world::{World, account, from_elsewhere, location},
};

/// A valid callback of a login that this browser has started.
struct Case {
    world: World,
    browser: Client,
    request: Parameters,
    callback: String,
}

async fn case(provider: &str) -> Case {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = world.start(&mut browser, provider, "/account").await;
    let claims = world.op(provider).claims(&request, world.now());
    let callback = world.callback(provider, &request, &claims);
    Case { world, browser, request, callback }
}

fn attempt_cookie(request: &Parameters) -> String {
    format!("__Host-login-{}", &request["state"][..8])
}

async fn expect_no_login(browser: &mut Client, path: &str, status: StatusCode, reason: &str) {
    let response = browser.send(from_elsewhere("GET", path, "")).await;
    assert_eq!(response.status(), status, "{reason}: {response:?}");
    assert_eq!(response.headers()["cache-control"], "private, no-store", "{reason}");
    assert!(browser.cookie("__Host-refresh").is_none(), "{reason}");
    assert!(account(browser).await.is_none(), "{reason}");
}

#[tokio::test]
async fn callbacks_with_other_parameters_start_no_session() {
    type Change = fn(&Case) -> String;
    let table: &[(&str, &str, Change, StatusCode)] = &[
        ("one", "no parameters", |_| "/callback/one".to_owned(), StatusCode::BAD_REQUEST),
        (
            "one",
            "another state",
            |case| swap(case, "state", "AAAAAAAAAAAAAAAAAAAAAA"),
            StatusCode::BAD_REQUEST,
        ),
        (
            "one",
            "another state with the same cookie",
            |case| swap(case, "state", &format!("{}AAAAAAAAAAAAAA", &case.request["state"][..8])),
            StatusCode::BAD_REQUEST,
        ),
        ("one", "a short state", |case| swap(case, "state", "a"), StatusCode::BAD_REQUEST),
        (
            "one",
            "a state that is no cookie name",
            |case| swap(case, "state", "%0D%0Aa=b;=%C3%A4"),
            StatusCode::BAD_REQUEST,
        ),
        ("one", "no state", |case| without(case, "state"), StatusCode::BAD_REQUEST),
        (
            "one",
            "the state twice",
            |case| format!("{}&state={}", case.callback, case.request["state"]),
            StatusCode::BAD_REQUEST,
        ),
        ("one", "the code twice", |case| format!("{}&code=b", case.callback), StatusCode::BAD_REQUEST),
        ("one", "no code", |case| without(case, "code"), StatusCode::BAD_REQUEST),
        ("one", "an unknown code", |case| swap(case, "code", "guess"), StatusCode::BAD_REQUEST),
        (
            "one",
            "a code and an error",
            |case| format!("{}&error=access_denied", case.callback),
            StatusCode::BAD_REQUEST,
        ),
        (
            "one",
            "the user has not allowed it",
            |case| format!("{}&error=access_denied", without(case, "code")),
            StatusCode::FORBIDDEN,
        ),
        (
            "one",
            "an error of the provider",
            |case| format!("{}&error=%3Cscript%3E", without(case, "code")),
            StatusCode::BAD_REQUEST,
        ),
        // RFC 9207: the provider says that it states its issuer.
        ("one", "no issuer", |case| without(case, "iss"), StatusCode::BAD_REQUEST),
        ("one", "an empty issuer", |case| swap(case, "iss", ""), StatusCode::BAD_REQUEST),
        (
            "one",
            "the other provider's issuer",
            |case| swap(case, "iss", &case.world.two.issuer),
            StatusCode::BAD_REQUEST,
        ),
        (
            "one",
            "the issuer with a slash",
            |case| swap(case, "iss", &format!("{}/", case.world.one.issuer)),
            StatusCode::BAD_REQUEST,
        ),
        (
            "one",
            "an error from another issuer",
            |case| {
                format!(
                    "{}&error=access_denied&iss={}",
                    "/callback/one?state=".to_owned() + &case.request["state"],
                    case.world.two.issuer
                )
            },
            StatusCode::BAD_REQUEST,
        ),
        // A mix-up: the browser was sent to one provider, and comes back as if from the other.
        (
            "one",
            "the callback of the other provider",
            |case| case.callback.replace("/one?", "/two?"),
            StatusCode::BAD_REQUEST,
        ),
        (
            "two",
            "the callback of the other provider",
            |case| case.callback.replace("/two?", "/one?"),
            StatusCode::BAD_REQUEST,
        ),
        (
            "two",
            "an issuer that is not its own",
            |case| format!("{}&iss={}", case.callback, case.world.one.issuer),
            StatusCode::BAD_REQUEST,
        ),
        ("one", "no such provider", |case| case.callback.replace("/one?", "/three?"), StatusCode::NOT_FOUND),
    ];
    for (provider, reason, change, status) in table {
        let mut case = case(provider).await;
        let path = change(&case);
        assert_ne!(path, case.callback, "{reason}");
        expect_no_login(&mut case.browser, &path, *status, reason).await;
    }
    let mut case = case("one").await;
    let response = case.browser.send(from_elsewhere("GET", &case.callback, "")).await;
    assert_eq!(location(&response), "/account", "unchanged");
}

fn without(case: &Case, name: &str) -> String {
    let (path, query) = case.callback.split_once('?').unwrap();
    let pairs = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn swap(case: &Case, name: &str, value: &str) -> String {
    format!("{}&{name}={value}", without(case, name))
}

/// Login CSRF: the attacker would like the victim to act, and to type secrets, in the attacker's account.
#[tokio::test]
async fn a_callback_of_another_browsers_login_starts_no_session() {
    let Case { world, callback, .. } = case("one").await;
    let mut victim = world.browser();
    expect_no_login(&mut victim, &callback, StatusCode::BAD_REQUEST, "no login under way").await;
    world.start(&mut victim, "one", "/account").await;
    expect_no_login(&mut victim, &callback, StatusCode::BAD_REQUEST, "another login under way").await;
}

#[tokio::test]
async fn a_login_can_be_finished_once_and_for_ten_minutes() {
    let Case { world: _world, mut browser, callback, request } = case("one").await;
    let cookie = browser.cookie(&attempt_cookie(&request)).unwrap().to_owned();
    let mut thief = browser.clone();
    assert_eq!(location(&browser.get(&callback).await), "/account");
    assert!(browser.cookie(&attempt_cookie(&request)).is_none());
    assert_eq!(
        browser.get(&callback).await.status(),
        StatusCode::BAD_REQUEST,
        "the browser has no cookie any more"
    );
    assert_eq!(thief.cookie(&attempt_cookie(&request)), Some(cookie.as_str()));
    expect_no_login(&mut thief, &callback, StatusCode::BAD_REQUEST, "the provider takes a code once").await;

    for (wait, status) in [(599, StatusCode::SEE_OTHER), (600, StatusCode::BAD_REQUEST)] {
        let world = World::new().await;
        let mut browser = world.browser();
        let request = world.start(&mut browser, "one", "/").await;
        world.clock.advance(Duration::from_secs(wait));
        let claims = world.one.claims(&request, world.now());
        let response = browser.get(&world.callback("one", &request, &claims)).await;
        assert_eq!(response.status(), status, "{wait}");
    }
}

#[tokio::test]
async fn the_first_response_ends_the_attempt_whatever_it_says() {
    for change in ["&error=access_denied", "&iss=http://evil.example"] {
        let Case { world: _world, mut browser, request, .. } = case("two").await;
        let path = format!("/callback/two?state={}{change}", request["state"]);
        assert!(browser.get(&path).await.status().is_client_error(), "{change}");
        assert!(browser.cookie(&attempt_cookie(&request)).is_none(), "{change}");
    }
}

/// The browser can change its own cookie, but not how the response is checked.
#[tokio::test]
async fn a_changed_attempt_leads_nowhere_else() {
    for (from, to, status, target) in [
        ("\"next\":\"/account\"", "\"next\":\"//evil.example\"", StatusCode::SEE_OTHER, "/"),
        ("\"provider\":\"one\"", "\"provider\":\"two\"", StatusCode::BAD_REQUEST, ""),
        ("\"nonce\":\"", "\"nonce\":\"a", StatusCode::BAD_GATEWAY, ""),
        ("\"verifier\":\"", "\"verifier\":\"a", StatusCode::BAD_REQUEST, ""),
        ("\"started_at\":", "\"started_at\":9", StatusCode::SEE_OTHER, "/account"),
        ("{", "[", StatusCode::BAD_REQUEST, ""),
    ] {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

        let Case { world: _world, mut browser, callback, request } = case("one").await;
        let name = attempt_cookie(&request);
        let value = URL_SAFE_NO_PAD.decode(browser.cookie(&name).unwrap()).unwrap();
        let changed = String::from_utf8(value.clone()).unwrap().replacen(from, to, 1);
        assert_ne!(changed.as_bytes(), value, "{from}");
        browser.set_cookie(name, URL_SAFE_NO_PAD.encode(changed));
        let response = browser.get(&callback).await;
        assert_eq!((response.status(), location(&response)), (status, target), "{to}");
    }
}

#[tokio::test]
async fn attempts_that_another_site_starts_do_not_pile_up() {
    let world = World::new().await;
    let mut cookies = Vec::<String>::new();
    for _ in 0..9 {
        let mut request = from_elsewhere("GET", "/login/one", "");
        request.headers_mut().insert("cookie", cookies.join("; ").parse().unwrap());
        let response = world.browser().send(request).await;
        for cookie in response.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            assert!(pair.starts_with("__Host-login-"));
            assert!(attributes.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{attributes}");
            let (name, _) = pair.split_once('=').unwrap();
            cookies.retain(|other| !other.starts_with(name));
            if !attributes.contains("Max-Age=0") {
                cookies.push(pair.to_owned());
            }
        }
    }
    assert_eq!(cookies.len(), 5, "{cookies:?}");
}
