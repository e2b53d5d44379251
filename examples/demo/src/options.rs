//! The flags, each also an environment variable `DEMO_…`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail, ensure};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use humantime::parse_duration;
use tower_refresh::{DeviceBinding, LateBudget, RotationPolicy};

use crate::cookies::CookieNames;

/// A complete application with tower-refresh, for browsers and HTTP clients
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The address to listen on; port 0 picks a free one
    #[arg(long, env = "DEMO_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:3000")]
    pub(crate) listen: String,

    /// Where sessions are stored: memory: | sqlite:FILE | postgres://… | sqlx+postgres://… | redis://… | redis+cluster://host:port,host:port
    #[arg(
        long,
        env = "DEMO_STORE",
        value_name = "URL",
        default_value = "sqlite:demo.db",
        hide_env_values = true
    )]
    pub(crate) store: String,

    /// How access tokens are signed
    #[arg(long, env = "DEMO_ALGORITHM", value_name = "A", default_value = "EdDSA")]
    pub(crate) algorithm: Algorithm,

    /// The key that signs access tokens: PEM, or a raw secret for HS256. All servers of a service share it
    #[arg(long, env = "DEMO_SIGNING_KEY", value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,

    /// The key of refresh tokens: 32 raw bytes. All servers of a service share it
    #[arg(long, env = "DEMO_REFRESH_KEY", value_name = "FILE")]
    pub(crate) refresh_key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) names: Names,

    /// The lifetime of an access token [default: 15s, or 5m where sessions are bound to devices]
    #[arg(long, env = "DEMO_ACCESS_TTL", value_name = "D", value_parser = parse_duration)]
    access_ttl: Option<Duration>,

    /// A session expires if it is not refreshed for this long
    #[arg(long, env = "DEMO_IDLE", value_name = "D", default_value = "7d", value_parser = parse_duration)]
    idle: Duration,

    /// A session expires this long after login
    #[arg(long, env = "DEMO_ABSOLUTE", value_name = "D", default_value = "30d", value_parser = parse_duration)]
    absolute: Duration,

    /// The grace period: how long the previous refresh token is still accepted after a rotation
    #[arg(long, env = "DEMO_GRACE", value_name = "D", default_value = "30s", value_parser = parse_duration)]
    grace: Duration,

    /// The damping interval: the minimum time between two rotations; at least the grace period plus 15 s
    #[arg(long, env = "DEMO_DAMPING", value_name = "D", default_value = "60s", value_parser = parse_duration)]
    damping: Duration,

    /// How many times the previous token is accepted after the grace period
    #[arg(long, env = "DEMO_LATE", value_name = "N", default_value_t = 2)]
    late: u32,

    /// The time until one of these late uses is available again
    #[arg(long, env = "DEMO_LATE_REFILL", value_name = "D", default_value = "12h", value_parser = parse_duration)]
    late_refill: Duration,

    /// Refresh during this last fraction of an access token's lifetime; 0 disables it
    #[arg(long, env = "DEMO_REFRESH_AHEAD", value_name = "F", default_value_t = 0.2)]
    refresh_ahead: f64,

    /// An origin whose pages may send requests with the user's cookies; may be repeated
    #[arg(long, env = "DEMO_TRUSTED_ORIGIN", value_name = "URL", value_delimiter = ',')]
    pub(crate) trusted_origin: Vec<String>,

    /// Whether access tokens are sent in the headers `Authorization` and `x-access-token`
    #[arg(long, env = "DEMO_ACCESS_HEADER", value_name = "on|off", default_value = "on", action = ArgAction::Set,
          hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub(crate) access_header: bool,

    /// Whether access tokens are sent in a cookie
    #[arg(long, env = "DEMO_ACCESS_COOKIE", value_name = "on|off", default_value = "on", action = ArgAction::Set,
          hide_possible_values = true, value_parser = BoolishValueParser::new())]
    pub(crate) access_cookie: bool,

    /// A refresh from another browser family than that of the login ends the session as suspicious
    #[arg(long, env = "DEMO_ASSESS", value_name = "user-agent", hide_possible_values = true)]
    pub(crate) assess: Option<Assess>,

    /// Cookies without `Secure` and without `__Host-`, for plain HTTP beyond localhost
    #[arg(long, env = "DEMO_INSECURE_HTTP", value_parser = BoolishValueParser::new())]
    pub(crate) insecure_http: bool,

    /// HTTPS, with HTTP/1.1 and HTTP/2: PEM files with the certificate chain and its private key. In the variable, a comma is between them
    #[arg(long, env = "DEMO_TLS", value_names = ["CERT", "KEY"], num_args = 2, value_delimiter = ',', action = ArgAction::Set)]
    tls: Option<Vec<PathBuf>>,

    /// Whether sessions are bound to the devices of their browsers: enforce | observe | off. It needs --tls, and access tokens of at
    /// least 5m in a cookie [default: observe where these are given, else off]
    #[arg(long, env = "DEMO_DEVICE_BOUND", value_name = "MODE", hide_possible_values = true)]
    device_bound: Option<DeviceBound>,
}

