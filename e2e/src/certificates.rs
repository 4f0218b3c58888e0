//! An authority, the certificate of the shop, and certificates of clients with a SPIFFE id.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::http::Tls;

/// The name in the shop's certificate.
const SERVER_NAME: &str = "shop.example.com";

/// Everything for TLS between a client and Envoy.
pub struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Certificates {
    /// Makes the authority and the shop's certificate, as files in `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of the tests");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let certificates = Certificates {
            authority,
            folder: folder.to_owned(),
        };
        certificates.write_server()?;
        Ok(certificates)
    }

    /// The shop's certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The key of the shop's certificate.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// The certificate of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// A client without a certificate.
    pub fn anonymous(&self) -> Result<Tls> {
        let config = ClientConfig::builder()
            .with_root_certificates(self.roots()?)
            .with_no_client_auth();
        Ok(tls(config))
    }

    /// A client whose certificate carries this URI, a SPIFFE id for example.
    pub fn client(&self, uri: &str) -> Result<Tls> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "client");
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ClientConfig::builder()
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(vec![certificate.der().clone()], key)?;
        Ok(tls(config))
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone())?;
        Ok(roots)
    }

    fn write_server(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new([SERVER_NAME.to_owned()])?.signed_by(&key, &self.authority)?;
        write(&self.certificate(), &certificate.pem())?;
        write(&self.key(), &key.serialize_pem())?;
        write(&self.authority(), &self.authority.pem())
    }
}

fn tls(config: ClientConfig) -> Tls {
    Tls {
        config: Arc::new(config),
        server_name: SERVER_NAME.to_owned(),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
