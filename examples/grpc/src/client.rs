//! A client that keeps its tokens.

use tonic::{
    Request, Status,
    metadata::MetadataMap,
    transport::{Channel, Error},
};

use crate::{GreetRequest, LoginRequest, generated::greeter_client::GreeterClient};

pub(crate) struct Client {
    greeter: GreeterClient<Channel>,
    access: Option<String>,
    /// As a cookie: its name, `=`, and the token.
    refresh: Option<String>,
    /// Only where it is needed: who reads it along the way has the session for weeks.
    pub(crate) send_refresh_token: bool,
}

pub(crate) struct Greeting {
    pub(crate) message: String,
    /// Whether the answer brought a new access token.
    pub(crate) renewed: bool,
}

impl Client {
    pub(crate) async fn connect(address: String) -> Result<Self, Error> {
        let greeter = GreeterClient::connect(address).await?;
        Ok(Self { greeter, access: None, refresh: None, send_refresh_token: false })
    }

    pub(crate) async fn log_in(&mut self, username: &str, password: &str) -> Result<(), Status> {
        let request = LoginRequest { username: username.to_owned(), password: password.to_owned() };
        let answer = self.greeter.login(request).await?;
        self.keep(answer.metadata());
        self.access = Some(answer.into_inner().access_token);
        Ok(())
    }

    pub(crate) async fn greet(&mut self) -> Result<Greeting, Status> {
        let mut request = Request::new(GreetRequest {});
        let fields = request.metadata_mut();
        if let Some(token) = &self.access
            && let Ok(bearer) = format!("Bearer {token}").parse()
        {
            fields.insert("authorization", bearer);
        }
        if let Some(cookie) = self.refresh.as_ref().filter(|_| self.send_refresh_token)
            && let Ok(cookie) = cookie.parse()
        {
            fields.insert("cookie", cookie);
        }
        let answer = self.greeter.greet(request).await?;
        let renewed = self.keep(answer.metadata());
        Ok(Greeting { message: answer.into_inner().message, renewed })
    }

    /// Takes the tokens from an answer. Returns whether there was a new access token.
    fn keep(&mut self, fields: &MetadataMap) -> bool {
        let text = |name| fields.get(name).and_then(|value| value.to_str().ok());
        if let Some(cookie) = text("set-cookie").and_then(|cookie| cookie.split(';').next()) {
            self.refresh = Some(cookie.to_owned());
        }
        let renewed = text("x-access-token").map(str::to_owned);
        let is_renewed = renewed.is_some();
        self.access = renewed.or(self.access.take());
        is_renewed
    }
}
