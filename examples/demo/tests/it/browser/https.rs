//! The demo with HTTPS.

use super::support::{Browser, Certificate, Demo};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn requests_and_websockets_use_http2() {
    let certificate = Certificate::of(["localhost", "*.test"]);
    let demo = Demo::start_tls(&certificate, &["--access-ttl", "2s"]);
    let browser = Browser::with_device_binding(&certificate).await;
    browser.open(&demo.url_at("https.test")).await;
    browser.log_in("alice").await;
    assert!(browser.cookie("__Host-access").await.is_some());

    let protocols = "return [...new Set(performance.getEntriesByType('resource').map((entry) => entry.nextHopProtocol))].join()";
    assert_eq!(browser.run(protocols).await, "h2");
    let echo = "const socket = new WebSocket(`wss://${location.host}/ws`);
         return await new Promise((resolve, reject) => {
             socket.onopen = () => socket.send('hello');
             socket.onmessage = (event) => resolve(event.data);
             socket.onerror = reject;
         })";
    assert_eq!(browser.run(echo).await, "alice: hello");

    browser.until_gone("__Host-access").await;
    let refreshes = demo.events("refresh");
    assert_eq!(browser.run("return (await fetch('/me')).status").await, 200);
    assert_eq!(demo.events("refresh") - refreshes, 1);
    let (_, token) = demo.log_in_elsewhere("bob");
    assert_eq!(demo.refresh_with("__Host-refresh", &token), 200);
}
