//! The `tls-server-end-point` hash of a certificate (RFC 5929), for SCRAM's channel binding.
//!
//! In:  a certificate in DER.
//! Out: its hash by the algorithm of its signature, or `None` when RFC 5929 defines none.

use aws_lc_rs::digest;

/// The hash that both sides of the handshake see.
pub(crate) type EndPoint = Vec<u8>;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// Hashes the certificate; MD5 and SHA-1 are replaced by SHA-256, as the RFC says.
pub(crate) fn end_point(der: &[u8]) -> Option<EndPoint> {
    let algorithm = match signature_algorithm(der)? {
        oid if oid == [RSA, &[4]].concat() || oid == [RSA, &[5]].concat() => &digest::SHA256,
        oid if oid == [RSA, &[11]].concat() => &digest::SHA256,
        oid if oid == [RSA, &[12]].concat() => &digest::SHA384,
        oid if oid == [RSA, &[13]].concat() => &digest::SHA512,
        oid if oid == [ECDSA, &[1]].concat() => &digest::SHA256,
        oid if oid == [ECDSA, &[3, 2]].concat() => &digest::SHA256,
        oid if oid == [ECDSA, &[3, 3]].concat() => &digest::SHA384,
        oid if oid == [ECDSA, &[3, 4]].concat() => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, der).as_ref().to_vec())
}

/// `Certificate ::= SEQUENCE { tbsCertificate, SEQUENCE { algorithm OID, ... }, ... }`
fn signature_algorithm(der: &[u8]) -> Option<&[u8]> {
    let (0x30, certificate, _) = element(der)? else {
        return None;
    };
    let (_, _, rest) = element(certificate)?;
    let (0x30, algorithm, _) = element(rest)? else {
        return None;
    };
    let (0x06, oid, _) = element(algorithm)? else {
        return None;
    };
    Some(oid)
}

/// Tag, contents and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
            (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(oid: &[u8], expected: Option<usize>) {
        let algorithm = [&[0x06, oid.len() as u8][..], oid].concat();
        let inside = [&[0x30, 0][..], &[0x30, algorithm.len() as u8], &algorithm].concat();
        let der = [&[0x30, 0x81, inside.len() as u8][..], &inside].concat();
        assert_eq!(end_point(&der).map(|hash| hash.len()), expected, "{oid:x?}");
        assert_eq!(end_point(&der[..der.len() - 1]), None, "cut short");
    }

    #[test]
    fn the_signature_decides_the_hash() {
        check(&[RSA, &[11]].concat(), Some(32));
        check(&[RSA, &[13]].concat(), Some(64));
        check(&[ECDSA, &[3, 3]].concat(), Some(48));
        // Ed25519 has no hash of its own.
        check(&[0x2b, 0x65, 0x70], None);
    }
}
