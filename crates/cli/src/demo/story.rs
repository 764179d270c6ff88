//! What the tour tells, as data: who asks what, and what must come out.
//!
//! Invariants:
//! - Every point names its own proof: the same rows as a statement that a superuser runs past the proxy, a
//!   SQLSTATE, or a number of rows. A point that comes out otherwise fails the tour.
//! - What is allowed stands beside what is refused.

/// What must come out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// The same rows as this statement gives a superuser on the server itself.
    SameAs(&'static str),
    /// An error of this class, and nothing reaches the server.
    Refused(&'static str),
    /// An error of this class, raised inside the statement, which PostgreSQL undoes.
    Undone(&'static str),
    /// As many rows touched as the first statement counts before; what the second one answers stays as it was.
    Touches {
        /// Counts the rows that may be touched.
        count: &'static str,
        /// Looks at the rows that must stay.
        untouched: &'static str,
    },
}

/// One statement of one person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) user: &'static str,
    pub(super) database: &'static str,
    pub(super) sql: &'static str,
    pub(super) expected: Expected,
}

/// A point of the story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) title: &'static str,
    pub(super) steps: &'static [Step],
}

const fn step(user: &'static str, sql: &'static str, expected: Expected) -> Step {
    Step { user, database: "shop", sql, expected }
}

const PER_REGION: &str =
    "SELECT region, count(*) AS customers FROM customers GROUP BY region ORDER BY region";
const CUSTOMERS: &str = "SELECT id, name, email FROM customers ORDER BY id LIMIT 3";
const PAYROLL: &str = "SELECT sum(gross) AS total FROM payroll";
const COLLEAGUES: &str =
    "SELECT login, email, salary FROM employees WHERE login IN ('max', 'rita') ORDER BY login";
const ITEMS: &str = "SELECT count(*) AS items, sum(quantity * price) AS worth FROM order_items";

/// The whole story.
pub(super) const STORY: &[Point] = &[
    Point {
        title: "The same query. Rita is a sales rep of region North, Max a manager.",
        steps: &[
            step(
                "rita",
                PER_REGION,
                Expected::SameAs(
                    "SELECT region, count(*) AS customers FROM customers \
                     WHERE region = 'North' AND deleted_at IS NULL GROUP BY region",
                ),
            ),
            step(
                "max",
                PER_REGION,
                Expected::SameAs(
                    "SELECT region, count(*) AS customers FROM customers \
                     WHERE deleted_at IS NULL GROUP BY region ORDER BY region",
                ),
            ),
        ],
    },
    Point {
        title: "A table that no rule grants does not exist. Human resources may read it.",
        steps: &[
            step("rita", PAYROLL, Expected::Refused("42P01")),
            step("max", PAYROLL, Expected::Refused("42P01")),
            step("hanna", PAYROLL, Expected::SameAs(PAYROLL)),
        ],
    },
    Point {
        title: "A masked e-mail. Max sees the same column in clear.",
        steps: &[
            step(
                "rita",
                CUSTOMERS,
                Expected::SameAs(
                    "SELECT id, name, '***' || substring(email FROM '@.*') AS email FROM customers \
                     WHERE region = 'North' AND deleted_at IS NULL ORDER BY id LIMIT 3",
                ),
            ),
            step(
                "max",
                CUSTOMERS,
                Expected::SameAs(
                    "SELECT id, name, email FROM customers WHERE deleted_at IS NULL ORDER BY id LIMIT 3",
                ),
            ),
        ],
    },
    Point {
        title: "A hidden column is unknown by name, a denied one is refused.",
        steps: &[
            step("rita", "SELECT credit_limit FROM customers", Expected::Refused("42703")),
            step("rita", "SELECT ssn FROM customers", Expected::Refused("42501")),
            step(
                "max",
                "SELECT max(credit_limit) AS highest FROM customers",
                Expected::SameAs(
                    "SELECT max(credit_limit) AS highest FROM customers WHERE deleted_at IS NULL",
                ),
            ),
        ],
    },
    Point {
        title: "Two rules meet in one table: Rita's own row is clear, her colleagues' salaries are not.",
        steps: &[step(
            "rita",
            COLLEAGUES,
            Expected::SameAs(
                "SELECT login, CASE WHEN login = 'rita' THEN email ELSE '***@shop.example' END AS email, \
                 CASE WHEN login = 'rita' THEN salary END AS salary \
                 FROM employees WHERE login IN ('max', 'rita') ORDER BY login",
            ),
        )],
    },
    Point {
        title: "A rule with a sub-select: the items of orders in her own region.",
        steps: &[step(
            "rita",
            ITEMS,
            Expected::SameAs(
                "SELECT count(*) AS items, sum(quantity * price) AS worth FROM order_items \
                 WHERE order_id IN (SELECT id FROM orders WHERE region = 'North')",
            ),
        )],
    },
    Point {
        title: "Writing is loud: a new row outside the own region is an error that undoes the statement.",
        steps: &[
            step(
                "rita",
                "INSERT INTO customers (name, email, region) VALUES ('New', 'new@mail.example', 'South')",
                Expected::Undone("42501"),
            ),
            step(
                "rita",
                "INSERT INTO customers (id, name, email, region) \
                 VALUES (900001, 'New', 'new@mail.example', 'North') RETURNING name, region, created_by",
                Expected::SameAs(
                    "SELECT name, region, 'rita' AS created_by FROM customers WHERE id = 900001",
                ),
            ),
        ],
    },
    Point {
        title: "An update without any condition on the region touches her own rows only.",
        steps: &[step(
            "rita",
            "UPDATE orders SET status = 'shipped' WHERE status = 'open'",
            Expected::Touches {
                count: "SELECT count(*) FROM orders \
                        WHERE status = 'open' AND region = 'North' AND deleted_at IS NULL",
                untouched: "SELECT count(*) FROM orders \
                            WHERE status = 'open' AND (region <> 'North' OR deleted_at IS NOT NULL)",
            },
        )],
    },
    Point {
        title: "The dashboard's database name shows less: no employees there.",
        steps: &[
            Step {
                user: "max",
                database: "sales_dashboard",
                sql: "SELECT count(*) FROM employees",
                expected: Expected::Refused("42P01"),
            },
            step(
                "max",
                "SELECT count(*) FROM employees",
                Expected::SameAs("SELECT count(*) FROM employees"),
            ),
        ],
    },
    Point {
        title: "What pgcordon cannot answer for is refused before the server hears of it.",
        steps: &[step("rita", "DO $$ BEGIN PERFORM 1; END $$", Expected::Refused("0A000"))],
    },
    Point {
        title: "The operator's role says `bypass: true`: no rules.",
        steps: &[step("olga", PER_REGION, Expected::SameAs(PER_REGION))],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::people::person;

    #[test]
    fn everybody_who_asks_is_introduced() {
        for step in STORY.iter().flat_map(|point| point.steps) {
            assert!(person(step.user).is_some(), "{}", step.user);
        }
    }
}
