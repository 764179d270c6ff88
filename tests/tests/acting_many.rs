//! Two people through one upstream connection: ten thousand transactions of a service account, each as one of them.
//!
//! In:  a seed (`PGCORDON_SEED`, else the clock's), how many transactions (`PGCORDON_TRANSACTIONS`, else 10,000).
//! Out: nothing, or the first answer that names somebody else's row.
//!
//! Invariants:
//! - Every row names its owner, so that a row of another's cannot go unseen.
//! - Several connections of the service account take turns on the one connection, with errors, rollbacks, savepoints and
//!   cancels at random.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::generate::Random;
use e2e::proxy::{Proxy, verifier};
use e2e::script::converse;
use e2e::{Answer, Client, Cluster};

const PEOPLE: [&str; 2] = ["rita", "ralf"];
const CLIENTS: u64 = 4;

const SCHEMA: &str = "\
    CREATE ROLE pgcordon LOGIN PASSWORD 'pgcordon_pw';
    CREATE TABLE public.owned (id serial PRIMARY KEY, owner text NOT NULL, note text NOT NULL DEFAULT '');
    INSERT INTO public.owned (owner) SELECT name FROM unnest(ARRAY['rita', 'ralf']) AS name, generate_series(1, 20);
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.owned TO pgcordon;
    GRANT USAGE ON SEQUENCE public.owned_id_seq TO pgcordon;";

const POLICY: &str = "\
roles: { person: {}, service: {} }
users:
  rita: { roles: [person] }
  ralf: { roles: [person] }
  app: { password: \"<app>\", roles: [service], may_act_as: { roles: [person] } }
databases:
  owned: { upstream: main, dbname: owned, connect: { roles: [person, service] } }
tables:
  public.owned:
    - name: own
      to: [person]
      allow: [select, insert, update, delete]
      rows: owner = {user.name}
";

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn seed() -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    setting("PGCORDON_SEED").unwrap_or_else(clock)
}

/// One connection of the service account.
struct Session<'p> {
    client: Client,
    proxy: &'p Proxy,
    random: Random,
    /// Rows seen, so that a run that sees nothing fails.
    rows: usize,
    /// Transactions that were cut off by a cancel.
    cancelled: usize,
}

