//! `pgcordon password`: makes the verifier that stands in the policy file.
//!
//! In:  a password, from the terminal without echo (twice) or as one line of stdin.
//! Out: `SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>` on stdout.
//!
//! Invariants:
//! - The password is never printed, logged, or taken from the command line.
//! - Normalised with SASLprep (RFC 4013) as libpq does it, so that the same password logs in.

use std::io::{BufRead as _, IsTerminal as _};

use crate::console;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run() -> Result<(), Failure> {
    let password = if std::io::stdin().is_terminal() { ask()? } else { read()? };
    console::line(verifier(&password)?);
    Ok(())
}

fn ask() -> Result<String, Failure> {
    let prompt = |text| rpassword::prompt_password(text).map_err(Failure::io("reading a password"));
    let first = prompt("Password: ")?;
    let second = prompt("Again: ")?;
    if first == second { Ok(first) } else { Err(told("the two passwords differ")) }
}

fn read() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::io("reading a password"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What stands in the policy file for a password.
pub(crate) fn verifier(password: &str) -> Result<String, Failure> {
    if password.is_empty() {
        return Err(told("the password is empty"));
    }
    if password.contains('\0') {
        return Err(told("a password cannot hold a NUL character"));
    }
    Ok(postgres_protocol::password::scram_sha_256(password.as_bytes()))
}

fn told(text: &str) -> Failure {
    Failure::Told(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_has_the_form_that_postgresql_stores() {
        let made = verifier("rita_demo").expect("an ordinary password");
        let parts: Vec<&str> = made.split(['$', ':']).collect();
        assert_eq!(parts[..2], ["SCRAM-SHA-256", "4096"], "{made}");
        assert_eq!(parts[2..].iter().map(|part| part.len()).collect::<Vec<_>>(), [24, 44, 44]);
    }

    #[test]
    fn the_salt_is_new_every_time() {
        assert_ne!(verifier("x").expect("ordinary"), verifier("x").expect("ordinary"));
    }

    #[test]
    fn what_is_no_password_is_refused() {
        assert!(verifier("").is_err());
        assert!(verifier("a\0b").is_err());
    }
}
