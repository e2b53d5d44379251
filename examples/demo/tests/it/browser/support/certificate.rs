//! A certificate of unknown issuer, and its key.

use std::{fs, path::Path, process::Command, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

pub(crate) struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// For these hosts; `*.test` is possible.
    pub(crate) fn of<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = hosts.into_iter().map(|host| format!("DNS:{host}")).collect::<Vec<_>>().join(",");
        let extensions = format!("basicConstraints=critical,CA:FALSE\nsubjectAltName={names}\n");
        let config =
            format!("[req]\ndistinguished_name=name\nx509_extensions=leaf\n[name]\n[leaf]\n{extensions}");
        fs::write(folder.path().join("config"), config).unwrap();
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args([
                "-days", "2", "-subj", "/CN=test", "-config", "config", "-keyout", "key.pem", "-out",
                "cert.pem",
            ])
            .current_dir(folder.path()));
        Self { folder }
    }

    /// The arguments of a demo with HTTPS.
    pub(crate) fn arguments(&self) -> [String; 3] {
        let path = |file| self.path().join(file).to_str().unwrap().to_owned();
        ["--tls".to_owned(), path("cert.pem"), path("key.pem")]
    }

    /// With HTTP/1.1.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from_pem_file(self.path().join("key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Of a client that accepts this certificate alone.
    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    /// As Chromium's `--ignore-certificate-errors-spki-list` takes it.
    pub(super) fn fingerprint(&self) -> String {
        let key = run(Command::new("openssl")
            .args(["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"])
            .current_dir(self.path()));
        STANDARD.encode(digest(&SHA256, &key))
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path().join("cert.pem")).unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
