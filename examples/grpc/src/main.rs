//! gRPC: the access token in the metadata, client and server in one program.
//!
//! ```text
//! cargo run -p grpc
//! ```
//!
//! It serves on a free port, calls itself, and prints what the client sees:
//!
//! ```text
//! without a token:             Unauthenticated: log in first
//! logged in, with the token:   hello Alice
//! 2 s later:                   Unauthenticated: the access token has expired
//! with the refresh token, too: hello Alice, and a new access token in the answer's metadata
//! ```
//!
//! The layer goes around the whole server, as around any tower service. Metadata are HTTP fields: `authorization` takes the
//! token there, `x-access-token` brings a new one back, and `set-cookie` brings the refresh token at the login. A client that
//! keeps no refresh token logs in anew on `UNAUTHENTICATED`.

mod client;
mod server;

#[cfg(test)]
mod tests;

use std::{error::Error, time::Duration};

use tokio::{net::TcpListener, time::sleep};
use tower_refresh::SystemClock;

use crate::client::Client;

/// What tonic makes of `build.rs`.
#[allow(unreachable_pub, unnameable_types, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/example.v1.Greeter.rs"));
}

#[derive(Clone, PartialEq, prost::Message)]
struct LoginRequest {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(string, tag = "2")]
    password: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LoginReply {
    #[prost(string, tag = "1")]
    access_token: String,
    /// In seconds.
    #[prost(uint64, tag = "2")]
    expires_in: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GreetRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct GreetReply {
    #[prost(string, tag = "1")]
    message: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // A real client speaks TLS: who reads along has the tokens.
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(server::serve(listener, SystemClock, Duration::from_secs(2))?);

    let mut client = Client::connect(address).await?;
    say("without a token:", client.greet().await);
    client.log_in("alice", "alice-password").await?;
    say("logged in, with the token:", client.greet().await);
    sleep(Duration::from_secs(2)).await;
    say("2 s later:", client.greet().await);
    client.send_refresh_token = true;
    say("with the refresh token, too:", client.greet().await);
    Ok(())
}

fn say(when: &str, answer: Result<client::Greeting, tonic::Status>) {
    match answer {
        Ok(greeting) if greeting.renewed => {
            println!("{when:28} {}, and a new access token in the answer's metadata", greeting.message);
        }
        Ok(greeting) => println!("{when:28} {}", greeting.message),
        Err(status) => println!("{when:28} {:?}: {}", status.code(), status.message()),
    }
}
