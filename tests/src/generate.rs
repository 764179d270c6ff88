//! Random statements over the shop: the same seed makes the same statements.
//!
//! In:  a seed.
//! Out: statements that PostgreSQL's grammar accepts; some fail while they run, for visible rows only.
//!
//! Invariants:
//! - What a statement answers is determined: LIMIT stands behind an ORDER BY over every column, and what may raise an
//!   error stands where PostgreSQL evaluates it for every row of the answer, or alone in its WHERE.

/// A small generator of pseudo-random numbers (xorshift64*), so that nothing but the seed decides.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// A table with columns of three kinds.
struct Table {
    name: &'static str,
    numbers: &'static [&'static str],
    texts: &'static [&'static str],
    dates: &'static [&'static str],
}

const TABLES: [Table; 5] = [
    Table {
        name: "customers",
        numbers: &["id", "credit"],
        texts: &["region", "name", "email"],
        dates: &["since"],
    },
    Table {
        name: "orders",
        numbers: &["id", "customer_id", "amount"],
        texts: &["region", "note"],
        dates: &["placed"],
    },
    Table {
        name: "items",
        numbers: &["order_id", "line", "quantity", "price"],
        texts: &["sku"],
        dates: &[],
    },
    Table {
        name: "employees",
        numbers: &["id", "boss_id", "salary"],
        texts: &["region", "name"],
        dates: &[],
    },
    Table { name: "regions", numbers: &["budget"], texts: &["name", "capital"], dates: &[] },
];

const WORDS: [&str; 7] = ["'North'", "'South'", "'N%'", "''", "'it''s'", "'ü→'", "NULL"];

