//! Certificates, good and bad, of authorities of our own.
//!
//! In:  who a certificate is for, and what is wrong with it.
//! Out: PEM files in a folder, and rustls configurations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Somebody who signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate says.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The common name; empty for none.
    pub name: &'a str,
    /// Organizational units.
    pub units: &'a [&'a str],
    /// E-mail addresses, as alternative names.
    pub emails: &'a [&'a str],
    /// Host names, as alternative names.
    pub hosts: &'a [&'a str],
    /// Years from and to: valid by default.
    pub years: Option<(i32, i32)>,
    /// 0 for a random one.
    pub serial: u64,
}

/// A certificate with its key, as files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, for the owner's eyes only.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When the cryptography library fails.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// Writes its own certificate.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn write(&self, path: PathBuf) -> PathBuf {
        std::fs::write(&path, self.issuer.pem()).expect("the folder is writable");
        path
    }

    /// Signs a certificate and writes it with its key.
    ///
    /// # Panics
    /// When a file cannot be written.
    #[must_use]
    pub fn sign(&self, folder: &Path, file: &str, subject: &Subject<'_>) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !subject.name.is_empty() {
            params.distinguished_name.push(DnType::CommonName, subject.name);
        }
        for unit in subject.units {
            params.distinguished_name.push(DnType::OrganizationalUnitName, *unit);
        }
        let text = |text: &&str| (*text).try_into().expect("ASCII");
        let emails = subject.emails.iter().map(|email| SanType::Rfc822Name(text(email)));
        let hosts = subject.hosts.iter().map(|host| match host.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(text(host)),
        });
        params.subject_alt_names = emails.chain(hosts).collect();
        let (from, to) = subject.years.unwrap_or((2020, 2120));
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        if subject.serial != 0 {
            params.serial_number = Some(SerialNumber::from(subject.serial));
        }
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = match subject.hosts {
            [] => vec![ExtendedKeyUsagePurpose::ClientAuth],
            _ => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let pair = Pair {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
        };
        std::fs::write(&pair.certificate, certificate.pem()).expect("the folder is writable");
        write_secret(&pair.key, key.serialize_pem().as_bytes());
        pair
    }

    /// Writes a list of revoked serial numbers, valid up to that year.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn revoke(&self, path: PathBuf, serials: &[u64], until: i32) -> PathBuf {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list");
        std::fs::write(&path, list.pem().expect("PEM")).expect("the folder is writable");
        path
    }
}

/// libpq refuses a key that others may read.
fn write_secret(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, bytes).expect("the folder is writable");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// A client that believes one authority, with a certificate of its own or without.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn client(authority: &Path, own: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).expect("a certificate"))
        .expect("an authority");
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match own {
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_file(&pair.certificate).expect("PEM")];
            let key = PrivateKeyDer::from_pem_file(&pair.key).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("they fit")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Arc::new(config)
}

/// A server with that certificate.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn server(pair: &Pair) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(&pair.certificate).expect("PEM")];
    let key = PrivateKeyDer::from_pem_file(&pair.key).expect("PEM");
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.expect("they fit"))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A folder that is removed on drop.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let mut command = std::process::Command::new("mktemp");
        let output = command.args(["-d", "-t", "pgcordon-e2e-XXXXXX"]).output();
        let output = output.expect("mktemp runs");
        Self(PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim()))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the folder is writable");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
