//! The HTTP client for requests to the providers.

use std::{error::Error, fmt, pin::Pin, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use reqwest::{Client, redirect::Policy};

/// The providers' documents have some kilobytes.
const LARGEST_BODY: usize = 64 * 1024;
const TIME_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Http(Client);

impl Http {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        // A redirect could lead the client secret and the code to another server, or to one of the own network.
        Client::builder().redirect(Policy::none()).timeout(TIME_LIMIT).build().map(Self)
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut response = self.0.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut builder = http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            builder = builder.header(name, value);
        }
        builder.body(body).map_err(HttpError::Response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

#[derive(Debug)]
pub(crate) enum HttpError {
    Client(reqwest::Error),
    Response(http::Error),
    TooLarge,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Response(error) => error.fmt(f),
            Self::TooLarge => write!(f, "the response is larger than {LARGEST_BODY} bytes"),
        }
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            Self::Response(error) => error.source(),
            Self::TooLarge => None,
        }
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Client(error)
    }
}
