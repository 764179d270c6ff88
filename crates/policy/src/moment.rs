//! Moments in time, for rules that expire.
//!
//! In:  `2027-01-31`, or a timestamp with its zone, as people write them; the clock of whoever binds a policy.
//! Out: a [`Moment`], compared with another.
//!
//! Invariants:
//! - Nothing here looks at a clock.
//! - A date means all of that day, in UTC.

use std::fmt;

use crate::attribute::{Base, canonical};
use crate::mistake::{MistakeKind, Report};
use crate::yaml::Node;

const DAY: i64 = 86_400;

/// A moment, in whole seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(i64);

impl Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0
    }

    /// The first moment at which something with this `until` no longer counts.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if canonical(Base::Date, text).is_some() {
            return Some(Self((day(text)? + 1) * DAY));
        }
        let text = canonical(Base::Timestamptz, text)?;
        // `YYYY-MM-DD hh:mm:ss[.fraction]±hh:mm`
        let number =
            |from: usize, length: usize| text.get(from..from + length)?.parse::<i64>().ok();
        let zone = text.len().checked_sub("+00:00".len())?;
        let offset = number(zone + 1, 2)? * 3600 + number(zone + 4, 2)? * 60;
        let east = text.get(zone..=zone)? == "+";
        let clock = number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
        Some(Self(day(&text)? * DAY + clock - if east { offset } else { -offset }))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The way of `day`, backwards: eras of 400 years, years that begin in March.
        let (days, clock) = (self.0.div_euclid(DAY) + 719_468, self.0.rem_euclid(DAY));
        let (era, rest) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (rest - rest / 1_460 + rest / 36_524 - rest / 146_096) / 365;
        let of_year = rest - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (year, month) =
            (era * 400 + year + month / 10, if month < 10 { month + 3 } else { month - 9 });
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The days from 1970-01-01 to the date at the start of a text.
fn day(text: &str) -> Option<i64> {
    let number = |from: usize, length: usize| text.get(from..from + length)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    // Years that begin in March end with their leap day.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 153 days are five months from March or August on; 719 468 days lie between 0000-03-01 and 1970-01-01.
    Some(year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Reads `until`; `None` where it does not stand.
pub(crate) fn read(node: Option<&Node>, report: &mut Report) -> Option<Moment> {
    let scalar = node?.scalar("`until`", report)?;
    let moment = Moment::parse(&scalar.text);
    if moment.is_none() {
        let message = "`until` is neither a date nor a timestamp with its zone";
        let hint = "for example 2027-01-31 (all of that day, in UTC) or 2027-01-31T18:00+01:00";
        report.add(&scalar.place, MistakeKind::Value, message, hint);
    }
    moment
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn a_moment_is_printed_as_it_is_read() {
        for text in
            ["1970-01-01", "2000-02-29", "2027-01-31", "2027-02-28", "2100-03-01", "1969-12-31"]
        {
            let day = Moment::parse(text).expect("a date").unix_seconds();
            let start = Moment::from_unix_seconds(day - super::DAY);
            assert_eq!(start.to_string(), format!("{text} 00:00:00Z"));
        }
        let moment = Moment::parse("2027-01-31 08:30:05+02:00").expect("a timestamp");
        assert_eq!(moment.to_string(), "2027-01-31 06:30:05Z");
    }

    #[test]
    fn dates_end_with_their_day_and_timestamps_have_a_zone() {
        let check = |text: &str, seconds: i64| {
            assert_eq!(Moment::parse(text).map(Moment::unix_seconds), Some(seconds), "{text}");
        };
        check("1970-01-01", 86_400);
        check("1970-01-01T00:00:00Z", 0);
        check("1969-12-31 23:59:59Z", -1);
        check("2000-02-29", 951_868_800);
        check("2000-03-01T00:00Z", 951_868_800);
        check("2027-01-31", 1_801_440_000);
        check("2027-02-01T00:00Z", 1_801_440_000);
        check("2027-02-01 01:00:00.5+01:00", 1_801_440_000);
        check("2027-01-31 18:30-05:30", 1_801_440_000);
        check("2100-03-01T00:00Z", 4_107_542_400);
        for text in ["", "soon", "2027-02-30", "2027-01-31T18:00", "31.01.2027", "2027"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
