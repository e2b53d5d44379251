//! The document matches the application.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::app;

async fn send(app: &Router, method: Method, path: &str, cookie: &str, body: &str) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("cookie", cookie)
        .body(Body::from(body.to_owned()))
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn json_of(response: Response<Body>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

async fn document(app: &Router) -> Value {
    json_of(send(app, Method::GET, "/openapi.json", "", "").await).await
}

#[tokio::test]
async fn the_document_has_both_security_schemes_and_the_routes_that_need_one() {
    let document = document(&app().unwrap()).await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document}");
    let schemes = &document["components"]["securitySchemes"];
    let kind = |name: &str, members: &[&str]| -> Vec<Value> {
        members.iter().map(|member| schemes[name][member].clone()).collect()
    };
    assert_eq!(kind("bearer", &["type", "scheme", "bearerFormat"]), ["http", "bearer", "JWT"]);
    assert_eq!(kind("cookie", &["type", "in", "name"]), ["apiKey", "cookie", "__Host-access"]);

    let paths = &document["paths"];
    assert_eq!(paths["/me"]["get"]["security"], json!([{"cookie": []}, {"bearer": []}]));
    assert_eq!(paths["/admin"]["get"]["security"], json!([{"cookie": ["admin"]}, {"bearer": ["admin"]}]));
    assert_eq!(paths["/login"]["post"]["security"], Value::Null);
}

#[tokio::test]
async fn every_route_of_the_document_exists_and_responds_as_documented() {
    let app = app().unwrap();
    let document = document(&app).await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let response = send(&app, method, path, "", r#"{"username":"","password":""}"#).await;
            let status = response.status();
            let described = &operation["responses"][status.as_str()];
            assert!(described.is_object(), "{path}: {status}");
            let media_types: Vec<_> =
                described["content"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
            let sent: Vec<_> = response.headers().get("content-type").into_iter().collect();
            assert_eq!(sent, media_types, "{path}: {status}");
            let responses = operation["responses"].as_object().unwrap().values();
            assert!(responses.into_iter().all(|response| response["description"].is_string()), "{path}");
            assert_eq!(status == StatusCode::UNAUTHORIZED, path != "/auth/logout", "{path}");
        }
    }
}

#[tokio::test]
async fn the_token_is_accepted_with_either_scheme() {
    let app = app().unwrap();
    let form = r#"{"username":"alice","password":"alice-password"}"#;
    let login = send(&app, Method::POST, "/login", "", form).await;
    let name = document(&app).await["components"]["securitySchemes"]["cookie"]["name"].clone();
    let cookies = login.headers().get_all("set-cookie").into_iter().map(|cookie| cookie.to_str().unwrap());
    let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
    let cookie = pairs.find(|pair| pair.starts_with(name.as_str().unwrap())).unwrap().to_owned();
    let with_cookie = json_of(send(&app, Method::GET, "/me", &cookie, "").await).await;

    let token = json_of(login).await["access_token"].as_str().unwrap().to_owned();
    let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
    let with_header = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(
        (with_cookie, json_of(with_header).await),
        (json!({"subject": "alice"}), json!({"subject": "alice"}))
    );
    assert_eq!(send(&app, Method::GET, "/admin", &cookie, "").await.status(), StatusCode::FORBIDDEN);
}