/// The lifetime of an access token, so that a refresh can be watched.
const ACCESS_TTL: Duration = Duration::from_secs(15);
/// The shortest that the library accepts where sessions are bound to devices.
const BOUND_ACCESS_TTL: Duration = Duration::from_secs(5 * 60);

/// Another program than the application.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A second service, which verifies the application's access tokens
    Service(ServiceOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ServiceOptions {
    /// The address to listen on; port 0 picks a free one
    #[arg(long, env = "DEMO_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:3001")]
    pub(crate) listen: String,

    /// Where the keys of the application are, such as http://127.0.0.1:3000/.well-known/jwks.json
    #[arg(long, env = "DEMO_JWKS", value_name = "URL")]
    pub(crate) jwks: String,

    /// The store of the application, which reports ended sessions and changed roles. It is only read
    #[arg(long, env = "DEMO_STORE", value_name = "URL", hide_env_values = true)]
    pub(crate) store: Option<String>,

    #[command(flatten)]
    pub(crate) names: Names,
}

/// What the application and its services call each other.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// The issuer of access tokens. All servers with one store have the same, whatever their addresses
    #[arg(long, env = "DEMO_ISSUER", value_name = "NAME", default_value = "tower-refresh-demo")]
    pub(crate) issuer: String,

    /// The audience of access tokens
    #[arg(long, env = "DEMO_AUDIENCE", value_name = "NAME", default_value = "tower-refresh-demo")]
    pub(crate) audience: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    #[value(name = "HS256")]
    Hs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "EdDSA")]
    EdDsa,
}

/// What a refresh is assessed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Assess {
    UserAgent,
}

/// Whether a session is bound to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DeviceBound {
    Enforce,
    Observe,
    Off,
}

/// The files of `--tls`.
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Options {
    /// Parses the command line. The error is the exit code of the process; by then the help, or one line that describes
    /// the mistake, is printed.
    pub(crate) fn from_command_line() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            eprintln!("{}", first_paragraph(&error.to_string()));
            ExitCode::from(2)
        })
    }

    #[cfg(test)]
    fn from_arguments<const N: usize>(arguments: [&str; N]) -> Result<Self, clap::Error> {
        Self::try_parse_from(["demo"].into_iter().chain(arguments))
    }

    pub(crate) fn policy(&self) -> RotationPolicy {
        let mut policy = RotationPolicy::balanced();
        policy.access_lifetime = self.access_ttl.unwrap_or(match self.device_binding() {
            Some(_) => BOUND_ACCESS_TTL,
            None => ACCESS_TTL,
        });
        policy.idle = self.idle;
        policy.absolute = self.absolute;
        policy.grace = self.grace;
        policy.damping = self.damping;
        policy.late = LateBudget::limited(self.late, self.late_refill);
        policy.refresh_ahead = self.refresh_ahead;
        policy
    }

    pub(crate) fn tls(&self) -> Result<Option<TlsFiles>> {
        let Some(files) = &self.tls else {
            ensure!(
                self.device_binding().is_none(),
                "--device-bound needs --tls: browsers bind no session without HTTPS"
            );
            return Ok(None);
        };
        let [certificate, key] = files.as_slice() else { bail!("--tls needs two files: CERT KEY") };
        ensure!(!self.insecure_http, "--insecure-http is for plain HTTP, and cannot be used with --tls");
        Ok(Some(TlsFiles { certificate: certificate.clone(), key: key.clone() }))
    }

    /// `None` if sessions are not bound to devices.
    pub(crate) fn device_binding(&self) -> Option<DeviceBinding> {
        let is_possible = self.tls.is_some()
            && self.access_cookie
            && self.access_ttl.is_none_or(|lifetime| lifetime >= BOUND_ACCESS_TTL);
        match self.device_bound {
            Some(DeviceBound::Enforce) => Some(DeviceBinding::Enforce),
            Some(DeviceBound::Observe) => Some(DeviceBinding::Observe),
            Some(DeviceBound::Off) => None,
            None => is_possible.then_some(DeviceBinding::Observe),
        }
    }

    pub(crate) fn cookie_names(&self) -> CookieNames {
        if self.insecure_http {
            CookieNames { access: "access", refresh: "refresh" }
        } else {
            CookieNames { access: "__Host-access", refresh: "__Host-refresh" }
        }
    }
}

