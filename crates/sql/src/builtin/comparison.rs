//! Which built-in types can be compared on rows that the reader may not see (DESIGN §4, "Order").
//!
//! In:  type OIDs.
//! Out: a [`Family`], or nothing: then a comparison must wait for the row predicate.
//!
//! Invariants:
//! - `= <> < <= > >=` of `pg_catalog` on two values of one family's type cannot raise an error, whatever stored
//!   values they are given, in PostgreSQL 13 to 18. (Corrupt pages and lack of memory aside: neither depends on
//!   what a hidden value says.)
//! - Each of these functions is marked `proleakproof` by PostgreSQL itself, or the variant says why it could be.

/// Types with comparison operators in common.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// int2, int4, int8: machine comparison; every pair has an operator of its own (`int24eq` …), so nothing is cast.
    Integer,
    /// oid: machine comparison. Not an integer here: `oid = int8` casts the int8, which raises out of range.
    Oid,
    /// float4, float8: NaN is greater than all and equal to itself (`float8_cmp_internal`); `float48eq` and kin
    /// widen the float4, which is exact.
    Float,
    /// numeric: `cmp_numerics` compares digits of stored values, NaN and infinities by cases. Nothing is computed,
    /// so nothing can overflow.
    Numeric,
    /// text, varchar, bpchar, name: `varstr_cmp` or `bpcharcmp`; name has operators with text of its own, and
    /// the casts between the four only relabel, trim or cut. Needs a collation that is known when the statement is
    /// planned (the column's, or one that the statement names): with two different ones PostgreSQL raises before it
    /// looks at any value.
    Text,
    /// bool: machine comparison.
    Boolean,
    /// date, timestamp, timestamptz: 64-bit or 32-bit comparison. Across types a value that does not fit counts as
    /// beyond every finite one since 13.1 (`date2timestamp_opt_overflow`); 13.0 raised for dates after 294276.
    DateTime,
    /// time: 64-bit comparison.
    Time,
    /// timetz: both moved to UTC, without a range check (`timetz_cmp_internal`).
    TimeTz,
    /// interval: both as 128-bit microseconds, which hold every interval (`interval_cmp_value`).
    Interval,
    /// uuid: `memcmp` of 16 bytes.
    Uuid,
    /// bytea: `memcmp`, then length.
    Bytea,
    /// "char": one byte.
    Char,
    /// macaddr: two machine words.
    MacAddr,
    /// macaddr8: two machine words.
    MacAddr8,
    /// inet, cidr: `network_cmp_internal`, bits and lengths; cidr is inet by another name.
    Network,
    /// money: 64-bit comparison.
    Money,
    /// bit, varbit: `memcmp`, then length; one is the other by another name.
    BitString,
}

/// The family of a built-in type, by its OID in `pg_type.dat`; `None` if its comparison is not known never to raise.
///
/// Left out: arrays, ranges, records and domains (their elements' operators are another's), jsonb (compares by the
/// database's collation, elements of any depth), enums (look up the catalog for labels added later), xml and json
/// (no operators), geometry (compares by area), xid and tid (not values of a user).
#[must_use]
pub fn comparison_family(type_oid: u32) -> Option<Family> {
    match type_oid {
        20 | 21 | 23 => Some(Family::Integer),
        26 => Some(Family::Oid),
        700 | 701 => Some(Family::Float),
        1700 => Some(Family::Numeric),
        19 | 25 | 1042 | 1043 => Some(Family::Text),
        16 => Some(Family::Boolean),
        1082 | 1114 | 1184 => Some(Family::DateTime),
        1083 => Some(Family::Time),
        1266 => Some(Family::TimeTz),
        1186 => Some(Family::Interval),
        2950 => Some(Family::Uuid),
        17 => Some(Family::Bytea),
        18 => Some(Family::Char),
        829 => Some(Family::MacAddr),
        774 => Some(Family::MacAddr8),
        650 | 869 => Some(Family::Network),
        790 => Some(Family::Money),
        1560 | 1562 => Some(Family::BitString),
        _ => None,
    }
}

/// Whether two different types of that family compare without raising: by an operator of their own, or after a cast
/// that cannot fail. (Families of one type have no two different types.)
#[must_use]
pub fn cross_type_safe(family: Family) -> bool {
    match family {
        Family::Integer
        | Family::Float
        | Family::Text
        | Family::DateTime
        | Family::Network
        | Family::BitString => true,
        Family::Oid
        | Family::Numeric
        | Family::Boolean
        | Family::Time
        | Family::TimeTz
        | Family::Interval
        | Family::Uuid
        | Family::Bytea
        | Family::Char
        | Family::MacAddr
        | Family::MacAddr8
        | Family::Money => false,
    }
}
