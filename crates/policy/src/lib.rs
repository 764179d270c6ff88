//! Who may do what: YAML in, decisions out.
//!
//! # The way of a policy
//!
//! | step | from | to | on trouble |
//! |---|---|---|---|
//! | [`yaml::parse`] | text | nodes with their places | [`Mistake`] |
//! | [`load`] | nodes of all files | [`Policy`]: people, databases, rules | every [`Mistake`] at once |
//! | [`Policy::principal`] | an [`Identity`] and a database name | [`Principal`] | [`ConnectDenial`] |
//! | [`Policy::bind`] | a catalog snapshot | [`BoundPolicy`] | [`Mistake`]s; the rule is broken and refuses |
//! | [`BoundPolicy::decide`] | principal, relation, command | [`Decision`] | [`Denial`] |
//!
//! # The language, as far as it is built
//!
//! Sections: `attributes`, `roles`, `groups`, `users`, `databases`, `masks`, `tables`, `functions`, `limits`,
//! `queries`, `tests`. They may be spread over files; a name may be defined once. Keys of the language that are not
//! built yet (`attributes_query`) are refused.
//!
//! - **Names are the catalog's names, exactly**; nothing folds case. `orders` is `public.orders`. Double quotes
//!   are needed only where a part holds a dot, a star or a quote: `public."odd.name"`.
//! - **Roles** include what they name. A rule for `sales_rep` is also about everyone whose role includes it.
//! - **Attributes** are `text`, `int`, `bigint`, `bool`, `numeric`, `date`, `timestamp`, `timestamptz`, `uuid`, or
//!   a list of one (`int[]`). A user's own value wins over that of groups; lists of several groups are united;
//!   groups that disagree on a single value are a mistake.
//! - **What authentication found out** ([`Identity`]) adds roles, groups and attributes. The user's own entry wins over
//!   claims, claims over groups; a value that does not fit its declared type refuses the person.
//! - **`ceiling: role`** on a user: roles that do not stand in the entry itself count as far as that role includes them.
//! - **`may_act_as: { roles, groups, users }`** on a user: whom they may act for. `roles` covers people who have no role
//!   beyond these; a role with `view_as: true` may look as anybody. Nobody acts for somebody with `bypass` who has none.
//! - **`until`** on a rule: a date (all of that day, in UTC) or a timestamp with its zone.
//! - **`limits`**: of several entries for one person the most generous counts, key by key.
//! - **`to` and `connect`**: `everyone` (whoever has logged in), `public` (visitors without a password too), a list of
//!   roles, or `{ roles, groups, users }`. What restricts everyone restricts visitors too.
//! - **`public: true`** lets visitors into a database: as user `public`, without a password, role, group or attribute.
//! - **`otherwise`**: the database in which people land whom `connect` does not include.
//! - **`queries`** are rules on statements, by `sql` (one statement, whatever its constants) or `match`. Any of them can
//!   refuse, nobody but `bypass` is above them, and what none is about is allowed.
//! - **A permissive rule** allows `[select]` unless `allow` says otherwise, **a restrictive one**
//!   (`restrict: true`) is about every command. `check` is as `rows` unless written. A restrictive rule alone
//!   grants nothing.
//! - **A key and wildcards** (`"schema.*"`, `"*.*"`) are both about a table: permissive rules OR, restrictive AND.
//!   An empty list means nobody, whatever a wildcard grants.
//! - **A partition or inheritance child** without a key of its own obeys its parent's rules, also when it is
//!   named directly; columns that the parent lacks are hidden. Wildcards may restrict it further.
//! - **Columns merge per cell** when several rules apply: clear on rows that a showing rule admits, else masked,
//!   else NULL. A column is writable only if every rule that allows the command leaves it untouched.
//! - **A rule that does not fit the catalog** refuses the relation to everyone whom the rule is for.
//! - **A missing attribute** of a rule that applies is an error, even where another rule would admit every row.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

mod attribute;
mod audience;
mod bind;
mod bound;
mod combine;
mod database;
pub mod decide;
mod expression;
mod feature;
mod grant;
pub mod identity;
mod limits;
mod merge;
pub mod mistake;
mod moment;
mod name;
mod people;
mod policy;
mod pooling;
pub mod principal;
mod provenance;
mod query;
mod reach;
mod rule;
mod sections;
mod subject;
mod testing;
pub mod yaml;

pub use bind::query::{QueryDenial, StatementPart};
pub use bound::{BoundPolicy, Coverage};
pub use database::Database;
pub use decide::{AppliedRule, Cell, ColumnAccess, Command, Decision, Denial, Expression, Filter};
pub use feature::Feature;
pub use grant::StatementGrant;
pub use identity::{Claims, Identity, Plain, Witness};
pub use limits::RoleLimits;
pub use mistake::{Mistake, MistakeKind, Place, Report, Source, did_you_mean};
pub use moment::Moment;
pub use people::{ActDenial, Acting};
pub use policy::{Policy, load};
pub use pooling::PoolMode;
pub use principal::{ConnectDenial, Principal};
pub use provenance::{Origin, Provenance};
pub use query::QueryCommand;
pub use subject::Subject;
pub use testing::{Expected, ExpectedRows, TestCase};