impl Session<'_> {
    fn person(&mut self) -> &'static str {
        PEOPLE[self.random.below(PEOPLE.len())]
    }

    /// No answer names anybody else; only errors that were asked for.
    fn look(&mut self, person: &str, answer: &Answer) {
        for row in answer.results.iter().flat_map(|result| &result.rows) {
            let owner = row.first().and_then(Option::as_deref).unwrap_or_default();
            assert_eq!(owner, person, "a row of somebody else's: {answer:?}");
            self.rows += 1;
        }
        self.expect(answer, &["22012", "42501", "25P02"]);
    }

    fn expect(&mut self, answer: &Answer, expected: &[&str]) {
        self.cancelled += usize::from(answer.sqlstate() == "57014");
        let known = ["", "57014"].iter().chain(expected).any(|one| *one == answer.sqlstate());
        assert!(known, "{answer:?}");
    }

    /// A cancel for this session, now or when it is at something else.
    fn cancel(&self) -> std::thread::JoinHandle<()> {
        let (port, key) = (self.proxy.port(), self.client.key.clone());
        std::thread::spawn(move || Client::cancel(port, &key))
    }

    /// One transaction in one of the ways in which an application may say for whom.
    fn transaction(&mut self) {
        let person = self.person();
        let cancel = (self.random.below(50) == 0).then(|| self.cancel());
        match self.random.below(6) {
            0 => self.in_one_message(person),
            1 => self.pipelined(person),
            2 => self.for_the_session(person),
            3 => self.prepared(person),
            _ => self.step_by_step(person),
        }
        if let Some(cancel) = cancel {
            cancel.join().expect("a cancel request");
        }
        // Whatever a cancel has cut off, or SET has left.
        loop {
            let answer = self.client.simple("SHOW pgcordon.user");
            match (answer.status, answer.table().as_str()) {
                ('I', "app") => break,
                ('I', _) => self.client.simple("RESET pgcordon.user"),
                (_, _) => self.client.simple("ROLLBACK"),
            };
        }
        // Between them it is nobody.
        if self.random.below(4) == 0 {
            let answer = self.client.simple("SELECT owner FROM owned");
            assert!(["42P01", "57014"].contains(&answer.sqlstate()), "as itself: {answer:?}");
        }
    }

    fn statement(&mut self, person: &str) -> String {
        let other = PEOPLE.into_iter().find(|other| *other != person).unwrap_or_default();
        match self.random.below(10) {
            // Long enough for a cancel to meet it.
            9 if self.random.below(4) == 0 => {
                "SELECT owner FROM owned, generate_series(1, 20000) WHERE owner <> owner".to_owned()
            }
            0 => "SELECT owner, 1 / 0 FROM owned".to_owned(),
            1 => format!("INSERT INTO owned (owner) VALUES ('{person}') RETURNING owner"),
            2 => format!("INSERT INTO owned (owner) VALUES ('{other}') RETURNING owner"),
            3 => format!("UPDATE owned SET note = 'by {person}' RETURNING owner"),
            4 => "DELETE FROM owned WHERE id > 60 RETURNING owner".to_owned(),
            5 => format!("SELECT owner FROM owned WHERE owner = '{other}' OR id < 100"),
            _ => "SELECT owner FROM owned".to_owned(),
        }
    }

    fn step_by_step(&mut self, person: &'static str) {
        let set = match self.random.below(3) {
            0 => format!("SELECT set_config('pgcordon.user', '{person}', true)"),
            1 => format!("SET pgcordon.user = '{person}'"),
            _ => format!("SET LOCAL pgcordon.user TO '{person}'"),
        };
        for sql in ["BEGIN", &set] {
            let answer = self.client.simple(sql);
            self.expect(&answer, &["25P02"]);
            if answer.error.is_some() {
                return;
            }
        }
        for _ in 0..=self.random.below(3) {
            let savepoint = self.random.below(4) == 0;
            if savepoint {
                let answer = self.client.simple("SAVEPOINT a");
                self.look(person, &answer);
            }
            let sql = self.statement(person);
            let answer = self.client.simple(&sql);
            self.look(person, &answer);
            if savepoint {
                let answer = self.client.simple("ROLLBACK TO a");
                self.expect(&answer, &["3B001", "25P02"]);
            }
        }
        // Nobody else in the same transaction.
        if self.random.below(3) == 0 {
            let other = self.person();
            let answer = self.client.simple(&format!("SET LOCAL pgcordon.user = '{other}'"));
            self.expect(&answer, &["25001", "25P02"]);
            assert!(answer.error.is_some() || other == person, "{answer:?}");
        }
        let end = ["COMMIT", "ROLLBACK"][self.random.below(2)];
        let answer = self.client.simple(end);
        self.expect(&answer, &[]);
    }

    fn in_one_message(&mut self, person: &str) {
        let (first, second) = (self.statement(person), self.statement(person));
        let local = format!("SET LOCAL pgcordon.user = '{person}'");
        let sql = match self.random.below(2) {
            0 => format!("BEGIN; {local}; {first}; {second}; COMMIT"),
            _ => format!("{local}; {first}; {second}"),
        };
        let answer = self.client.simple(&sql);
        self.look(person, &answer);
    }

    fn for_the_session(&mut self, person: &str) {
        let answer = self.client.simple(&format!("SET pgcordon.user = '{person}'"));
        self.expect(&answer, &[]);
        if answer.error.is_none() {
            for _ in 0..=self.random.below(2) {
                let sql = self.statement(person);
                let answer = self.client.simple(&sql);
                self.look(person, &answer);
            }
        }
        let reset = ["RESET pgcordon.user", "RESET ALL", "DISCARD ALL"][self.random.below(3)];
        let answer = self.client.simple(reset);
        self.expect(&answer, &[]);
    }

    /// Everything in one batch of the extended protocol.
    fn pipelined(&mut self, person: &str) {
        let sql = self.statement(person);
        let run = |sql: &str| format!("parse -: {sql}\nbind - -\nexecute -\n");
        let end = ["COMMIT", "ROLLBACK"][self.random.below(2)];
        let script = [
            run("BEGIN"),
            run(&format!("SET LOCAL pgcordon.user = '{person}'")),
            run(&sql),
            run(end),
            "sync".to_owned(),
        ];
        self.conversation(person, &script.concat());
    }

    /// One prepared statement for both people.
    fn prepared(&mut self, person: &str) {
        let script = format!(
            "parse -: BEGIN\nbind - -\nexecute -\nsync\n\
             parse -: SELECT set_config('pgcordon.user', $1, true)\nbind - - ({person})\nexecute -\nsync\n\
             close statement own\nparse own: SELECT owner FROM owned WHERE id > $1\nbind - own (0)\nexecute -\nsync\n\
             bind - own (10)\nexecute - 3\nexecute - 2\nsync\n\
             parse -: COMMIT\nbind - -\nexecute -\nsync"
        );
        self.conversation(person, &script);
        // It runs as whoever counts when it is bound, and now that is nobody.
        let said = converse(&mut self.client, "bind - own (0)\nexecute -\nsync");
        assert!(!said.contains("\nD "), "as itself: {said}");
    }

    fn conversation(&mut self, person: &str, script: &str) {
        let said = converse(&mut self.client, script);
        for line in said.lines() {
            match line.split_once(' ') {
                Some(("D", owner)) => {
                    assert!(owner == person || owner.starts_with(&format!("{person} ")), "{said}");
                    self.rows += 1;
                }
                Some(("E", state)) => {
                    self.cancelled += usize::from(state == "57014");
                    // A cancel undoes SET with its transaction, and then it is nobody's table.
                    let known = ["57014", "22012", "42501", "25P02", "42P01", "26000", "34000"];
                    assert!(known.contains(&state), "{said}");
                }
                _ => {}
            }
        }
    }
}

