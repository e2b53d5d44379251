//! Generates the client and the server from a description of the service. With a `.proto` file, use tonic-prost-build.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(input)
            .output_type(output)
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let greeter = Service::builder()
        .name("Greeter")
        .package("example.v1")
        .method(method("login", "Login", "crate::LoginRequest", "crate::LoginReply"))
        .method(method("greet", "Greet", "crate::GreetRequest", "crate::GreetReply"))
        .build();
    Builder::new().compile(&[greeter]);
}
