//! What of PostgreSQL itself a statement may use: functions, types and operators of `pg_catalog`, by name.
//!
//! In:  a name that has been resolved to `pg_catalog`, or the OID of a type there.
//! Out: whether it is on the list, and what is known of it.
//!
//! Invariants:
//! - A name that is not listed is refused: these are allow-lists, there is no list of what is forbidden.
//! - A listed name is harmless with every overload that PostgreSQL 13 to 18 has for it (wall 1: nothing reads or
//!   changes anything but its arguments). The lists hold for names in `pg_catalog` only: a function of the same name
//!   elsewhere is another function.
//! - A [`Family`] is given only to types whose comparison cannot raise (wall 2).

mod catalog;
mod comparison;
mod functions;
mod table;

pub use catalog::{Alias, Given, Lookup, Object, Replaced, lookup};
pub use comparison::{Family, comparison_family, cross_type_safe};

use table::{count, sorted};

/// How a function may be called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FunctionClass {
    /// One value for one call.
    Plain,
    /// One value for a group of rows; also a window function where OVER follows.
    Aggregate,
    /// Needs OVER; ranks may stand WITHIN GROUP instead.
    Window,
    /// A set of rows.
    SetReturning,
}

/// The class of a built-in function that may be called; `None` for all others.
#[must_use]
pub fn function(name: &str) -> Option<FunctionClass> {
    let listed = |names: &[&str]| names.binary_search(&name).is_ok();
    if listed(&functions::PLAIN) {
        Some(FunctionClass::Plain)
    } else if listed(&functions::AGGREGATE) {
        Some(FunctionClass::Aggregate)
    } else if listed(&functions::SET_RETURNING) {
        Some(FunctionClass::SetReturning)
    } else if listed(&functions::WINDOW) {
        Some(FunctionClass::Window)
    } else {
        None
    }
}

/// Built-in functions on the list that give something else each time they are asked within one statement, in
/// PostgreSQL 13 to 18 (`provolatile`).
const VOLATILE: [&str; 7] = [
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// Whether a built-in function may give something else when it is asked again on the same row.
#[must_use]
pub fn volatile(name: &str) -> bool {
    VOLATILE.contains(&name)
}

/// Functions whose first argument may be a text search configuration, none of which gives it back.
const CONFIGURABLE: [&str; 8] = [
    "json_to_tsvector",
    "jsonb_to_tsvector",
    "phraseto_tsquery",
    "plainto_tsquery",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "websearch_to_tsquery",
];

/// Whether a built-in function takes a `regconfig` first.
#[must_use]
pub fn takes_configuration(name: &str) -> bool {
    CONFIGURABLE.contains(&name)
}

/// Types that a value may be cast to or declared as. Left out, with their arrays:
/// - OID aliases (`regclass` …; see [`Alias`]) and `aclitem`: their input looks names up in the catalog;
/// - `pg_node_tree`, `pg_snapshot`, `txid_snapshot`, statistics types: internals of the server;
/// - `refcursor`: names a portal; `cstring`, `internal`, `record`, `unknown` and the other pseudo-types.
const CASTABLE_TYPES: &[&str] = &["
    bit bool box bpchar bytea char cid cidr circle date datemultirange daterange float4 float8 inet int2 int2vector
    int4 int4multirange int4range int8 int8multirange int8range interval json jsonb jsonpath line lseg macaddr
    macaddr8 money name numeric nummultirange numrange oid oidvector path pg_lsn point polygon text tid time
    timestamp timestamptz timetz tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit varchar
    xid xid8 xml
"];

static CASTABLE: [&str; count(CASTABLE_TYPES)] = sorted(CASTABLE_TYPES);

/// Whether a value may be cast to the type of that name in `pg_catalog` (as the grammar gives it: `int4`, not `int`).
///
/// `_text` is the array of `text`, and as good.
#[must_use]
pub fn castable_type(name: &str) -> bool {
    let element = name.strip_prefix('_').unwrap_or(name);
    CASTABLE.binary_search(&element).is_ok()
}

/// Every operator of `pg_catalog`. Their functions in 13 to 18 are immutable, or stable by the time zone and text
/// search configuration; none reads anything but its arguments.
const OPERATORS: &[&str] = &["
    !! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <=
    <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~=
    ~>=~ ~>~ ~~ ~~*
"];

static OPERATOR_TABLE: [&str; count(OPERATORS)] = sorted(OPERATORS);

/// Whether `pg_catalog` has operators of that name, all of them harmless. `!=` is `<>` to the grammar.
#[must_use]
pub fn operator(name: &str) -> bool {
    OPERATOR_TABLE.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests;