/// Runs so many transactions from one connection; rows seen, and cancels that hit.
fn run(proxy: &Proxy, seed: u64, count: u64) -> (usize, usize) {
    let client = proxy.client("app", "app_pw", "owned");
    let random = Random::new(seed);
    let mut session = Session { client, proxy, random, rows: 0, cancelled: 0 };
    for _ in 0..count {
        session.transaction();
    }
    (session.rows, session.cancelled)
}

#[test]
fn nobody_sees_a_row_of_the_other() {
    let (seed, count) = (seed(), setting("PGCORDON_TRANSACTIONS").unwrap_or(10_000));
    let said = format!("PGCORDON_SEED={seed}, {count} transactions\n");
    std::io::stderr().write_all(said.as_bytes()).expect("stderr takes a line");
    let cluster = Cluster::start();
    cluster.load("owned", &[SCHEMA]);
    let policy = POLICY.replace("<app>", &verifier("app_pw"));
    let more = "limits: { queue_timeout: 60s }\n";
    let proxy = Proxy::start_pooled(cluster.port(), &policy, more, 1);
    let results: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let proxy = &proxy;
                    move || run(proxy, seed + client, count / CLIENTS)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no transaction fails")).collect()
    });
    let (rows, cancelled) = results.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(rows as u64 > count, "PGCORDON_SEED={seed}: {rows} rows only");
    std::io::stderr()
        .write_all(format!("{rows} rows, {cancelled} cancelled\n").as_bytes())
        .expect("stderr takes a line");
    // One upstream connection, beside those that read the catalog.
    let owned = "SELECT string_agg(DISTINCT owner, ',' ORDER BY owner) FROM owned WHERE note NOT IN ('', 'by ' || owner)";
    assert_eq!(
        cluster.admin("owned").run(owned).table(),
        "NULL",
        "an update reached another's row"
    );
}
