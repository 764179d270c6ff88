//! What is known of an expression without asking the database: its type, and whether it can give anything away.
//!
//! A conjunct that is *calm* cannot raise an error or call out whatever its input, so it may be evaluated on a
//! row that the reader may not see. Any other conjunct must run after the row predicate (DESIGN §4, "Order").
//! An operation on *literals* alone counts as calm where it is immutable: PostgreSQL folds it while planning, so
//! that it raises whatever the rows are. A stable one is not folded: it could raise for one row and not another.

use crate::builtin::{self, Family};
use crate::catalog::Oid;

/// Type OIDs of `pg_catalog` that the analysis names.
pub(crate) mod oid {
    use crate::catalog::Oid;
    pub(crate) const BOOL: Oid = Oid(16);
    pub(crate) const INT8: Oid = Oid(20);
    pub(crate) const INT2: Oid = Oid(21);
    pub(crate) const INT4: Oid = Oid(23);
    pub(crate) const TEXT: Oid = Oid(25);
    pub(crate) const OID: Oid = Oid(26);
    /// Not a type of PostgreSQL's: the row `(x, n)` that `information_schema._pg_expandarray` gives.
    pub(crate) const EXPANDED: Oid = Oid(u32::MAX);
    pub(crate) const FLOAT4: Oid = Oid(700);
    pub(crate) const FLOAT8: Oid = Oid(701);
    pub(crate) const UNKNOWN: Oid = Oid(705);
    pub(crate) const DATE: Oid = Oid(1082);
    pub(crate) const TIME: Oid = Oid(1083);
    pub(crate) const TIMESTAMP: Oid = Oid(1114);
    pub(crate) const TIMESTAMPTZ: Oid = Oid(1184);
    pub(crate) const TIMETZ: Oid = Oid(1266);
    pub(crate) const INTERVAL: Oid = Oid(1186);
    pub(crate) const NUMERIC: Oid = Oid(1700);
    pub(crate) const NAME: Oid = Oid(19);
    pub(crate) const VARCHAR: Oid = Oid(1043);
    pub(crate) const BPCHAR: Oid = Oid(1042);
    pub(crate) const UUID: Oid = Oid(2950);
    pub(crate) const BYTEA: Oid = Oid(17);
    pub(crate) const JSON: Oid = Oid(114);
    pub(crate) const JSONB: Oid = Oid(3802);
}

/// Which accesses of a statement an expression's value comes from: a bit for each, the last one for all from 127 up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sources(u128);

impl Sources {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn of(access: usize) -> Self {
        Self(1 << access.min(127))
    }

    /// All accesses in a range.
    pub(crate) fn range(range: &std::ops::Range<usize>) -> Self {
        range.clone().fold(Self::NONE, |sources, access| sources.with(Self::of(access)))
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without accesses that certainly are in the range: those that share the last bit stay.
    pub(crate) fn without(self, range: &std::ops::Range<usize>) -> Self {
        let certain = range.start.min(127)..range.end.min(127);
        Self(self.0 & !Self::range(&certain).0)
    }

    /// Those that the other set has not.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that the other set has as well.
    pub(crate) fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the access is or may be in the set.
    pub(crate) fn contains(self, access: usize) -> bool {
        self.0 & Self::of(access).0 != 0
    }

    /// Whether the access certainly is in the set.
    pub(crate) fn holds(self, access: usize) -> bool {
        access < 127 && self.contains(access)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The access, if it is just one.
    pub(crate) fn single(self) -> Option<usize> {
        let only = self.0.count_ones() == 1 && self.0.trailing_zeros() < 127;
        only.then(|| self.0.trailing_zeros() as usize)
    }
}

/// What the expressions walked so far read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Touched {
    /// Accesses whose rows it could be evaluated on before their predicates.
    pub(crate) sources: Sources,
    /// Reads a value of some row. Without sources it does so behind an aggregate or its like: only rows that were
    /// admitted get there.
    pub(crate) rows: bool,
    /// Reads something else than columns of relations as they are stored: a derived column, a mask, a sub-select.
    pub(crate) derived: bool,
}

impl Touched {
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            sources: self.sources.with(other.sources),
            rows: self.rows || other.rows,
            derived: self.derived || other.derived,
        }
    }
}

/// What is known of an expression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shape {
    /// Its type, if known; `UNKNOWN` for a string constant or parameter that takes the other side's type.
    pub(crate) kind: Option<Oid>,
    /// Cannot raise and cannot call out.
    pub(crate) calm: bool,
    /// Made of constants in the text alone.
    pub(crate) literal: bool,
    /// Of a column: where its value comes from. Of any other expression: set by `Walker::expression`.
    pub(crate) sources: Sources,
    /// Of a text: a collation that is known and deterministic; 0 otherwise.
    pub(crate) collation: Oid,
    /// Of a number: it has at most so many digits before and after the point together; 0 where no bound is known.
    pub(crate) digits: u16,
    /// A value of an enum type.
    pub(crate) enumerated: bool,
}

impl Shape {
    /// Nothing is known: may raise, reads rows.
    pub(crate) const OPAQUE: Self = Self {
        kind: None,
        calm: false,
        literal: false,
        sources: Sources::NONE,
        collation: Oid(0),
        digits: 0,
        enumerated: false,
    };
    /// A string constant or a parameter.
    pub(crate) const UNKNOWN: Self = Self::literal(oid::UNKNOWN);

    /// A constant of that type.
    pub(crate) const fn literal(kind: Oid) -> Self {
        Self { kind: Some(kind), calm: true, literal: true, ..Self::OPAQUE }
    }

