//! Which parts of the language a policy uses.
//!
//! In:  a [`Policy`].
//! Out: [`Feature`]s, for whoever reviews it, and for the test that reviewed examples use every part.
//!
//! Invariants:
//! - What rules, audiences, databases and roles hold is named field by field: a new one does not compile until it is
//!   decided here which feature it is.

use std::collections::BTreeSet;

use crate::audience::Audience;
use crate::database::Database;
use crate::decide::Command;
use crate::grant::StatementGrant;
use crate::name::RelationPattern;
use crate::people::{Powers, Role};
use crate::policy::Policy;
use crate::query::{About, QueryRule, Shape, Who};
use crate::rule::{Rows, Rule, TableRules, Treatment};

/// The enum, all of it, and its words: no list can lack a variant.
macro_rules! features {
    ($($name:ident => $word:literal,)*) => {
        /// A part of the policy language.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Feature {
            $(#[doc = $word] $name,)*
        }

        impl Feature {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As a person calls it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

features! {
    Rows => "rows",
    RowsAll => "rows: all",
    Check => "check",
    Set => "set",
    Mask => "mask",
    Hide => "hide",
    Deny => "deny",
    Restrict => "restrict",
    WhenColumns => "when_columns",
    AllowSelect => "allow select",
    AllowInsert => "allow insert",
    AllowUpdate => "allow update",
    AllowDelete => "allow delete",
    AllowTruncate => "allow truncate",
    Nobody => "a table for nobody",
    WildcardOfSchema => "schema.*",
    WildcardOfAll => "*.*",
    ToEveryone => "to everyone",
    ToPublic => "to public",
    ToRoles => "to roles",
    ToGroups => "to groups",
    ToUsers => "to users",
    Until => "until",
    Includes => "includes",
    Bypass => "bypass",
    ViewAs => "view_as",
    StatementsExplain => "statements: explain",
    StatementsCreate => "statements: create",
    StatementsDdl => "statements: ddl",
    StatementsTemporary => "statements: temporary",
    Functions => "functions",
    Scope => "tables of a database",
    Limits => "limits",
    PublicDatabase => "public: true",
    Otherwise => "otherwise",
    QueriesSql => "queries: sql",
    QueriesCommand => "queries: command",
    QueriesRelation => "queries: relation",
    QueriesWithoutWhere => "queries: without_where",
    QueriesTo => "queries: to",
    QueriesDeny => "queries: deny",
    QueriesMessage => "queries: message",
}

impl Policy {
    /// The features that it uses, in the order of their definition.
    #[must_use]
    pub fn features(&self) -> BTreeSet<Feature> {
        let Self {
            people,
            databases,
            tables,
            functions,
            queries,
            limits,
            tests: _,
            notes: _,
            reach: _,
        } = self;
        let mut used = BTreeSet::new();
        for (name, role) in &people.roles {
            of_role(name, role, &mut used);
        }
        for database in databases.values() {
            of_database(database, &mut used);
        }
        for table in tables {
            of_table(table, &mut used);
        }
        if !functions.is_empty() {
            used.insert(Feature::Functions);
        }
        for rule in queries {
            of_query(rule, &mut used);
        }
        if !limits.is_empty() {
            used.insert(Feature::Limits);
        }
        used
    }
}

fn of_role(name: &str, role: &Role, used: &mut BTreeSet<Feature>) {
    let Role { closure, powers: Powers { bypass, view_as, statements } } = role;
    if closure.iter().any(|included| included != name) {
        used.insert(Feature::Includes);
    }
    if *bypass {
        used.insert(Feature::Bypass);
    }
    if *view_as {
        used.insert(Feature::ViewAs);
    }
    used.extend(statements.iter().map(|grant| match grant {
        StatementGrant::Explain => Feature::StatementsExplain,
        StatementGrant::Create => Feature::StatementsCreate,
        StatementGrant::Define => Feature::StatementsDdl,
        StatementGrant::Temporary => Feature::StatementsTemporary,
    }));
}

fn of_database(database: &Database, used: &mut BTreeSet<Feature>) {
    let Database {
        name: _,
        upstream: _,
        upstream_place: _,
        dbname: _,
        connect,
        public,
        otherwise,
        pool_mode: _,
        tables,
    } = database;
    of_audience(connect, used);
    let parts = [
        (tables.is_some(), Feature::Scope),
        (*public, Feature::PublicDatabase),
        (otherwise.is_some(), Feature::Otherwise),
    ];
    used.extend(parts.into_iter().filter(|(there, _)| *there).map(|(_, feature)| feature));
}

fn of_audience(audience: &Audience, used: &mut BTreeSet<Feature>) {
    let Audience { everyone, public, roles, groups, users } = audience;
    let parts = [
        (*public, Feature::ToPublic),
        (*everyone, Feature::ToEveryone),
        (!roles.is_empty(), Feature::ToRoles),
        (!groups.is_empty(), Feature::ToGroups),
        (!users.is_empty(), Feature::ToUsers),
    ];
    used.extend(parts.into_iter().filter(|(there, _)| *there).map(|(_, feature)| feature));
}

fn of_query(rule: &QueryRule, used: &mut BTreeSet<Feature>) {
    let QueryRule { name: _, code: _, about, who, message } = rule;
    match about {
        About::Same(_) => {
            used.insert(Feature::QueriesSql);
        }
        About::Like(Shape { commands, relations, without_where }) => {
            let parts = [
                (!commands.is_empty(), Feature::QueriesCommand),
                (!relations.is_empty(), Feature::QueriesRelation),
                (*without_where, Feature::QueriesWithoutWhere),
            ];
            used.extend(parts.into_iter().filter(|(there, _)| *there).map(|(_, one)| one));
        }
    }
    let (audience, feature) = match who {
        Who::Only(audience) => (audience, Feature::QueriesTo),
        Who::AllBut(audience) => (audience, Feature::QueriesDeny),
    };
    used.insert(feature);
    of_audience(audience, used);
    if message.is_some() {
        used.insert(Feature::QueriesMessage);
    }
}

fn of_table(table: &TableRules, used: &mut BTreeSet<Feature>) {
    let TableRules { pattern, place: _, rules } = table;
    match pattern {
        RelationPattern::Exact(_) => {}
        RelationPattern::Schema(_) => {
            used.insert(Feature::WildcardOfSchema);
        }
        RelationPattern::Every => {
            used.insert(Feature::WildcardOfAll);
        }
    }
    if rules.is_empty() {
        used.insert(Feature::Nobody);
    }
    for rule in rules {
        of_rule(rule, used);
    }
}

fn of_rule(rule: &Rule, used: &mut BTreeSet<Feature>) {
    let Rule {
        name: _,
        place: _,
        to,
        restrictive,
        commands,
        rows,
        check,
        presets,
        columns,
        when_columns,
        until,
    } = rule;
    of_audience(to, used);
    if *restrictive {
        used.insert(Feature::Restrict);
    } else {
        used.extend(commands.iter().map(|command| match command {
            Command::Select => Feature::AllowSelect,
            Command::Insert => Feature::AllowInsert,
            Command::Update => Feature::AllowUpdate,
            Command::Delete => Feature::AllowDelete,
            Command::Truncate => Feature::AllowTruncate,
        }));
    }
    used.insert(match rows {
        Rows::All => Feature::RowsAll,
        Rows::Test(_) => Feature::Rows,
    });
    let own_check = match (rows, check) {
        (Rows::All, Rows::All) => false,
        (Rows::All, Rows::Test(_)) | (Rows::Test(_), Rows::All) => true,
        // Left out, it is a copy of `rows` and stands where that stands.
        (Rows::Test(rows), Rows::Test(check)) => rows.scalar.place != check.scalar.place,
    };
    let parts = [
        (own_check, Feature::Check),
        (!presets.is_empty(), Feature::Set),
        (!when_columns.is_empty(), Feature::WhenColumns),
        (until.is_some(), Feature::Until),
    ];
    used.extend(parts.into_iter().filter(|(there, _)| *there).map(|(_, feature)| feature));
    used.extend(columns.iter().map(|(_, treatment)| match treatment {
        Treatment::Mask(_) => Feature::Mask,
        Treatment::Hide => Feature::Hide,
        Treatment::Deny => Feature::Deny,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistake::Source;

    fn check(text: &str, expected: &[&str]) {
        let source = Source { name: "f".to_owned(), text: text.to_owned() };
        let policy = crate::load(&[source], &[]).expect("no mistake");
        let words: Vec<&str> = policy.features().into_iter().map(Feature::word).collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn what_is_not_written_is_not_used() {
        check("", &[]);
        check("roles: { a: {} }", &[]);
        check("roles: { a: {}, b: { includes: [a] } }", &["includes"]);
        check(
            "tables: { t: [{ name: n, to: everyone, rows: a = 1, allow: [insert] }] }",
            &["rows", "allow insert", "to everyone"],
        );
        check(
            "tables: { t: [{ name: n, to: everyone, rows: a = 1, allow: [insert], check: a = 1 }] }",
            &["rows", "check", "allow insert", "to everyone"],
        );
        check("tables: { t: [] }", &["a table for nobody"]);
    }
}
