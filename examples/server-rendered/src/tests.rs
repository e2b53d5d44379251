//! The pages, as a browser without JavaScript sees them.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::app;

const ALICE: &str = "username=alice&password=alice-password";
const ADMIN: &str = "username=admin&password=admin-password";

/// Stores cookies, and sends `Sec-Fetch-Site`.
struct Browser {
    app: Router,
    cookies: BTreeMap<String, String>,
    site: &'static str,
}

impl Browser {
    fn new(app: &Router) -> Self {
        Self { app: app.clone(), cookies: BTreeMap::new(), site: "same-origin" }
    }

    async fn logged_in(app: &Router, form: &str) -> Self {
        let mut browser = Self::new(app);
        assert_eq!(browser.post("/login", form).await.0, StatusCode::SEE_OTHER);
        browser
    }

    async fn get(&mut self, path: &str) -> (StatusCode, HeaderMap, String) {
        self.send(Request::get(path), "").await
    }

    async fn post(&mut self, path: &str, form: &str) -> (StatusCode, HeaderMap, String) {
        self.send(Request::post(path).header("content-type", "application/x-www-form-urlencoded"), form).await
    }

    async fn send(
        &mut self,
        request: axum::http::request::Builder,
        form: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request
            .header("cookie", cookies.join("; "))
            .header("sec-fetch-site", self.site)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let (head, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        for cookie in head.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (head.status, head.headers, body)
    }
}

#[tokio::test]
async fn a_page_that_needs_a_login_redirects_to_the_form_and_is_shown_afterwards() {
    let mut browser = Browser::new(&app().unwrap());
    let (status, headers, _) = browser.get("/account?tab=a%26b").await;
    assert_eq!(
        (status, headers["location"].as_bytes()),
        (StatusCode::SEE_OTHER, b"/login?next=/account%3Ftab%3Da%2526b".as_slice())
    );

    let (_, _, form) = browser.get("/login?next=/account%3Ftab%3Da%2526b").await;
    assert!(form.contains(r#"name="next" value="/account?tab=a%26b""#), "{form}");

    let (status, headers, _) =
        browser.post("/login", &format!("{ALICE}&next=/account%3Ftab%3Da%2526b")).await;
    assert_eq!(
        (status, headers["location"].as_bytes()),
        (StatusCode::SEE_OTHER, b"/account?tab=a%26b".as_slice())
    );
    let (status, headers, page) = browser.get("/account").await;
    assert_eq!((status, page.contains("Alice, known here as")), (StatusCode::OK, true), "{page}");
    assert_eq!(headers["cache-control"], "private, no-store");
}

#[tokio::test]
async fn a_login_never_redirects_to_another_site() {
    for next in ["https://evil.example/", "//evil.example", "/%255Cevil.example", "javascript:alert(1)", ""] {
        let mut browser = Browser::new(&app().unwrap());
        let (status, headers, _) = browser.post("/login", &format!("{ALICE}&next={next}")).await;
        assert_eq!(
            (status, headers["location"].as_bytes()),
            (StatusCode::SEE_OTHER, b"/".as_slice()),
            "{next}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_and_sets_no_cookie() {
    let mut browser = Browser::new(&app().unwrap());
    let (status, headers, page) =
        browser.post("/login", "username=alice&password=guess&next=//evil.example").await;
    assert_eq!((status, headers.contains_key("set-cookie")), (StatusCode::UNPROCESSABLE_ENTITY, false));
    assert!(page.contains(r#"name="next" value="/""#), "{page}");
}

#[tokio::test]
async fn no_response_contains_a_token_outside_the_cookies() {
    let mut browser = Browser::new(&app().unwrap());
    let (_, headers, body) = browser.post("/login", ALICE).await;
    for token in browser.cookies.values() {
        assert!(!body.contains(token));
        assert!(headers.iter().filter(|(name, _)| *name != "set-cookie").all(|(_, value)| value != token));
    }
    assert_eq!(browser.cookies.len(), 2);
}

#[tokio::test]
async fn the_users_page_requires_the_admin_scope() {
    let app = app().unwrap();
    for (mut browser, wanted) in [
        (Browser::logged_in(&app, ALICE).await, StatusCode::FORBIDDEN),
        (Browser::logged_in(&app, ADMIN).await, StatusCode::OK),
    ] {
        let (status, headers, page) = browser.get("/users").await;
        assert_eq!(
            (status, headers["content-type"].as_bytes()),
            (wanted, b"text/html; charset=utf-8".as_slice()),
            "{page}"
        );
        assert_eq!(headers.contains_key("www-authenticate"), wanted != StatusCode::OK);
    }
    let (status, headers, _) = Browser::new(&app).get("/users").await;
    assert_eq!(
        (status, headers["location"].as_bytes()),
        (StatusCode::SEE_OTHER, b"/login?next=/users".as_slice())
    );
}

#[tokio::test]
async fn another_browser_can_end_a_session_from_the_list() {
    let app = app().unwrap();
    let mut first = Browser::logged_in(&app, ALICE).await;
    let mut second = Browser::logged_in(&app, ALICE).await;
    let (_, _, list) = second.get("/sessions").await;
    let handles: Vec<_> = list.split("value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!((handles.len(), list.matches("(this one)").count()), (2, 1), "{list}");

    let (_, _, own) = first.get("/sessions").await;
    let of_first =
        own.split("(this one)").nth(1).unwrap().split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(second.post("/sessions/end", &format!("session={of_first}")).await.0, StatusCode::SEE_OTHER);
    assert_eq!(first.get("/account").await.0, StatusCode::SEE_OTHER);
    assert_eq!(second.get("/account").await.0, StatusCode::OK);

    assert_eq!(second.post("/logout", "").await.0, StatusCode::SEE_OTHER);
    assert!(second.cookies.is_empty());
}

#[tokio::test]
async fn another_site_cannot_submit_a_form_as_the_user_but_can_link_here() {
    let mut browser = Browser::logged_in(&app().unwrap(), ALICE).await;
    browser.site = "cross-site";
    for (path, form) in
        [("/logout", ""), ("/login", ADMIN), ("/sessions/end", "session=AAAAAAAAAAAAAAAAAAAAAA")]
    {
        let (status, headers, _) = browser.post(path, form).await;
        assert_eq!((status, headers.contains_key("set-cookie")), (StatusCode::FORBIDDEN, false), "{path}");
    }
    let (status, _, page) = browser.get("/account").await;
    assert_eq!((status, page.contains("Alice")), (StatusCode::OK, true));
}
