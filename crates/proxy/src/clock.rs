//! The wall clock, for rules that expire: the pure crates have none.
//!
//! In:  the system's time.
//! Out: a [`Moment`], and how long to wait for another.

use std::time::{Duration, SystemTime};

use pgcordon_policy::Moment;

/// Longest wait: the wall clock may be set, or stand still while the machine sleeps.
const LONGEST: Duration = Duration::from_secs(30);

/// Now.
#[must_use]
pub fn now() -> Moment {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Moment::from_unix_seconds(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    })
}

/// How long to wait before looking again whether a moment has come.
pub(crate) fn wait_for(moment: Moment) -> Duration {
    let left = moment.unix_seconds().saturating_sub(now().unix_seconds());
    Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(LONGEST)
}
