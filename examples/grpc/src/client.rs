//! A client that stores its tokens.

use tonic::{
    Request, Status,
    metadata::MetadataMap,
    transport::{Channel, Error},
};

use crate::{GreetRequest, LoginRequest, generated::greeter_client::GreeterClient};

pub(crate) struct Client {
    greeter: GreeterClient<Channel>,
    access: Option<String>,
    /// The cookie pair: name, `=`, token.
    refresh: Option<String>,
    /// Send it only where it is needed: anyone who intercepts it has the session for weeks.
    pub(crate) send_refresh_token: bool,
}

pub(crate) struct Greeting {
    pub(crate) message: String,
    /// Whether the response carried a new access token.
    pub(crate) refreshed: bool,
}

impl Client {
    pub(crate) async fn connect(address: String) -> Result<Self, Error> {
        let greeter = GreeterClient::connect(address).await?;
        Ok(Self { greeter, access: None, refresh: None, send_refresh_token: false })
    }

    pub(crate) async fn log_in(&mut self, username: &str, password: &str) -> Result<(), Status> {
        let request = LoginRequest { username: username.to_owned(), password: password.to_owned() };
        let response = self.greeter.login(request).await?;
        self.store_tokens(response.metadata());
        self.access = Some(response.into_inner().access_token);
        Ok(())
    }

    pub(crate) async fn greet(&mut self) -> Result<Greeting, Status> {
        let mut request = Request::new(GreetRequest {});
        let metadata = request.metadata_mut();
        if let Some(token) = &self.access
            && let Ok(bearer) = format!("Bearer {token}").parse()
        {
            metadata.insert("authorization", bearer);
        }
        if let Some(cookie) = self.refresh.as_ref().filter(|_| self.send_refresh_token)
            && let Ok(cookie) = cookie.parse()
        {
            metadata.insert("cookie", cookie);
        }
        let response = self.greeter.greet(request).await?;
        let refreshed = self.store_tokens(response.metadata());
        Ok(Greeting { message: response.into_inner().message, refreshed })
    }

    /// Takes the tokens from a response. Returns whether there was a new access token.
    fn store_tokens(&mut self, metadata: &MetadataMap) -> bool {
        let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        if let Some(cookie) = text("set-cookie").and_then(|cookie| cookie.split(';').next()) {
            self.refresh = Some(cookie.to_owned());
        }
        let access = text("x-access-token").map(str::to_owned);
        let refreshed = access.is_some();
        self.access = access.or(self.access.take());
        refreshed
    }
}
