//! TLS on both sides: rustls with the aws-lc-rs provider.
//!
//! In:  certificate, key and CA files; an [`SslMode`] per upstream.
//! Out: configurations for `startup` (as server) and `upstream` (as client).
//!
//! Invariants:
//! - Keys and certificates that cannot be read or do not fit each other are an error at start.
//! - A mode weaker than `verify-ca` checks the handshake's signature all the same; only the chain goes unchecked,
//!   as libpq's `require` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::auth::Impostor;
use crate::config::TlsConfig;

/// `ALPN` name that PostgreSQL 17 and later expect.
const ALPN: &[u8] = b"postgresql";

/// libpq's `sslmode` for an upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server has it.
    #[default]
    Prefer,
    /// Always, with any certificate.
    Require,
    /// Always, with a certificate that the CA signed.
    VerifyCa,
    /// Always, with a certificate that the CA signed for that host.
    VerifyFull,
}

/// TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Missing, unreadable or not PEM.
    #[error("cannot read `{}`: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The certificate and its key do not fit, or no protocol version is left.
    #[error("TLS configuration: {0}")]
    Rustls(#[from] Error),
    /// `verify-ca` and `verify-full` need to know whom to believe.
    #[error("sslmode verify-ca and verify-full need `ca`")]
    NoCa,
}

/// What the listening side needs.
#[derive(Clone, Debug)]
pub(crate) struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    /// For SCRAM's channel binding.
    pub(crate) certificate_pem: Arc<[u8]>,
    /// Made of the key.
    pub(crate) impostor: Impostor,
}

/// Reads the server's certificate chain and key, and whose certificates clients may show.
pub(crate) fn server(files: &TlsConfig) -> Result<ServerTls, TlsError> {
    let (certificate, key) = (&files.certificate, &files.key);
    let pem = std::fs::read(certificate).map_err(|error| unreadable(certificate, &error))?;
    let chain = certificates(certificate, &pem)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let impostor = Impostor::of_key(private.secret_der());
    let clients = match &files.client_ca {
        Some(ca) => client_verifier(ca, &files.client_crl)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // As PostgreSQL (be-secure-openssl.c): connections are long, tickets would be work for nothing. And a resumed session
    // would bring its certificate along without a second look at its dates and the lists.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ServerTls { config: Arc::new(config), certificate_pem: pem.into(), impostor })
}

/// Clients may show a certificate; one that they show must be good: signed by the CA, in its time, and, where there
/// are lists, on none of them. A chain's certificate without a list for its issuer counts as revoked, and a list
/// whose time is over refuses everybody: nobody knows what a newer one would say.
fn client_verifier(ca: &Path, lists: &[PathBuf]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut revoked = Vec::new();
    for list in lists {
        let pem = std::fs::read(list).map_err(|error| unreadable(list, &error))?;
        let before = revoked.len();
        for one in CertificateRevocationListDer::pem_slice_iter(&pem) {
            revoked.push(one.map_err(|error| unreadable(list, &error))?);
        }
        if revoked.len() == before {
            return Err(unreadable(list, &"no revocation list in it"));
        }
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
        .allow_unauthenticated()
        .with_crls(revoked)
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| unreadable(ca, &error))
}

/// The client side for one upstream; `None` when it must not use TLS.
pub(crate) fn client(
    mode: SslMode,
    ca: Option<&Path>,
) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let verifier: Arc<dyn ServerCertVerifier> = match (mode, ca) {
        (SslMode::Disable, _) => return Ok(None),
        (SslMode::Prefer | SslMode::Require, None) => Arc::new(Unchecked { provider: provider() }),
        (SslMode::VerifyCa | SslMode::VerifyFull, None) => return Err(TlsError::NoCa),
        // As libpq: `require` with a root certificate behaves as `verify-ca`.
        (SslMode::Prefer | SslMode::Require | SslMode::VerifyCa, Some(ca)) => {
            Arc::new(AnyName { inner: chain_verifier(ca)? })
        }
        (SslMode::VerifyFull, Some(ca)) => chain_verifier(ca)?,
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Some(Arc::new(config)))
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn chain_verifier(ca: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
        .build()
        .map_err(|error| unreadable(ca, &error))
}

fn roots(ca: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificate_file(ca)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// The certificates of a PEM file.
pub(crate) fn certificate_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    certificates(path, &pem)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(path, &error))?;
    if chain.is_empty() { Err(unreadable(path, &"no certificate in it")) } else { Ok(chain) }
}

fn unreadable(path: &Path, problem: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), problem: problem.to_string() }
}

/// Believes any certificate; the peer must still hold its key.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Checks the chain, not the host's name.
#[derive(Debug)]
struct AnyName {
    inner: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The chain is checked first; a wrong name is what remains.
        match self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verification_needs_a_ca() {
        assert!(matches!(client(SslMode::VerifyFull, None), Err(TlsError::NoCa)));
        assert!(matches!(client(SslMode::VerifyCa, None), Err(TlsError::NoCa)));
        assert!(matches!(client(SslMode::Disable, None), Ok(None)));
        assert!(matches!(client(SslMode::Prefer, None), Ok(Some(_))));
    }

    #[test]
    fn missing_files_are_named() {
        let missing = PathBuf::from("nowhere/server.crt");
        let files = TlsConfig {
            certificate: missing.clone(),
            key: missing,
            require: false,
            client_ca: None,
            client_crl: Vec::new(),
        };
        let error = server(&files).expect_err("no such file");
        assert!(error.to_string().starts_with("cannot read `nowhere/server.crt`"), "{error}");
    }
}
