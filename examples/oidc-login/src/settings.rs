//! The file with the settings: where the application is, and its providers.

use std::{error::Error, fs, net::SocketAddr, path::Path};

use openidconnect::{ClientId, ClientSecret, IssuerUrl, url::Host};
use serde::Deserialize;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    /// Where browsers find the application, without a slash at the end. The providers know addresses below it.
    pub(crate) url: String,
    pub(crate) providers: Vec<ProviderSettings>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderSettings {
    /// In the paths of this application: letters, digits and hyphens.
    pub(crate) name: String,
    /// Exactly as the provider writes it.
    pub(crate) issuer: IssuerUrl,
    pub(crate) client_id: ClientId,
    pub(crate) client_secret: ClientSecret,
    /// Whether the provider is asked to answer with a form that the browser submits, instead of a redirect.
    #[serde(default)]
    pub(crate) form_post: bool,
}

impl Settings {
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let file = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let settings: Self = serde_json::from_slice(&file)?;
        settings.validate()?;
        Ok(settings)
    }

    /// Two providers with one name would share a callback, and two with one issuer their users.
    fn validate(&self) -> Result<(), String> {
        if self.url.ends_with('/') {
            return Err("the url must not end with a slash: paths are added to it".to_owned());
        }
        for (at, provider) in self.providers.iter().enumerate() {
            let name = &provider.name;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(format!("{name:?} is not a name of letters, digits and hyphens"));
            }
            if !provider.issuer.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!("the issuer of {name} is not a URL as providers write it"));
            }
            if !is_protected(&provider.issuer) {
                return Err(format!(
                    "{name} needs https: its keys and the client secret go over this connection"
                ));
            }
            let others = &self.providers[..at];
            if others.iter().any(|other| other.name == *name || other.issuer == provider.issuer) {
                return Err(format!("another provider has the name or the issuer of {name}"));
            }
        }
        Ok(())
    }
}

/// Plain HTTP is for this machine only.
fn is_protected(issuer: &IssuerUrl) -> bool {
    match issuer.url().host() {
        _ if issuer.url().scheme() == "https" => true,
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
