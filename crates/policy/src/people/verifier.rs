//! Checks that a password is a SCRAM-SHA-256 verifier, as PostgreSQL stores it (`parse_scram_secret`).
//!
//! In:  the value of `password:`.
//! Out: the verifier's text: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
//!
//! Invariants:
//! - Nothing else passes, and no message repeats what stands there.

use crate::mistake::{MistakeKind, Report};
use crate::yaml::Node;

/// Fewer are weak (RFC 7677); more would only be a way to stall clients.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=10_000_000;
/// A SHA-256 in base64.
const KEY_LENGTH: usize = 44;

/// Reads the verifier; anything else is a mistake.
pub(super) fn read(node: &Node, report: &mut Report) -> Option<String> {
    let scalar = node.scalar("`password`", report)?;
    let Some(problem) = problem(&scalar.text) else { return Some(scalar.text.clone()) };
    let kind =
        if is_clear_text(&scalar.text) { MistakeKind::ClearText } else { MistakeKind::Value };
    report.add(&scalar.place, kind, problem, "make one with `pgcordon password`");
    None
}

/// Neither a verifier nor what PostgreSQL stores for md5.
fn is_clear_text(text: &str) -> bool {
    let hexadecimal = |digest: &str| digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let md5 = text.strip_prefix("md5").is_some_and(|rest| rest.len() == 32 && hexadecimal(rest));
    !text.is_empty() && !md5 && !text.starts_with("SCRAM-SHA-256$")
}

fn problem(text: &str) -> Option<&'static str> {
    let Some(rest) = text.strip_prefix("SCRAM-SHA-256$") else {
        return Some("`password` is not a SCRAM-SHA-256 verifier; clear text is not accepted");
    };
    let damaged = Some("`password` is a damaged SCRAM-SHA-256 verifier");
    let Some((head, keys)) = rest.split_once('$') else { return damaged };
    let (Some((iterations, salt)), Some((stored, server))) =
        (head.split_once(':'), keys.split_once(':'))
    else {
        return damaged;
    };
    let whole = is_base64(salt)
        && [stored, server].iter().all(|key| key.len() == KEY_LENGTH && is_base64(key));
    match iterations.parse::<u32>() {
        Ok(number) if whole && ITERATIONS.contains(&number) => None,
        Ok(_) if whole => Some("`password` has fewer than 4096 iterations, or far too many"),
        Ok(_) | Err(_) => damaged,
    }
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    !body.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::{is_clear_text, problem};

    #[test]
    fn only_what_is_no_verifier_of_any_kind_is_clear_text() {
        for text in ["hunter2", "md5", "md5hunter2", "SCRAM-SHA-256", "scram"] {
            assert!(is_clear_text(text), "{text}");
        }
        for text in ["", "md5a6343a68d964ca596d9752250d54bb8a", "SCRAM-SHA-256$4096:…"] {
            assert!(!is_clear_text(text), "{text}");
        }
    }

    #[test]
    fn only_whole_verifiers_pass() {
        let key = "A".repeat(43) + "=";
        let verifier = |iterations: &str, salt: &str, stored: &str| {
            format!("SCRAM-SHA-256${iterations}:{salt}${stored}:{key}")
        };
        assert_eq!(problem(&verifier("4096", "c2FsdA==", &key)), None);
        for text in [
            "hunter2".to_owned(),
            "md5a6343a68d964ca596d9752250d54bb8a".to_owned(),
            "SCRAM-SHA-256$4096:…".to_owned(),
            verifier("1", "c2FsdA==", &key),
            verifier("x", "c2FsdA==", &key),
            verifier("4096", "", &key),
            verifier("4096", "c2FsdA==", "AAAA"),
            verifier("4096", "c2Fs$dA=", &key),
        ] {
            assert!(problem(&text).is_some(), "{text}");
        }
    }
}
