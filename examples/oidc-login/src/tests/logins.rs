//! Logins that succeed.

use axum::http::StatusCode;
use serde_json::json;

use super::world::{World, account, from_elsewhere, location, text};

#[tokio::test]
async fn a_login_goes_to_the_provider_and_back_to_the_page_and_starts_a_session_of_ours() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = world.start(&mut browser, "one", "/account?tab=a%26b").await;
    assert_eq!(
        ["response_type", "client_id", "redirect_uri", "code_challenge_method", "scope"]
            .map(|name| request[name].as_str()),
        ["code", "web", "http://localhost:3000/callback/one", "S256", "openid profile"]
    );
    assert!(!["prompt", "max_age", "response_mode"].iter().any(|name| request.contains_key(*name)));

    let claims = world.one.claims(&request, world.now());
    let callback = world.callback("one", &request, &claims);
    let response = browser.send(from_elsewhere("GET", &callback, "")).await;

    assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/account?tab=a%26b"));
    let names: Vec<_> =
        response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "two of the session, and the removal of the attempt's: {names:?}");
    assert!(browser.cookie("__Host-refresh").is_some() && browser.cookie("__Host-access").is_some());
    let page = account(&mut browser).await.unwrap();
    assert!(page.contains("Alice &lt;A&gt;"), "{page}");
    assert!(page.contains(&format!("{} alice", world.one.issuer)), "{page}");
    assert!(page.contains("3600 seconds ago") && page.contains("<dd>pwd</dd>"), "{page}");
}

#[tokio::test]
async fn the_same_sub_at_two_providers_is_two_users_and_twice_at_one_is_one() {
    let world = World::new().await;
    let mut pages = Vec::new();
    for provider in ["one", "two", "one"] {
        let mut browser = world.logged_in(provider, |_| {}).await;
        let page = account(&mut browser).await.unwrap();
        let subject = page.split("id=\"subject\">").nth(1).unwrap().split('<').next().unwrap();
        pages.push(subject.to_owned());
    }
    assert_eq!(pages[0], pages[2]);
    assert_ne!(pages[0], pages[1]);
}

#[tokio::test]
async fn logins_in_several_tabs_finish_in_any_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let world = World::new().await;
        let mut browser = world.browser();
        let mut requests = Vec::new();
        for provider in ["one", "two", "one"] {
            requests.push((provider, world.start(&mut browser, provider, &format!("/{provider}")).await));
        }
        for tab in order {
            let (provider, request) = &requests[tab];
            let claims = world.op(provider).claims(request, world.now());
            let response = browser.get(&world.callback(provider, request, &claims)).await;
            assert_eq!(location(&response), format!("/{provider}"), "{order:?}");
        }
        let subject = format!("{} alice", world.op(requests[order[2]].0).issuer);
        assert!(account(&mut browser).await.unwrap().contains(&subject), "the last one counts");
    }
}

#[tokio::test]
async fn a_login_returns_to_paths_of_this_application_only() {
    for (next, expected) in [
        ("/account", "/account"),
        ("/account?a=b&c=d%2Fe", "/account?a=b&c=d%2Fe"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/%5Cevil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: a=b", "/"),
        (&format!("/{}", "a".repeat(2000)), "/"),
    ] {
        let world = World::new().await;
        let mut browser = world.browser();
        let request = world.start(&mut browser, "one", next).await;
        let claims = world.one.claims(&request, world.now());
        let response = browser.get(&world.callback("one", &request, &claims)).await;
        assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, expected), "{next}");
    }
}

#[tokio::test]
async fn the_login_page_lists_the_providers_and_passes_the_way_back_on() {
    let world = World::new().await;
    let response = world.browser().send(navigation("/account?a=b")).await;
    assert_eq!(location(&response), "/login?next=/account%3Fa%3Db");
    let page = world.browser().get(location(&response)).await;
    for provider in ["one", "two"] {
        let link = format!("href=\"/login/{provider}?next=%2Faccount%3Fa%3Db\"");
        assert!(text(&page).contains(&link), "{}", text(&page));
    }
    let mut browser = world.logged_in("one", |_| {}).await;
    assert_eq!(location(&browser.get("/login?next=/account").await), "/account");
}

#[tokio::test]
async fn a_provider_that_says_little_is_enough() {
    let world = World::new().await;
    let mut browser = world
        .logged_in("two", |claims| {
            for name in ["auth_time", "acr", "sid", "name"] {
                claims.as_object_mut().unwrap().remove(name);
            }
        })
        .await;
    let page = account(&mut browser).await.unwrap();
    assert!(page.contains("<dd>alice</dd>") && page.contains("it does not say"), "{page}");
}

#[tokio::test]
async fn a_form_of_the_provider_becomes_a_redirect_that_browsers_send_cookies_with() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = world.start(&mut browser, "one", "/account").await;
    let claims = world.one.claims(&request, world.now());
    let callback = world.callback("one", &request, &claims);
    let (path, query) = callback.split_once('?').unwrap();

    // A browser sends no cookies with it.
    let response = world.browser().send(from_elsewhere("POST", path, query)).await;

    assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, callback.as_str()));
    assert!(!response.headers().contains_key("set-cookie"));
    let response = browser.send(from_elsewhere("GET", &callback, "")).await;
    assert_eq!(location(&response), "/account");
    assert!(account(&mut browser).await.is_some());

    for (form, reason) in
        [("code=a&code=b&state=c", "twice"), ("code=%FF%FE&state=%00", "not text"), ("", "nothing")]
    {
        let response = world.browser().send(from_elsewhere("POST", path, form)).await;
        let location = location(&response).to_owned();
        assert!(response.status() == 400 || location.starts_with("/callback/one?"), "{reason}: {response:?}");
    }
    let response =
        world.browser().send(from_elsewhere("POST", "/callback/%2F%2Fevil.example", "code=a")).await;
    assert_eq!(location(&response), "/callback/%2F%2Fevil.example?code=a");
}

#[tokio::test]
async fn a_provider_can_be_asked_for_a_form() {
    let world = World::new().await;
    let mut settings = world.one.settings("one");
    settings.form_post = true;
    let settings = crate::settings::Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        url: super::world::URL.to_owned(),
        providers: vec![settings],
    };
    let app = crate::app(settings, world.store.clone(), world.clock.clone()).unwrap();
    let mut browser = tower_refresh::testing::Client::new(crate::router(app).unwrap());
    let response = browser.get("/login/one").await;
    assert_eq!(world.one.parameters(location(&response))["response_mode"], "form_post");
}

#[tokio::test]
async fn any_name_that_a_provider_gives_is_shown_as_text() {
    let world = World::new().await;
    let mut browser =
        world.logged_in("one", |claims| claims["name"] = json!("<script>alert(1)</script>")).await;
    for path in ["/", "/account"] {
        let page = browser.get(path).await;
        assert!(text(&page).contains("&lt;script&gt;") && !text(&page).contains("<script>"), "{path}");
        assert_eq!(page.headers()["cache-control"], "private, no-store");
    }
}

fn navigation(path: &str) -> axum::http::Request<axum::body::Body> {
    axum::http::Request::get(path)
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-site", "same-origin")
        .body(axum::body::Body::empty())
        .unwrap()
}
