//! Who a client certificate is for.
//!
//! In:  a certificate that the TLS handshake has verified; the mapping of the configuration.
//! Out: the user's name and what else the certificate says of them.
//!
//! Invariants:
//! - Chain, dates, purpose and revocation were checked by the handshake; nothing of it is checked here.
//! - Two values of one field that give two names are nobody: a certificate is for one person.
//! - A value with control characters, or in an encoding of the last century, is no value.

use std::collections::BTreeSet;

use pgcordon_policy::{Claims, Plain, Witness};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

use super::pattern::Pattern;
use super::rules::Named;

/// Longest name of a user, as in PostgreSQL.
const MAX_NAME: usize = 63;

/// A field of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    /// Of the subject.
    CommonName,
    /// Of the subject.
    Organization,
    /// Of the subject.
    Unit,
    /// A subject alternative name.
    Email,
    /// A subject alternative name.
    Dns,
    /// A subject alternative name.
    Uri,
}

/// Their names in the configuration.
pub(crate) const FIELDS: &[(&str, Field)] = &[
    ("cn", Field::CommonName),
    ("o", Field::Organization),
    ("ou", Field::Unit),
    ("email", Field::Email),
    ("dns", Field::Dns),
    ("uri", Field::Uri),
];

/// A field and what to make of its values.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) field: Field,
    pub(crate) pattern: Pattern,
}

/// How certificates become people.
#[derive(Clone, Debug)]
pub(crate) struct CertificateMapping {
    /// The first that gives a name counts.
    pub(crate) user: Vec<Source>,
    pub(crate) groups: Option<Source>,
    pub(crate) roles: Option<Source>,
    pub(crate) attributes: Vec<(Named, Source)>,
}

impl Default for CertificateMapping {
    /// The common name is the user's name, as PostgreSQL has it.
    fn default() -> Self {
        let name = Source { field: Field::CommonName, pattern: Pattern::whole() };
        Self { user: vec![name], groups: None, roles: None, attributes: Vec::new() }
    }
}

/// Why a certificate is nobody's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("no field of the certificate gives a user's name")]
    Nobody,
    #[error("the certificate gives more than one user's name")]
    Ambiguous,
}

impl CertificateMapping {
    /// The user's name and the claims. `is_list` tells which attributes hold several values.
    pub(crate) fn read(
        &self,
        der: &[u8],
        is_list: impl Fn(&str) -> bool,
    ) -> Result<(String, Claims), CertificateError> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Unreadable)?;
        let user = self.user(&certificate)?;
        let all = |source: &Option<Source>| match source {
            Some(source) => source.texts(&certificate).map(Vec::from_iter),
            None => Ok(Vec::new()),
        };
        let mut attributes = Vec::new();
        for ((name, _), source) in &self.attributes {
            let texts = source.texts(&certificate)?;
            let mut values: Vec<Plain> = texts.into_iter().map(Plain::Text).collect();
            let list = is_list(name);
            match values.len() {
                0 => {}
                1 if !list => attributes.extend(values.pop().map(|value| (name.clone(), value))),
                _ => attributes.push((name.clone(), Plain::List(values))),
            }
        }
        let (groups, roles) = (all(&self.groups)?, all(&self.roles)?);
        Ok((user, Claims { witness: Witness::Certificate, roles, groups, attributes }))
    }

    fn user(&self, certificate: &X509Certificate<'_>) -> Result<String, CertificateError> {
        for source in &self.user {
            let mut names = source.texts(certificate)?.into_iter();
            match (names.next(), names.next()) {
                (None, _) => {}
                (Some(name), None) if (1..=MAX_NAME).contains(&name.len()) => return Ok(name),
                (Some(_), None) => return Err(CertificateError::Nobody),
                (Some(_), Some(_)) => return Err(CertificateError::Ambiguous),
            }
        }
        Err(CertificateError::Nobody)
    }
}

impl Source {
    fn texts(
        &self,
        certificate: &X509Certificate<'_>,
    ) -> Result<BTreeSet<String>, CertificateError> {
        let values = values(certificate, self.field)?;
        Ok(values.iter().filter_map(|value| self.pattern.apply(value)).collect())
    }
}

fn values(
    certificate: &X509Certificate<'_>,
    field: Field,
) -> Result<Vec<String>, CertificateError> {
    let subject = certificate.subject();
    let texts: Vec<&str> = match field {
        Field::CommonName => texts(subject.iter_common_name()),
        Field::Organization => texts(subject.iter_organization()),
        Field::Unit => texts(subject.iter_organizational_unit()),
        Field::Email | Field::Dns | Field::Uri => {
            let names = certificate.subject_alternative_name();
            let names = names.map_err(|_| CertificateError::Unreadable)?;
            let names = names.map(|extension| extension.value.general_names.as_slice());
            let names = names.unwrap_or_default().iter();
            names.filter_map(|name| alternative(name, field)).collect()
        }
    };
    let readable = |text: &&str| !text.is_empty() && !text.chars().any(char::is_control);
    Ok(texts.into_iter().filter(readable).map(str::to_owned).collect())
}

