//! What attackers with few and with many addresses and names can do to others, and what they cannot.

use super::*;

const LIMIT: u32 = 10;

/// A throttle with a clock of its own.
struct Clock {
    throttle: Throttle,
    config: ThrottleConfig,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        let throttle = Throttle::new();
        let now = throttle.started;
        Self { throttle, config: ThrottleConfig::default(), now }
    }

    fn attempt(&self, user: &str, address: &str, right: bool) -> Ruling {
        let address = address.parse().expect("an address");
        let keys = self.throttle.keys(&self.config, user, address);
        self.throttle.judge_at(&self.config, keys, right, self.now)
    }

    fn verdict(&self, user: &str, address: &str, right: bool) -> Verdict {
        self.attempt(user, address, right).verdict
    }

    fn fail(&self, user: &str, address: &str, times: u32) {
        for _ in 0..times {
            self.attempt(user, address, false);
        }
    }

    fn wait(&mut self, failures: u32) {
        self.now += self.config.recovery * failures;
    }
}

#[test]
fn answers_wait_longer_with_each_failure_right_or_wrong() {
    let clock = Clock::new();
    let mut delays = Vec::new();
    for _ in 0..LIMIT {
        delays.push(clock.attempt("rita", "192.0.2.1", false).delay);
    }
    assert_eq!(delays[0], Duration::ZERO, "the first failure");
    assert!(delays.is_sorted() && delays[1] > Duration::ZERO, "{delays:?}");
    assert!(delays[5] < clock.config.max_delay / 2, "{delays:?}");
    let (right, wrong) = (Clock::new(), Clock::new());
    for clock in [&right, &wrong] {
        clock.fail("rita", "192.0.2.1", 4);
    }
    let delay = |clock: &Clock, proof| clock.attempt("rita", "192.0.2.1", proof).delay;
    assert_eq!(delay(&right, true), delay(&wrong, false));
}

#[test]
fn after_the_limit_the_right_password_is_refused_too() {
    let mut clock = Clock::new();
    clock.fail("rita", "192.0.2.1", LIMIT);
    let ruling = clock.attempt("rita", "192.0.2.1", true);
    assert_eq!(ruling, Ruling { verdict: Verdict::Exhausted, delay: clock.config.max_delay });
    let address = "192.0.2.1".parse().expect("an address");
    assert!(clock.throttle.is_exhausted(&clock.config, "rita", address));
    assert!(!clock.throttle.is_exhausted(&clock.config, "max", address));
    clock.wait(1);
    assert_eq!(clock.verdict("rita", "192.0.2.1", false), Verdict::Wrong, "one is forgotten");
    assert_eq!(clock.verdict("rita", "192.0.2.1", true), Verdict::Exhausted);
    clock.wait(2);
    assert_eq!(clock.verdict("rita", "192.0.2.1", true), Verdict::Admitted);
    assert_eq!(clock.attempt("rita", "192.0.2.1", true).delay, Duration::ZERO, "cleared");
}

#[test]
fn an_unknown_user_is_counted_like_any_other() {
    let clock = Clock::new();
    let one: Vec<Ruling> = (0..12).map(|_| clock.attempt("rita", "192.0.2.1", false)).collect();
    let clock = Clock::new();
    let other: Vec<Ruling> = (0..12).map(|_| clock.attempt("nobody", "192.0.2.1", false)).collect();
    assert_eq!(one, other);
}

#[test]
fn many_addresses_do_not_give_many_tries() {
    let clock = Clock::new();
    let mut looked_at = 0;
    for number in 0..200 {
        for _ in 0..20 {
            let verdict = clock.verdict("rita", &format!("198.51.100.{number}"), false);
            looked_at += u32::from(verdict == Verdict::Wrong);
        }
    }
    assert_eq!(looked_at, clock.config.per_user);
}

#[test]
fn many_names_do_not_give_many_tries() {
    let clock = Clock::new();
    let tries = (0..1000).map(|number| clock.verdict(&format!("user{number}"), "192.0.2.1", false));
    let looked_at = tries.filter(|verdict| *verdict == Verdict::Wrong).count();
    assert_eq!(looked_at, clock.config.per_address as usize);
}