impl Random {
    /// From a seed; zero would stay zero.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap_or(0) % bound.max(1)
    }

    fn one<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn table(&mut self) -> &'static Table {
        self.one(&TABLES)
    }

    fn number(&mut self, alias: &str, table: &Table, depth: usize) -> String {
        match self.below(if depth == 0 { 2 } else { 7 }) {
            0 => format!("{alias}.{}", self.one(table.numbers)),
            1 => self.below(40).to_string(),
            2 => {
                let operator = *self.one(&["+", "-", "*"]);
                let left = self.number(alias, table, depth - 1);
                format!("({left} {operator} {})", self.number(alias, table, depth - 1))
            }
            3 => format!("coalesce({}, 0)", self.number(alias, table, depth - 1)),
            4 => format!("length({})", self.text(alias, table, 0)),
            5 => {
                let when = self.condition(alias, table, depth - 1);
                format!("CASE WHEN {when} THEN {} ELSE 1 END", self.number(alias, table, depth - 1))
            }
            _ => {
                let inner = self.table();
                let condition = self.condition("s", inner, depth - 1);
                format!("(SELECT count(*) FROM {} s WHERE {condition})", inner.name)
            }
        }
    }

    fn text(&mut self, alias: &str, table: &Table, depth: usize) -> String {
        match self.below(if depth == 0 { 2 } else { 5 }) {
            0 => format!("{alias}.{}", self.one(table.texts)),
            1 => format!("{}::text", self.one(&WORDS)),
            2 => format!("upper({})", self.text(alias, table, depth - 1)),
            3 => {
                let left = self.text(alias, table, depth - 1);
                format!("({left} || {})", self.text(alias, table, depth - 1))
            }
            _ => format!("substr({}, 1, 3)", self.text(alias, table, depth - 1)),
        }
    }

    fn condition(&mut self, alias: &str, table: &Table, depth: usize) -> String {
        match self.below(if depth == 0 { 4 } else { 9 }) {
            0 => {
                let operator = *self.one(&["=", "<>", "<", ">="]);
                let left = self.number(alias, table, 0);
                format!("{left} {operator} {}", self.number(alias, table, 0))
            }
            1 => {
                let operator = *self.one(&["=", "<>", "LIKE", "IS DISTINCT FROM"]);
                format!("{} {operator} {}", self.text(alias, table, 0), self.text(alias, table, 0))
            }
            2 => {
                let null = *self.one(&["IS NULL", "IS NOT NULL"]);
                format!("{alias}.{} {null}", self.one(table.texts))
            }
            3 if !table.dates.is_empty() => {
                format!("{alias}.{} > '2024-06-01'", self.one(table.dates))
            }
            3 => "true".to_owned(),
            4 | 5 => {
                let word = *self.one(&["AND", "OR"]);
                let left = self.condition(alias, table, depth - 1);
                format!("({left} {word} {})", self.condition(alias, table, depth - 1))
            }
            6 => format!("NOT ({})", self.condition(alias, table, depth - 1)),
            7 => {
                let (inner, negation) = (self.table(), *self.one(&["", "NOT "]));
                let condition = self.condition("e", inner, depth - 1);
                let column = self.one(inner.numbers);
                let outer = self.one(table.numbers);
                format!(
                    "{negation}EXISTS (SELECT 1 FROM {} e WHERE e.{column} = {alias}.{outer} AND {condition})",
                    inner.name
                )
            }
            _ => {
                let (inner, negation) = (self.table(), *self.one(&["", "NOT "]));
                let column = self.one(inner.texts);
                let outer = self.one(table.texts);
                let condition = self.condition("i", inner, depth - 1);
                format!(
                    "{alias}.{outer} {negation}IN (SELECT i.{column} FROM {} i WHERE {condition})",
                    inner.name
                )
            }
        }
    }

    /// An expression that raises an error for some visible rows.
    fn raising(&mut self, alias: &str, table: &Table) -> String {
        match self.below(3) {
            0 => format!("100 / ({alias}.{} - {})", self.one(table.numbers), self.below(30)),
            1 => format!("{alias}.{}::int", self.one(table.texts)),
            _ => format!("sqrt({}::float8)", self.number(alias, table, 1)),
        }
    }

    fn source(&mut self) -> (String, &'static Table) {
        let table = self.table();
        let text = match self.below(8) {
            0 => format!(
                "(SELECT * FROM {} x WHERE {}) a",
                table.name,
                self.condition("x", table, 1)
            ),
            1..=3 => {
                let (other, kind) =
                    (self.table(), *self.one(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]));
                let (left, right) = (self.one(table.numbers), self.one(other.numbers));
                format!("{} a {kind} {} b ON a.{left} = b.{right}", table.name, other.name)
            }
            4 => {
                let other = self.table();
                let (left, right) = (self.one(table.texts), self.one(other.texts));
                format!(
                    "{} a CROSS JOIN LATERAL (SELECT count(*) AS n FROM {} l WHERE l.{right} = a.{left}) b",
                    table.name, other.name
                )
            }
            _ => format!("{} a", table.name),
        };
        (text, table)
    }

    fn plain(&mut self) -> String {
        let (source, table) = self.source();
        let number =
            if self.chance(12) { self.raising("a", table) } else { self.number("a", table, 2) };
        let text = self.text("a", table, 1);
        let filter = self.condition("a", table, 2);
        let limit = if self.chance(25) { " ORDER BY 1, 2 LIMIT 5" } else { "" };
        let distinct = if self.chance(15) { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{number} AS n, {text} AS t FROM {source} WHERE {filter}{limit}")
    }

    fn grouped(&mut self) -> String {
        let (source, table) = self.source();
        let (key, number) = (self.one(table.texts), self.number("a", table, 1));
        let filter = self.condition("a", table, 1);
        let set = *self.one(&["a.K", "ROLLUP (a.K)", "GROUPING SETS ((a.K), ())", "CUBE (a.K)"]);
        let having = if self.chance(30) { " HAVING count(*) > 1" } else { "" };
        format!(
            "SELECT a.{key}, count(*), sum({number}), max({number}), bool_or({filter}) FROM {source} GROUP BY {}{having}",
            set.replace('K', key)
        )
    }

    fn windowed(&mut self) -> String {
        let (source, table) = self.source();
        let (key, number) = (self.one(table.texts), self.one(table.numbers));
        let inner = self.number("a", table, 1);
        format!(
            "SELECT a.{key}, rank() OVER (PARTITION BY a.{key} ORDER BY a.{number}), sum({inner}) OVER (ORDER BY a.{number}) FROM {source}"
        )
    }

    fn combined(&mut self) -> String {
        let (left, right) = (self.table(), self.table());
        let operator = *self.one(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"]);
        let one = self.condition("a", left, 2);
        let other = self.condition("b", right, 2);
        let (x, y) = (self.one(left.texts), self.one(right.texts));
        let body = format!(
            "SELECT a.{x} AS v FROM {} a WHERE {one} {operator} SELECT b.{y} FROM {} b WHERE {other}",
            left.name, right.name
        );
        if self.chance(40) {
            format!("WITH c AS ({body}) SELECT v, count(*) FROM c GROUP BY v")
        } else {
            body
        }
    }

    fn write(&mut self) -> String {
        let table = &TABLES[self.below(3)];
        let filter = self.condition(table.name, table, 1);
        let returning = format!("RETURNING {}", self.one(table.numbers));
        match self.below(5) {
            0 => format!("DELETE FROM {} WHERE {filter} {returning}", table.name),
            1 => {
                let region = *self.one(&["'North'", "'South'", "'East'"]);
                let id = self.below(30) + 1;
                let end = *self.one(&[
                    "",
                    " ON CONFLICT DO NOTHING",
                    " ON CONFLICT (id) DO UPDATE SET note = excluded.note",
                ]);
                format!(
                    "INSERT INTO orders (id, region, customer_id, note) VALUES ({id}, {region}, 1, 'new'){end}"
                )
            }
            2 => format!(
                "UPDATE orders SET region = {} WHERE orders.id = {}",
                self.one(&["'North'", "'South'"]),
                self.below(30)
            ),
            _ => {
                let column = table.numbers[table.numbers.len() - 1];
                let value = self.number(table.name, table, 1);
                format!("UPDATE {} SET {column} = {value} WHERE {filter} {returning}", table.name)
            }
        }
    }

    /// One statement.
    pub fn statement(&mut self) -> String {
        match self.below(10) {
            0..=3 => self.plain(),
            4 | 5 => self.grouped(),
            6 => self.windowed(),
            7 => self.combined(),
            _ => self.write(),
        }
    }
}
