//! The back/forward cache of Chromium.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::support::Browser;

struct Server {
    process: Child,
    url: String,
    /// Kept open, because the program may print.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_server-rendered"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, url, _output: output }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until another document than the present one is shown, with this path if there is one.
async fn arrive(browser: &Browser, path: &str) {
    let path = if path.is_empty() { "location.pathname".to_owned() } else { format!("'{path}'") };
    let shown = format!(
        "return !window.isOld && document.readyState === 'complete' && !document.documentElement.hidden
             && location.pathname === {path}"
    );
    browser.until("the next page comes", &shown).await;
}

/// Clicks, and waits until another document has come.
async fn follow(browser: &Browser, selector: &str) {
    browser.run("window.isOld = true").await;
    browser.click(selector).await;
    arrive(browser, "").await;
}

/// Goes back or forward, and waits until the page is there.
async fn go(browser: &Browser, steps: i32, path: &str) {
    browser.run(&format!("window.isOld = true; setTimeout(() => history.go({steps}), 0)")).await;
    arrive(browser, path).await;
}

/// A browser whose user alice looks at her account.
async fn at_the_account(server: &Server) -> Browser {
    let browser = Browser::start().await;
    browser.open(&format!("{}/account", server.url)).await;
    browser
        .run("document.querySelector('[name=username]').value = 'alice'; document.querySelector('[name=password]').value = 'alice-password'")
        .await;
    follow(&browser, "form[action='/login'] button").await;
    assert!(browser.text("body").await.contains("Alice"));
    browser
}

/// How a session ends after the user has left the page for another page of the application.
const ENDS: [(&str, &str); 3] = [
    ("the user logs out here", "form[action='/logout'] button"),
    ("the user ends this session in the list", "form[action='/sessions/end'] button"),
    // No cookie of the browser changes, so Chromium keeps pages with `no-store` too.
    ("the session ends elsewhere", ""),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn back_shows_no_account_after_the_session_has_ended() {
    for (case, button) in ENDS {
        let server = Server::start();
        let browser = at_the_account(&server).await;
        follow(&browser, "a[href='/sessions']").await;
        let steps = if button.is_empty() {
            log_out_elsewhere(&server, &browser).await;
            -1
        } else {
            follow(&browser, button).await;
            // Over the list of sessions.
            -2
        };
        go(&browser, steps, "/login").await;
        assert!(!browser.text("body").await.contains("Alice"), "{case}");
    }
}

/// While the session is live, the page is requested again as well, and the user stays logged in.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn back_and_forward_show_the_page_of_a_live_session() {
    let server = Server::start();
    let browser = at_the_account(&server).await;
    follow(&browser, "a[href='/sessions']").await;
    for (step, path, text) in
        [(-1, "/account", "Alice"), (1, "/sessions", "this one"), (-1, "/account", "Alice")]
    {
        go(&browser, step, path).await;
        assert!(browser.text("body").await.contains(text), "{path}");
    }
}

/// Another program with the same cookies logs out.
async fn log_out_elsewhere(server: &Server, browser: &Browser) {
    let cookies = browser.client.get_all_cookies().await.unwrap();
    let pairs: Vec<_> =
        cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
    let host = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let cookies = pairs.join("; ");
    let request = format!(
        "POST /logout HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncookie: {cookies}\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
}