    /// A value of that type that cannot raise: read from a row, or a function such as now().
    pub(crate) const fn value(kind: Oid) -> Self {
        Self { kind: Some(kind), calm: true, ..Self::OPAQUE }
    }

    /// A boolean made of parts.
    pub(crate) fn truth(parts: &[Self], calm_operation: bool) -> Self {
        let literal = parts.iter().all(|part| part.literal);
        let calm = calm_operation && parts.iter().all(|part| part.calm);
        Self { kind: Some(oid::BOOL), calm, literal, ..Self::OPAQUE }
    }

    /// The same expression with another type.
    pub(crate) fn with_kind(self, kind: Option<Oid>) -> Self {
        Self { kind, ..self }
    }
}

/// Whether `left = right` and its kin compare by a built-in operator that cannot raise.
///
/// Two texts of which neither is a constant may have different collations: PostgreSQL finds that out when it compares
/// them, row by row (42P22). The default one gives way to any other (chapter 24.2.1). Enums compare by OID, or by the sort order of labels that exist (`enum_cmp_internal`).
pub(crate) fn comparable(left: Shape, right: Shape) -> bool {
    if textual(left) && textual(right) && !constant(left) && !constant(right) {
        let known = left.collation != Oid(0) && right.collation != Oid(0);
        let default = left.collation == DEFAULT || right.collation == DEFAULT;
        return known && (default || left.collation == right.collation);
    }
    let unknown = |shape: Shape| shape.kind == Some(oid::UNKNOWN);
    if left.enumerated || right.enumerated {
        return left.kind == right.kind || unknown(left) || unknown(right);
    }
    let (Some(left), Some(right)) = (left.kind, right.kind) else { return false };
    match (left == oid::UNKNOWN, right == oid::UNKNOWN) {
        (true, true) => true,
        (true, false) => builtin::comparison_family(right.0).is_some(),
        (false, true) => builtin::comparison_family(left.0).is_some(),
        (false, false) => same_family(left, right),
    }
}

/// A string constant, a parameter, or made of them: has the default collation, which gives way to the other side's.
fn constant(shape: Shape) -> bool {
    shape.literal || shape.kind == Some(oid::UNKNOWN)
}

fn same_family(left: Oid, right: Oid) -> bool {
    if left == right {
        return builtin::comparison_family(left.0).is_some();
    }
    match (builtin::comparison_family(left.0), builtin::comparison_family(right.0)) {
        // `integer = numeric` casts the integer, which cannot fail; floats are left out, since a numeric out of
        // their range raises.
        (Some(Family::Integer), Some(Family::Numeric))
        | (Some(Family::Numeric), Some(Family::Integer)) => left != Oid(26) && right != Oid(26),
        // `bigint = oid` casts the bigint, which raises out of range.
        (Some(Family::Integer), Some(Family::Integer)) => left != Oid(26) && right != Oid(26),
        (Some(left), Some(right)) => left == right && builtin::cross_type_safe(left),
        (None, _) | (_, None) => false,
    }
}

/// Whether the type is a string type on which LIKE, `||`, lower and upper work without raising.
pub(crate) fn textual(shape: Shape) -> bool {
    [oid::TEXT, oid::VARCHAR, oid::BPCHAR, oid::NAME, oid::UNKNOWN]
        .iter()
        .any(|kind| shape.kind == Some(*kind))
}

/// The database's default collation in `pg_collation.dat`.
const DEFAULT: Oid = Oid(100);

/// The collation of a value that is cast: a text keeps its own, anything else gets the type's.
pub(crate) fn cast_collation(from: Shape, to: Option<Oid>) -> Oid {
    match to {
        Some(oid::TEXT | oid::VARCHAR | oid::BPCHAR)
            if textual(from) && from.kind != Some(oid::UNKNOWN) =>
        {
            from.collation
        }
        Some(oid::TEXT | oid::VARCHAR | oid::BPCHAR) => DEFAULT,
        _ => Oid(0),
    }
}

/// Whether a pattern match on it cannot raise: PostgreSQL refuses one under a collation that is not deterministic, row
/// by row.
pub(crate) fn matchable(shape: Shape) -> bool {
    textual(shape) && (shape.literal || shape.collation != Oid(0))
}

/// Whether a value of type `from` can be cast to `to` without raising, whatever it is.
pub(crate) fn calm_cast(from: Option<Oid>, to: Option<Oid>) -> bool {
    let (Some(from), Some(to)) = (from, to) else { return false };
    if from == to {
        return true;
    }
    let widening: &[Oid] = match from {
        oid::INT2 => &[oid::INT4, oid::INT8, oid::NUMERIC, oid::FLOAT4, oid::FLOAT8, oid::TEXT],
        oid::INT4 => &[oid::INT8, oid::NUMERIC, oid::FLOAT4, oid::FLOAT8, oid::TEXT],
        oid::INT8 => &[oid::NUMERIC, oid::FLOAT4, oid::FLOAT8, oid::TEXT],
        oid::FLOAT4 => &[oid::FLOAT8, oid::TEXT],
        oid::VARCHAR | oid::BPCHAR | oid::NAME => &[oid::TEXT],
        oid::TEXT => &[oid::VARCHAR],
        oid::NUMERIC | oid::FLOAT8 | oid::BOOL | oid::UUID => &[oid::TEXT],
        oid::TIMESTAMP | oid::TIMESTAMPTZ => &[oid::DATE],
        _ => &[],
    };
    widening.contains(&to)
}
