//! Checks a value against its type and writes it in one canonical way.
//!
//! In:  a [`Base`] and a text.
//! Out: the canonical text, or `None`.
//!
//! Invariants:
//! - What passes is read by PostgreSQL as the same value under every setting (ISO dates with four-digit
//!   years, times with their zone where the type has one).

use super::Base;

/// The canonical text of a value.
pub(crate) fn canonical(base: Base, text: &str) -> Option<String> {
    match base {
        Base::Text => (!text.contains('\0')).then(|| text.to_owned()),
        Base::Int => text.parse::<i32>().ok().map(|number| number.to_string()),
        Base::Bigint => text.parse::<i64>().ok().map(|number| number.to_string()),
        Base::Bool => (text == "true" || text == "false").then(|| text.to_owned()),
        Base::Numeric => numeric(text).then(|| text.to_owned()),
        Base::Date => date(text).then(|| text.to_owned()),
        Base::Timestamp => timestamp(text),
        Base::Timestamptz => timestamptz(text),
        Base::Uuid => uuid(text).then(|| text.to_ascii_lowercase()),
    }
}

/// How a value of that type is written.
pub(super) fn hint(base: Base) -> &'static str {
    match base {
        Base::Text => "any text without the character NUL",
        Base::Int => "a whole number from -2147483648 to 2147483647",
        Base::Bigint => "a whole number of at most 64 bits",
        Base::Bool => "true or false",
        Base::Numeric => "digits, with a decimal point if need be",
        Base::Date => "for example 2027-01-31",
        Base::Timestamp => "for example 2027-01-31 08:30:00",
        Base::Timestamptz => "for example 2027-01-31 08:30:00+01:00; the zone may not be left out",
        Base::Uuid => "for example a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn numeric(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    text.len() <= 1000 && digits(whole) && digits(fraction)
}

/// Exactly `length` digits.
fn number(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && digits(text)).then(|| text.parse().ok())?
}

fn date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let read = (
        year.and_then(|year| number(year, 4)),
        month.and_then(|month| number(month, 2)),
        day.and_then(|day| number(day, 2)),
    );
    let (Some(year), Some(month), Some(day), None) = (read.0, read.1, read.2, parts.next()) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    year >= 1 && (1..=days).contains(&day)
}

/// `08:30`, `08:30:15` or `08:30:15.25`, with seconds added.
fn time(text: &str) -> Option<String> {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(a, b)| (a, Some(b)));
    let parts: Vec<&str> = clock.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] if fraction.is_none() => (*hour, *minute, "00"),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let valid = number(hour, 2)? < 24 && number(minute, 2)? < 60 && number(second, 2)? < 60;
    let fraction = match fraction {
        Some(digits_) if digits(digits_) && digits_.len() <= 6 => format!(".{digits_}"),
        Some(_) => return None,
        None => String::new(),
    };
    valid.then(|| format!("{hour}:{minute}:{second}{fraction}"))
}

fn timestamp(text: &str) -> Option<String> {
    let (day, clock) = text.split_once(['T', ' '])?;
    date(day).then(|| time(clock).map(|clock| format!("{day} {clock}")))?
}

fn timestamptz(text: &str) -> Option<String> {
    if let Some(utc) = text.strip_suffix('Z') {
        return timestamp(utc).map(|stamp| format!("{stamp}+00:00"));
    }
    let start = text.rfind(['+', '-']).filter(|start| *start > "2027-01-31".len())?;
    let (stamp, zone) = text.split_at(start);
    let (sign, offset) = zone.split_at(1);
    let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
    let valid = number(hours, 2)? < 16 && number(minutes, 2)? < 60;
    valid.then(|| timestamp(stamp).map(|stamp| format!("{stamp}{sign}{hours}:{minutes}")))?
}

fn uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hexadecimal = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(hexadecimal)
}