#[test]
fn an_ipv6_site_is_one_address() {
    let clock = Clock::new();
    for number in 0..LIMIT {
        clock.fail("rita", &format!("2001:db8::{number:x}"), 1);
    }
    assert_eq!(clock.verdict("rita", "2001:db8::ffff", true), Verdict::Exhausted);
    assert_eq!(clock.verdict("rita", "2001:db8:0:1::1", true), Verdict::Admitted);
}

#[test]
fn nobody_is_kept_out_of_where_they_were_before() {
    let clock = Clock::new();
    assert_eq!(clock.verdict("rita", "192.0.2.1", true), Verdict::Admitted);
    // Everywhere else, and from the same office under other names.
    for number in 0..200 {
        clock.fail("rita", &format!("198.51.100.{number}"), 20);
        clock.fail(&format!("user{number}"), "192.0.2.1", 1);
    }
    assert_eq!(clock.verdict("rita", "203.0.113.1", true), Verdict::Exhausted, "a new address");
    assert_eq!(clock.verdict("max", "192.0.2.1", true), Verdict::Exhausted, "never seen here");
    let ruling = clock.attempt("rita", "192.0.2.1", true);
    assert_eq!(ruling, Ruling { verdict: Verdict::Admitted, delay: Duration::ZERO });
}

#[test]
fn one_address_cannot_use_up_a_users_limit() {
    let clock = Clock::new();
    clock.fail("rita", "198.51.100.1", 10_000);
    assert_eq!(clock.verdict("rita", "203.0.113.1", true), Verdict::Admitted);
}

#[test]
fn an_account_of_ones_own_does_not_clear_the_address() {
    let clock = Clock::new();
    let mut looked_at = 0;
    for number in 0..500 {
        let verdict = clock.verdict(&format!("user{number}"), "192.0.2.1", false);
        looked_at += u32::from(verdict == Verdict::Wrong);
        clock.attempt("mallory", "192.0.2.1", true);
    }
    assert_eq!(looked_at, clock.config.per_address);
}

#[test]
fn a_flood_of_others_does_not_make_a_victim_forgotten() {
    let clock = Clock::new();
    clock.fail("rita", "192.0.2.1", LIMIT);
    // Twice as many names and addresses as there are slots, one failure each.
    for number in 0..2 * (BUCKETS * WAYS) as u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
        clock.attempt(&format!("flood{number}"), &address, false);
    }
    assert_eq!(clock.verdict("rita", "192.0.2.1", true), Verdict::Exhausted);
}

#[test]
fn signatures_are_not_guessed() {
    let clock = Clock::new();
    let address = "192.0.2.1".parse().expect("an address");
    let signed = |user: &str, right: bool| {
        let keys = clock.throttle.keys(&clock.config, user, address);
        clock.throttle.judge_signed(&clock.config, keys, right, clock.now)
    };
    clock.fail("rita", "192.0.2.1", LIMIT);
    assert_eq!(signed("rita", true), Ruling { verdict: Verdict::Admitted, delay: Duration::ZERO });
    let delays: Vec<Duration> = (0..500).map(|_| signed("max", false).delay).collect();
    assert!(delays.is_sorted() && delays[499] == clock.config.max_delay, "slowed");
    assert_eq!(signed("max", true).verdict, Verdict::Admitted);
    // Rubbish tokens count for where they come from, not for whom they name.
    assert_eq!(clock.verdict("rita", "203.0.113.1", true), Verdict::Admitted);
    assert_eq!(clock.verdict("dora", "192.0.2.1", true), Verdict::Exhausted);
}

#[test]
fn shared_addresses_have_no_limit_of_their_own() {
    let mut clock = Clock::new();
    let shared = Network::read("192.0.2.0/24").expect("a network");
    clock.config.shared_addresses = vec![shared];
    for number in 0..1000 {
        assert_eq!(clock.verdict(&format!("user{number}"), "192.0.2.1", false), Verdict::Wrong);
    }
    clock.fail("rita", "192.0.2.1", LIMIT);
    assert_eq!(clock.verdict("rita", "192.0.2.1", true), Verdict::Exhausted);
}