/// clap describes the mistake first, then gives advice in further paragraphs.
fn first_paragraph(message: &str) -> String {
    let lines = message.lines().take_while(|line| !line.is_empty());
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_the_librarys_with_a_short_access_token() {
        let mut expected = RotationPolicy::balanced();
        expected.access_lifetime = Duration::from_secs(15);
        assert_eq!(Options::from_arguments([]).unwrap().policy(), expected);
    }

    #[test]
    fn durations_have_units() {
        let options =
            Options::from_arguments(["--grace", "500ms", "--idle", "12h", "--absolute", "30d"]).unwrap();
        assert_eq!(options.policy().grace, Duration::from_millis(500));
        assert_eq!(options.policy().idle, Duration::from_secs(12 * 60 * 60));
        assert!(Options::from_arguments(["--grace", "10"]).is_err());
    }

    #[test]
    fn sessions_are_bound_by_default_where_that_is_possible() {
        const TLS: [&str; 3] = ["--tls", "cert.pem", "key.pem"];
        let (observe, enforce) = (Some(DeviceBinding::Observe), Some(DeviceBinding::Enforce));
        for (arguments, binding, lifetime) in [
            (&[][..], None, 15),
            (&TLS, observe, 300),
            (&[&TLS[..], &["--access-ttl", "5m"]].concat(), observe, 300),
            (&[&TLS[..], &["--access-ttl", "299s"]].concat(), None, 299),
            (&[&TLS[..], &["--access-cookie", "off"]].concat(), None, 15),
            (&[&TLS[..], &["--device-bound", "off"]].concat(), None, 15),
            (&[&TLS[..], &["--device-bound", "enforce"]].concat(), enforce, 300),
            // The library rejects it.
            (&[&TLS[..], &["--device-bound", "enforce", "--access-ttl", "15s"]].concat(), enforce, 15),
        ] {
            let options = Options::try_parse_from(["demo"].iter().chain(arguments)).unwrap();
            assert_eq!(options.device_binding(), binding, "{arguments:?}");
            assert_eq!(options.policy().access_lifetime, Duration::from_secs(lifetime), "{arguments:?}");
        }
    }

    #[test]
    fn a_mistake_is_reported_in_one_line() {
        for (arguments, named) in [
            (["--algorithm", "none"], "'none'"),
            (["--assess", "address"], "'address'"),
            (["--device-bound", "prefer"], "'prefer'"),
            (["--late", "few"], "'few'"),
            (["--access-header", "maybe"], "'maybe'"),
            (["--nonsense", "1"], "'--nonsense'"),
        ] {
            let error = Options::from_arguments(arguments).unwrap_err();
            let line = first_paragraph(&error.to_string());
            assert!(line.starts_with("error: ") && line.contains(named) && !line.contains('\n'), "{line}");
        }
    }
}