fn texts<'c, 'a: 'c>(
    attributes: impl Iterator<Item = &'c AttributeTypeAndValue<'a>>,
) -> Vec<&'c str> {
    attributes.filter_map(|attribute| attribute.as_str().ok()).collect()
}

fn alternative<'c>(name: &'c GeneralName<'_>, field: Field) -> Option<&'c str> {
    match (field, name) {
        (Field::Email, GeneralName::RFC822Name(text))
        | (Field::Dns, GeneralName::DNSName(text))
        | (Field::Uri, GeneralName::URI(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    /// Subject and alternative names in; user, or why there is none, out.
    fn made(subject: &[(DnType, &str)], names: &[SanType]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in subject {
            params.distinguished_name.push(kind.clone(), *text);
        }
        params.subject_alt_names = names.to_vec();
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    fn email(text: &str) -> SanType {
        SanType::Rfc822Name(text.try_into().expect("ASCII"))
    }

    fn mapping() -> CertificateMapping {
        let source = |field, pattern: &str| {
            let pattern = Pattern::read(pattern, "{1}").expect("a pattern");
            Source { field, pattern }
        };
        let place = pgcordon_policy::mistake::Place { file: "c.yaml".into(), line: 1, column: 1 };
        CertificateMapping {
            user: vec![
                source(Field::Email, r"([^@]+)@corp\.example"),
                source(Field::CommonName, "(svc-.+)"),
            ],
            groups: Some(source(Field::Unit, "group (.+)")),
            roles: None,
            attributes: vec![
                (("region".to_owned(), place.clone()), source(Field::Unit, "region (.+)")),
                (("teams".to_owned(), place), source(Field::Unit, "team (.+)")),
            ],
        }
    }

    fn check(der: &[u8], expected: Result<&str, CertificateError>) {
        let user = mapping().read(der, |_| false).map(|(user, _)| user);
        assert_eq!(user.as_deref().map_err(|error| *error), expected);
    }

    #[test]
    fn a_name_of_the_field_that_the_mapping_says() {
        check(&made(&[], &[email("rita@corp.example")]), Ok("rita"));
        check(&made(&[(DnType::CommonName, "svc-1")], &[email("x@else.example")]), Ok("svc-1"));
        let nobody = Err(CertificateError::Nobody);
        check(&made(&[(DnType::CommonName, "rita")], &[]), nobody);
        check(&made(&[], &[email("rita@corp.example.evil")]), nobody);
        check(&made(&[(DnType::CommonName, "svc-\0")], &[]), nobody);
        check(&made(&[(DnType::CommonName, &format!("svc-{}", "x".repeat(60)))], &[]), nobody);
        check(b"rubbish", Err(CertificateError::Unreadable));
    }

    #[test]
    fn two_names_are_nobody() {
        let two = [email("rita@corp.example"), email("max@corp.example")];
        check(&made(&[], &two), Err(CertificateError::Ambiguous));
        let twice = [email("rita@corp.example"), email("rita@corp.example"), email("x@y.example")];
        check(&made(&[], &twice), Ok("rita"));
    }

    #[test]
    fn fields_become_claims() {
        let der = made(
            &[(DnType::OrganizationalUnitName, "region North")],
            &[email("rita@corp.example")],
        );
        let (_, claims) = mapping().read(&der, |name| name == "teams").expect("somebody");
        let region = ("region".to_owned(), Plain::Text("North".to_owned()));
        assert_eq!(claims.attributes, [region], "a missing one is missing");
        let der =
            made(&[(DnType::OrganizationalUnitName, "team 7")], &[email("rita@corp.example")]);
        let (_, claims) = mapping().read(&der, |name| name == "teams").expect("somebody");
        let teams = Plain::List(vec![Plain::Text("7".to_owned())]);
        assert_eq!(claims.attributes, [("teams".to_owned(), teams)]);
        assert_eq!(claims.groups, Vec::<String>::new());
    }

    #[test]
    fn the_common_name_is_the_default() {
        let der = made(&[(DnType::CommonName, "rita")], &[]);
        let (user, claims) = CertificateMapping::default().read(&der, |_| false).expect("somebody");
        assert_eq!((user.as_str(), claims.attributes.len()), ("rita", 0));
    }
}
