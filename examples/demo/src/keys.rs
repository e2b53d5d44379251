//! The keys: read from files, stored beside a database file, or generated for this run only.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::{self, SystemRandom},
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use pem::Pem;
use tempfile::NamedTempFile;
use tower_refresh::{KeyRing, keys::RefreshKey};

use crate::options::{Algorithm, Options};

/// The material of a [`KeyRing`]. A ring is moved into one `Auth`; this creates any number of rings.
pub(crate) struct Keys {
    algorithm: Algorithm,
    /// PEM, or for HS256 the secret.
    signing: Vec<u8>,
    /// `None`: derived from the signing key.
    refresh: Option<[u8; 32]>,
    /// Whether the signing key exists only until the process exits.
    pub(crate) fresh: bool,
}

impl Keys {
    /// Reads the keys that the options name. Other keys are stored beside `database`, or generated for this run only.
    pub(crate) fn load(options: &Options, database: Option<&Path>) -> Result<Self> {
        let algorithm = options.algorithm;
        let (signing, fresh) = match (&options.signing_key, database) {
            (Some(file), _) => (read(file, "signing key")?, false),
            (None, Some(database)) => {
                (read_or_create(&beside(database, suffix(algorithm)), || generate(algorithm))?, false)
            }
            (None, None) => (generate(algorithm)?, true),
        };
        let refresh = match (&options.refresh_key, database) {
            (Some(file), _) => Some(read(file, "refresh key")?),
            (None, Some(database)) => Some(read_or_create(&beside(database, ".refresh.key"), random)?),
            (None, None) => None,
        };
        let refresh = refresh.map(|key| <[u8; 32]>::try_from(key).map_err(|key| key.len())).transpose();
        let refresh =
            refresh.map_err(|len| anyhow::anyhow!("the refresh key must be 32 bytes, not {len}"))?;
        Ok(Self { algorithm, signing, refresh, fresh })
    }

    pub(crate) fn ring(&self) -> Result<KeyRing> {
        let ring = match self.algorithm {
            Algorithm::Hs256 => KeyRing::hs256(&self.signing),
            Algorithm::Es256 => KeyRing::es256_pem(&self.signing),
            Algorithm::Rs256 => KeyRing::rs256_pem(&self.signing),
            Algorithm::EdDsa => KeyRing::ed25519_pem(&self.signing),
        };
        let ring = ring.context("invalid signing key")?;
        Ok(match self.refresh {
            Some(key) => ring.refresh_key(RefreshKey::from_bytes(key)),
            None => ring,
        })
    }
}

fn suffix(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Hs256 => ".hs256.key",
        Algorithm::Es256 => ".es256.pem",
        Algorithm::Rs256 => ".rs256.pem",
        Algorithm::EdDsa => ".eddsa.pem",
    }
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn read(file: &Path, what: &str) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("the {what} {} cannot be read", file.display()))
}

/// Reads `file`, or creates it at the first start. If several servers start together, one of them creates it. The file is
/// never visible in part.
fn read_or_create(file: &Path, generate: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    if file.try_exists().unwrap_or(true) {
        return read(file, "key");
    }
    let cannot = || format!("the key {} cannot be written", file.display());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let key = generate()?;
    // A temporary file has mode 0600, which `persist` preserves.
    let mut written = NamedTempFile::new_in(folder).with_context(cannot)?;
    written.write_all(&key).and_then(|()| written.as_file().sync_all()).with_context(cannot)?;
    match written.persist_noclobber(file) {
        Ok(_) => Ok(key),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => read(file, "key"),
        Err(error) => Err(error.error).with_context(cannot),
    }
}

fn generate(algorithm: Algorithm) -> Result<Vec<u8>> {
    let pkcs8 = match algorithm {
        Algorithm::Hs256 => return random(),
        Algorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?
                .as_ref()
                .to_vec()
        }
        Algorithm::Rs256 => {
            let pkcs8: Pkcs8V1Der<'_> = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?.as_der()?;
            pkcs8.as_ref().to_vec()
        }
        // Version 1 of PKCS#8, for compatibility with other tools.
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())?.as_ref().to_vec(),
    };
    Ok(pem::encode(&Pem::new("PRIVATE KEY", pkcs8)).into_bytes())
}

fn random() -> Result<Vec<u8>> {
    let mut key = vec![0; 32];
    rand::fill(&mut key).context("the operating system provided no random bytes")?;
    ensure!(key != [0; 32], "the operating system provided no random bytes");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const ALL: [&str; 4] = ["HS256", "ES256", "RS256", "EdDSA"];

    fn load(algorithm: &str, database: Option<&Path>) -> Result<Keys> {
        Keys::load(&Options::parse_from(["demo", "--algorithm", algorithm]), database)
    }

    #[test]
    fn keys_of_every_algorithm_are_stored_beside_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("demo.db");
        for algorithm in ALL {
            let first = load(algorithm, Some(&database)).unwrap();
            let second = load(algorithm, Some(&database)).unwrap();
            assert_eq!((first.signing, first.refresh), (second.signing, second.refresh), "{algorithm}");
            assert!(!first.fresh && first.refresh.is_some());
        }
        let mut files: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(
            files,
            [
                "demo.db.eddsa.pem",
                "demo.db.es256.pem",
                "demo.db.hs256.key",
                "demo.db.refresh.key",
                "demo.db.rs256.pem"
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_key_files() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        load("EdDSA", Some(&folder.path().join("demo.db"))).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn without_a_database_keys_are_generated_anew() {
        for algorithm in ALL {
            let (one, other) = (load(algorithm, None).unwrap(), load(algorithm, None).unwrap());
            assert!(one.fresh && one.refresh.is_none());
            assert_ne!(one.signing, other.signing, "{algorithm}");
        }
    }

    #[test]
    fn servers_that_start_together_use_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("demo.db");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let servers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| load("EdDSA", Some(&database)).unwrap())).collect();
            servers.into_iter().map(|server| server.join().unwrap().signing).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_damaged_key_is_reported_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("demo.db");
        fs::write(folder.path().join("demo.db.refresh.key"), [1; 31]).unwrap();
        let error = load("EdDSA", Some(&database)).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "the refresh key must be 32 bytes, not 31");
    }
}
