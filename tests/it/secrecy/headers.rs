//! Headers with tokens are marked as sensitive, so that other layers do not show them.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Browser, World, request};

#[tokio::test]
async fn request_headers_are_marked_before_the_inner_service_sees_them() {
    let world = World::new();
    let service = service_fn(|request: Request<()>| async move {
        let headers = request.headers();
        let marked = headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.as_str());
        Ok::<_, Infallible>(Response::new((
            marked.map(str::to_owned).collect::<Vec<_>>(),
            format!("{request:?}"),
        )))
    });
    let service = world.auth.layer().layer(service);
    let headers = [
        ("authorization", "Bearer not.a.token"),
        ("accept", "text/html"),
        ("cookie", "__Host-refresh=first"),
        ("cookie", "theme=dark"),
    ];

    let (marked, shown) = service.oneshot(request("/", &headers)).await.unwrap().into_body();

    assert_eq!(marked, ["authorization", "cookie", "cookie"]);
    assert!(!shown.contains("not.a.token") && !shown.contains("first"), "{shown}");
}

#[tokio::test]
async fn response_headers_with_tokens_are_marked() {
    let world = World::new();
    let mut browser = Browser::new();
    let login = browser.get(&world, "/login/alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    world.clock.advance(Duration::from_secs(600));
    let headers = [("authorization", bearer.as_str()), ("cookie", &browser.cookie_header())];
    let refreshed = world.send(request("/me", &headers)).await;
    let logout = browser.get(&world, "/logout").await;

    for (response, names) in [
        (&login, ["set-cookie", "set-cookie"].as_slice()),
        (&refreshed, &["set-cookie", "x-access-token"]),
        (&logout, &["set-cookie", "set-cookie"]),
    ] {
        let headers = response.headers().iter().filter(|(_, value)| value.is_sensitive());
        let mut marked: Vec<_> = headers.map(|(name, _)| name.as_str()).collect();
        marked.sort_unstable();
        assert_eq!(marked, names, "{response:?}");
    }
}
