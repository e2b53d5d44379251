//! The form of a token request: valid forms, attacks and mistakes, each with its response.

use std::time::Duration;

use http::{Method, StatusCode};

use super::client::{Client, FORM, assert_error, assert_is_not_cached, call, json, send, send_form};
use crate::support::World;

/// Invalid forms: a reason, the form with `TOKEN` for a valid refresh token, the error code.
const REJECTED: [(&str, &str, &str); 37] = [
    ("nothing", "", "invalid_request"),
    ("separators alone", "&&&", "invalid_request"),
    ("no grant_type", "refresh_token=TOKEN", "invalid_request"),
    ("a grant_type without a value counts as none", "grant_type=&refresh_token=TOKEN", "invalid_request"),
    ("a grant_type without an equals sign", "grant_type&refresh_token=TOKEN", "invalid_request"),
    ("no refresh_token", "grant_type=refresh_token", "invalid_request"),
    ("a refresh_token without a value", "grant_type=refresh_token&refresh_token=", "invalid_request"),
    ("names are case-sensitive", "GRANT_TYPE=refresh_token&refresh_token=TOKEN", "invalid_request"),
    ("names are not trimmed", "+grant_type=refresh_token&refresh_token=TOKEN", "invalid_request"),
    (
        "a name in brackets is another name",
        "grant_type[]=refresh_token&refresh_token=TOKEN",
        "invalid_request",
    ),
    ("semicolons separate nothing", "grant_type=refresh_token;refresh_token=TOKEN", "unsupported_grant_type"),
    ("the grant of passwords", "grant_type=password&username=alice&password=x", "unsupported_grant_type"),
    ("the grant of codes", "grant_type=authorization_code&refresh_token=TOKEN", "unsupported_grant_type"),
    ("the grant of clients", "grant_type=client_credentials", "unsupported_grant_type"),
    ("values are case-sensitive", "grant_type=Refresh_Token&refresh_token=TOKEN", "unsupported_grant_type"),
    ("values are not trimmed", "grant_type=refresh_token+&refresh_token=TOKEN", "unsupported_grant_type"),
    ("a grant after a NUL", "grant_type=refresh_token%00&refresh_token=TOKEN", "unsupported_grant_type"),
    ("a grant that is not UTF-8", "grant_type=%ff&refresh_token=TOKEN", "unsupported_grant_type"),
    (
        "grant_type twice",
        "grant_type=refresh_token&grant_type=refresh_token&refresh_token=TOKEN",
        "invalid_request",
    ),
    (
        "refresh_token twice",
        "grant_type=refresh_token&refresh_token=TOKEN&refresh_token=TOKEN",
        "invalid_request",
    ),
    (
        "the second one escaped",
        "grant_type=refresh_token&refresh_token=TOKEN&refresh%5ftoken=x",
        "invalid_request",
    ),
    (
        "the second one empty",
        "grant_type=refresh_token&refresh_token=TOKEN&refresh_token=",
        "invalid_request",
    ),
    ("an unknown one twice", "grant_type=refresh_token&refresh_token=TOKEN&a=1&a=1", "invalid_request"),
    ("an escape cut short", "grant_type=refresh_token&refresh_token=TOKEN&a=%4", "invalid_request"),
    ("an escape without digits", "grant_type=refresh_token&refresh_token=TOKEN&a=%zz", "invalid_request"),
    ("an escape with a sign", "grant_type=refresh_token&refresh_token=TOKEN&a=%+1", "invalid_request"),
    ("JSON", r#"{"grant_type":"refresh_token","refresh_token":"TOKEN"}"#, "invalid_request"),
    ("no token at all", "grant_type=refresh_token&refresh_token=x", "invalid_grant"),
    ("a token with a blank before it", "grant_type=refresh_token&refresh_token=+TOKEN", "invalid_grant"),
    ("a token with padding", "grant_type=refresh_token&refresh_token=TOKEN%3D", "invalid_grant"),
    ("a token after a NUL", "grant_type=refresh_token&refresh_token=%00TOKEN", "invalid_grant"),
    ("a token twice in one value", "grant_type=refresh_token&refresh_token=TOKEN%26TOKEN", "invalid_grant"),
    (
        "more scope than the user has",
        "grant_type=refresh_token&refresh_token=TOKEN&scope=user+admin",
        "invalid_scope",
    ),
    ("another scope", "grant_type=refresh_token&refresh_token=TOKEN&scope=admin", "invalid_scope"),
    (
        "two blanks in the scope",
        "grant_type=refresh_token&refresh_token=TOKEN&scope=user++user",
        "invalid_scope",
    ),
    (
        "a scope with a quote",
        "grant_type=refresh_token&refresh_token=TOKEN&scope=%22user%22",
        "invalid_scope",
    ),
    ("a scope that is not UTF-8", "grant_type=refresh_token&refresh_token=TOKEN&scope=%ff", "invalid_scope"),
];

/// Valid forms.
const ACCEPTED: [(&str, &str); 9] = [
    ("as in the RFC", "grant_type=refresh_token&refresh_token=TOKEN"),
    ("the order does not matter", "refresh_token=TOKEN&grant_type=refresh_token"),
    ("escapes that are not needed", "grant%5Ftype=refresh%5ftoken&refresh_token=TOKEN"),
    ("extra separators", "&grant_type=refresh_token&&refresh_token=TOKEN&"),
    ("the scope of the user", "grant_type=refresh_token&refresh_token=TOKEN&scope=user"),
    ("a scope without a value counts as none", "grant_type=refresh_token&refresh_token=TOKEN&scope="),
    ("a public client's id is ignored", "grant_type=refresh_token&refresh_token=TOKEN&client_id=app"),
    ("so is a secret", "grant_type=refresh_token&refresh_token=TOKEN&client_id=app&client_secret=s"),
    ("and unknown parameters", "grant_type=refresh_token&refresh_token=TOKEN&audience=x&%ff=%ff"),
];

#[tokio::test]
async fn an_invalid_form_gets_its_error_and_rotates_nothing() {
    for (case, form, code) in REJECTED {
        let world = World::new();
        let client = Client::logged_in(&world, "alice").await;
        world.clock.advance(Duration::from_secs(600));
        let row = world.store.row(client.session()).await.unwrap();

        let response = send_form(&world, &form.replace("TOKEN", &client.refresh)).await;

        assert_error(&response, code, case);
        assert_eq!(world.store.row(client.session()).await.unwrap(), row, "{case}");
        if code != "invalid_scope" {
            assert_eq!(world.store.take_calls(), [], "{case}");
        }
    }
}

#[tokio::test]
async fn a_form_may_be_written_in_several_ways() {
    for (case, form) in ACCEPTED {
        let world = World::new();
        let client = Client::logged_in(&world, "alice").await;
        let response = send_form(&world, &form.replace("TOKEN", &client.refresh)).await;
        assert_eq!(response.status(), StatusCode::OK, "{case}: {response:?}");
        assert_eq!(json(&response)["scope"], "user", "{case}");
        assert_is_not_cached(&response);
    }
}

#[tokio::test]
async fn a_narrower_scope_is_ignored_and_the_response_says_so() {
    let world = World::new();
    let client = Client::logged_in(&world, "admin").await;
    for scope in ["user", "admin", "admin+user", "user+user"] {
        let form = format!("grant_type=refresh_token&refresh_token={}&scope={scope}", client.refresh);
        assert_eq!(json(&send_form(&world, &form).await)["scope"], "user admin", "{scope}");
    }
}

#[tokio::test]
async fn only_forms_are_read() {
    for (media_type, good) in [
        (&[FORM][..], true),
        (&["APPLICATION/X-WWW-Form-Urlencoded"], true),
        (&["application/x-www-form-urlencoded;charset=UTF-8"], true),
        (&["application/x-www-form-urlencoded ; charset=utf-8"], true),
        (&[], false),
        (&[""], false),
        (&["text/plain"], false),
        (&["application/json"], false),
        (&["multipart/form-data"], false),
        (&["application/x-www-form-urlencodedx"], false),
        (&["text/plain, application/x-www-form-urlencoded"], false),
        (&[FORM, "text/plain"], false),
    ] {
        let world = World::new();
        let client = Client::logged_in(&world, "alice").await;
        let form = format!("grant_type=refresh_token&refresh_token={}", client.refresh);
        let headers: Vec<_> = media_type.iter().map(|value| ("content-type", *value)).collect();
        let response = send(&world, Method::POST, "/auth/token", &headers, form).await;
        if good {
            assert_eq!(response.status(), StatusCode::OK, "{media_type:?}");
        } else {
            assert_error(&response, "invalid_request", &format!("{media_type:?}"));
            assert_eq!(world.store.take_calls(), []);
        }
    }
}

#[tokio::test]
async fn a_form_of_4096_bytes_is_read_and_a_larger_one_is_not() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let form = format!("grant_type=refresh_token&refresh_token={}&a=", client.refresh);
    let filled = |len: usize| format!("{form}{}", "a".repeat(len - form.len()));
    assert_eq!(send_form(&world, &filled(4096)).await.status(), StatusCode::OK);
    for len in [4097, 100_000] {
        assert_error(&send_form(&world, &filled(len)).await, "invalid_request", "too large");
        let error = world.auth.refresh_token_grant(filled(len).as_bytes()).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request");
    }
    // Many parameters cost little work.
    let many = (0..600).map(|i| format!("x{i}&")).collect::<String>();
    assert_eq!(send_form(&world, &format!("{many}{form}")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_endpoint_has_no_other_method_and_ignores_the_query() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let query = format!("/auth/token?grant_type=refresh_token&refresh_token={}", client.refresh);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = send(&world, method.clone(), &query, &[("content-type", FORM)], "").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()["allow"], "POST");
    }
    let response = send(&world, Method::POST, &query, &[("content-type", FORM)], "").await;
    assert_error(&response, "invalid_request", "all in the query");
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn the_endpoint_is_off_until_it_is_merged_and_needs_no_layer() {
    let world = World::new();
    let client = Client::logged_in(&world, "alice").await;
    let form = format!("grant_type=refresh_token&refresh_token={}", client.refresh);
    for (app, status) in [
        (world.auth.routes().layer(world.auth.layer()), StatusCode::NOT_FOUND),
        (world.auth.token_route(), StatusCode::OK),
    ] {
        let response = call(app, Method::POST, "/auth/token", &[("content-type", FORM)], form.clone()).await;
        assert_eq!(response.status(), status);
    }
}
