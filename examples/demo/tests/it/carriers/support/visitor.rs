//! A browser that follows redirects, and reloads a page that says so.

use std::ops::{Deref, DerefMut};

use crate::blackbox::support::{Client, Response};

pub(crate) struct Visitor(Client);

/// As browsers do, it gives up after so many.
const MOST_REDIRECTS: usize = 10;

impl Visitor {
    /// A visitor of this address who has logged in there.
    pub(crate) fn logged_in(address: &str) -> Self {
        let mut visitor = Self::anonymous(address);
        let response = visitor.submit("/login", "");
        assert_eq!((response.status, response.text().as_str()), (200, "logged in"));
        assert_eq!(visitor.cookies.len(), 2);
        visitor
    }

    pub(crate) fn anonymous(address: &str) -> Self {
        Self(Client::new(address))
    }

    /// Follows a link of the application's own pages.
    pub(crate) fn visit(&mut self, path: &str) -> Response {
        self.navigate("same-origin", "GET", path, "")
    }

    /// Follows a link on another site.
    pub(crate) fn arrive(&mut self, path: &str) -> Response {
        self.navigate("cross-site", "GET", path, "")
    }

    /// Sends a form of the application's own pages.
    pub(crate) fn submit(&mut self, path: &str, body: &str) -> Response {
        self.navigate("same-origin", "POST", path, body)
    }

    /// A script of the application's own pages sends a request.
    pub(crate) fn fetch(&mut self, method: &str, path: &str) -> Response {
        self.follow([("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")], method, path, "")
    }

    pub(crate) fn navigate(&mut self, site: &str, method: &str, path: &str, body: &str) -> Response {
        self.follow([("sec-fetch-site", site), ("sec-fetch-mode", "navigate")], method, path, body)
    }

    fn follow(
        &mut self,
        headers: [(&'static str, &str); 2],
        method: &str,
        path: &str,
        body: &str,
    ) -> Response {
        let is_navigation = headers.contains(&("sec-fetch-mode", "navigate"));
        self.request_headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        let destination = if is_navigation { "document" } else { "empty" };
        self.request_headers.push(("sec-fetch-dest", destination.to_owned()));
        let (mut method, mut path, mut body) = (method.to_owned(), path.to_owned(), body.to_owned());
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&method, &path, &body);
            match response.status {
                303 => (method, body) = ("GET".to_owned(), String::new()),
                307 => {}
                _ if is_navigation && response.text().contains("http-equiv=refresh content=0") => {
                    // The page that is shown reloads itself, so its own site starts the navigation.
                    self.request_headers[0].1 = "same-origin".to_owned();
                    (method, body) = ("GET".to_owned(), String::new());
                    continue;
                }
                _ => return response,
            }
            response.header("location").clone_into(&mut path);
            assert!(path.starts_with('/') && !path.starts_with("//"), "a redirect to {path}");
        }
        panic!("too many redirects, the last one to {path}");
    }
}

impl Deref for Visitor {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl DerefMut for Visitor {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.0
    }
}
