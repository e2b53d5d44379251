//! URLs with several hosts, which the driver does not parse.

/// A placeholder where only user, password and database matter.
pub(super) const ANY_HOST: &str = "localhost";

const SENTINEL_PORT: u16 = 26379;

/// A URL split into its parts. The driver parses the hosts.
pub(super) struct UrlParts<'a> {
    pub(super) whole: &'a str,
    pub(super) kind: Kind<'a>,
    scheme: &'a str,
    user: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
}

#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    Node,
    Sentinel { primary: &'a str },
    Cluster,
}

impl<'a> UrlParts<'a> {
    pub(super) fn parse(whole: &'a str) -> Option<Self> {
        let (scheme, rest) = whole.split_once("://")?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, "node"));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let parts = |kind, database| Self { whole, kind, scheme, user, hosts, database };
        match kind {
            "node" | "unix" => Some(parts(Kind::Node, "")),
            _ if hosts.split(',').any(str::is_empty) || rest.contains(['?', '#']) => None,
            "cluster" if path.is_empty() => Some(parts(Kind::Cluster, "")),
            "sentinel" => {
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                (!primary.is_empty()).then(|| parts(Kind::Sentinel { primary }, database))
            }
            _ => None,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.scheme, "rediss" | "valkeys")
    }

    /// The URL of one host.
    pub(super) fn node(&self, host: &str) -> String {
        let (scheme, database) = (self.scheme, self.database);
        match self.user {
            Some(user) => format!("{scheme}://{user}@{host}/{database}"),
            None => format!("{scheme}://{host}/{database}"),
        }
    }

    /// The URLs of the hosts that are contacted first.
    pub(super) fn hosts(&self) -> Vec<String> {
        match self.kind {
            Kind::Node => vec![self.whole.to_owned()],
            Kind::Sentinel { .. } => self.sentinels().collect(),
            Kind::Cluster => self.hosts.split(',').map(|host| self.node(host)).collect(),
        }
    }

    /// The URLs of the sentinels, to which user, password and database do not apply.
    fn sentinels(&self) -> impl Iterator<Item = String> {
        self.hosts.split(',').map(|host| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
            format!("{}://{host}{port}", self.scheme)
        })
    }
}
