//! Durations as people write them.
//!
//! In:  `500ms`, `10s`, `5m`, `2h`.
//! Out: a [`Duration`] of a millisecond to a day, or nothing.

use std::time::Duration;

/// What a duration looks like, for hints.
pub const DURATIONS: &str = "for example 500ms, 10s, 5m";

/// Reads a duration; the unit may not be left out.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok().filter(|number| *number > 0)?;
    let milliseconds = match &text[digits..] {
        "ms" => number,
        "s" => number.checked_mul(1000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    // A day is more than any wait of ours.
    (milliseconds <= 86_400_000).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_name_their_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        for bad in ["10", "0s", "s", "-1s", "1.5s", "10 s", "99999999999999999999s", "25h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
