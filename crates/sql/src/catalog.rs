//! The catalog snapshot: what the database holds, as plain data.
//!
//! In:  [`SnapshotParts`], read from `pg_catalog` by `proxy::catalog`.
//! Out: a [`Snapshot`] that resolves names as PostgreSQL's `namespace.c` does.
//!
//! Invariants:
//! - A name that is not in the snapshot does not exist: callers refuse, they never pass it on.
//! - Immutable once made; a change of the database makes a new snapshot with a higher [`Epoch`].

use std::collections::{HashMap, HashSet};

/// An object identifier of `pg_catalog`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Oid(pub u32);

/// The version of a snapshot or a policy; grows with every reload.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(pub u64);

/// Index of a relation within one [`Snapshot`]; meaningless in any other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelationId(pub u32);

/// Index of a column within its relation's [`Relation::columns`], from 0.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ColumnId(pub u16);

/// `pg_class.relkind`, as far as a statement can read from it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RelationKind {
    /// `r`
    Table,
    /// `p`
    PartitionedTable,
    /// `v`
    View,
    /// `m`
    MaterializedView,
    /// `f`
    ForeignTable,
    /// `S`
    Sequence,
    /// `t`
    Toast,
    /// `c`: a composite type, not readable
    CompositeType,
    /// `i`, `I`: an index, not readable
    Index,
}

/// One column, in attribute order; dropped columns are left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// `attname`
    pub name: String,
    /// `atttypid`
    pub type_oid: Oid,
    /// The type, fully qualified and with its modifier, ready to stand after `AS` in a CAST:
    /// `pg_catalog.text`, `pg_catalog."numeric"(12,2)`, `public.customer_status`.
    pub type_sql: String,
    /// `attnotnull`
    pub not_null: bool,
    /// `attgenerated <> ''`
    pub generated: bool,
    /// `attidentity`: `Some(true)` for GENERATED ALWAYS, `Some(false)` for BY DEFAULT.
    pub identity_always: Option<bool>,
    /// `atthasdef`
    pub has_default: bool,
    /// `attnum`
    pub number: i16,
    /// `attcollation`
    pub collation: Oid,
    /// `atttypmod`
    pub type_modifier: i32,
}

/// A relation as far as names, columns and lineage go.
#[derive(Clone, Debug)]
pub struct Relation {
    /// `pg_class.oid`
    pub oid: Oid,
    /// `nspname`
    pub schema: String,
    /// `relname`
    pub name: String,
    /// `relkind`
    pub kind: RelationKind,
    /// In attribute order.
    pub columns: Vec<Column>,
    /// Direct parents in `pg_inherits` (partitions and inheritance), by oid.
    pub parents: Vec<Oid>,
    /// Columns of the primary key, in key order; empty without one.
    pub primary_key: Vec<ColumnId>,
    /// `pg_get_viewdef(oid)` of a view, made with an empty search_path so that every name in it is qualified.
    pub definition: Option<String>,
    /// Has a user trigger FOR EACH ROW before INSERT or UPDATE, or a rule on write: the stored row may
    /// differ from the one a statement names.
    pub rewrites_rows: bool,
}

impl Relation {
    /// The column of that name, if any. Exact: fold case before asking.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<ColumnId> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        u16::try_from(index).ok().map(ColumnId)
    }

    /// `schema.name`, quoted where PostgreSQL needs it.
    #[must_use]
    pub fn qualified(&self) -> String {
        crate::splice::qualified(&self.schema, &self.name)
    }
}

/// `pg_proc.prokind`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FunctionKind {
    /// `f`
    Function,
    /// `p`
    Procedure,
    /// `a`
    Aggregate,
    /// `w`
    Window,
}

/// A function outside `pg_catalog` and `information_schema`; those inside are known by name (`builtin`).
#[derive(Clone, Debug)]
pub struct Function {
    /// `pg_proc.oid`
    pub oid: Oid,
    /// `nspname`
    pub schema: String,
    /// `proname`
    pub name: String,
    /// `prokind`
    pub kind: FunctionKind,
    /// `proargtypes`
    pub arguments: Vec<Oid>,
    /// `prorettype`
    pub result: Oid,
    /// `proretset`
    pub returns_set: bool,
}

/// An operator outside `pg_catalog`.
#[derive(Clone, Debug)]
pub struct Operator {
    /// `nspname`
    pub schema: String,
    /// `oprname`
    pub name: String,
    /// `oprleft`; `Oid(0)` for a prefix operator
    pub left: Oid,
    /// `oprright`
    pub right: Oid,
}

/// `pg_type.typtype`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TypeKind {
    /// `b`: a base type, outside `pg_catalog` always an extension's or a user's own
    Base,
    /// `c`: a row type
    Composite,
    /// `d`
    Domain,
    /// `e`
    Enum,
    /// `r`
    Range,
    /// `m`
    Multirange,
    /// `p`
    Pseudo,
}

/// A type outside `pg_catalog` (array types left out: they follow their element).
#[derive(Clone, Debug)]
pub struct Type {
    /// `pg_type.oid`
    pub oid: Oid,
    /// `typarray`, `Oid(0)` without one
    pub array_oid: Oid,
    /// `nspname`
    pub schema: String,
    /// `typname`
    pub name: String,
    /// `typtype`
    pub kind: TypeKind,
    /// `typrelid`: the relation whose row type this is, `Oid(0)` otherwise
    pub relation: Oid,
}

/// What a write to a relation meets besides its columns and triggers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Writing {
    /// Commands for which the relation has a rule (CREATE RULE) that is in force, as `pg_rewrite.ev_type`: `2` is UPDATE, `3`
    /// INSERT, `4` DELETE.
    pub rules: String,
    /// A view has INSTEAD OF triggers, in force or not: PostgreSQL counts both.
    pub instead_of: bool,
    /// `pg_relation_is_updatable` of a view: a bit for each command that goes through to the relation behind it, `1 << 2`
    /// UPDATE, `1 << 3` INSERT, `1 << 4` DELETE.
    pub updatable: i32,
    /// A view's WITH CHECK OPTION.
    pub check: CheckOption,
}

/// WITH CHECK OPTION of a view.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CheckOption {
    /// Without.
    #[default]
    None,
    /// WITH LOCAL CHECK OPTION
    Local,
    /// WITH CASCADED CHECK OPTION
    Cascaded,
}

/// An index or a sequence, which is seen by whoever sees what it serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dependent {
    /// `pg_class.oid` of the index or sequence.
    pub oid: Oid,
    /// It is a sequence.
    pub sequence: bool,
    /// The relation that it serves: indexed, or with a column that takes its values from the sequence.
    pub relation: Oid,
    /// `attnum` of every column that it mentions.
    pub columns: Vec<i16>,
}

/// What `proxy::catalog` reads; [`Snapshot::new`] indexes it.
#[derive(Clone, Debug, Default)]
pub struct SnapshotParts {
    /// Version of this snapshot.
    pub epoch: Epoch,
    /// `server_version_num`, for example 150018.
    pub server_version: u32,
    /// `current_database()`: the real name, not the one a client connects with.
    pub database: String,
    /// All schemas, also empty ones.
    pub schemas: Vec<String>,
    /// The schema of the temporary relations of the session that read it (`pg_temp_3`); `None` where it has none.
    pub temporary: Option<String>,
    /// All relations of every schema, `pg_catalog` and `information_schema` included.
    pub relations: Vec<Relation>,
    /// Functions outside `pg_catalog` and `information_schema`.
    pub functions: Vec<Function>,
    /// Operators outside `pg_catalog`.
    pub operators: Vec<Operator>,
    /// Types outside `pg_catalog`.
    pub types: Vec<Type>,
    /// Names in `pg_catalog` by which `(x).name` could mean a call or a cast: functions of one argument, and types.
    pub field_calls: HashSet<String>,
    /// Views WITH (security_barrier).
    pub barriers: HashSet<Oid>,
    /// Views, and other relations that have rules.
    pub writing: HashMap<Oid, Writing>,
    /// Types that GROUP BY takes.
    pub groupable: HashSet<Oid>,
    /// Words, in lower case, of the messages that functions raise: the data owner wrote them, no row holds them.
    pub raised: HashSet<String>,
    /// Indexes and sequences outside the system's schemas; one entry for each relation that one serves.
    pub dependents: Vec<Dependent>,
}

/// An indexed, immutable catalog.
#[derive(Debug, Default)]
pub struct Snapshot {
    parts: SnapshotParts,
    by_name: HashMap<String, HashMap<String, RelationId>>,
    by_oid: HashMap<Oid, RelationId>,
    functions: HashMap<String, Vec<usize>>,
    operators: HashMap<String, Vec<usize>>,
    types: HashMap<String, Vec<usize>>,
    type_oids: HashMap<Oid, usize>,
    children: HashMap<Oid, Vec<RelationId>>,
}

impl Snapshot {
    /// Indexes what was read from the catalog.
    #[must_use]
    pub fn new(parts: SnapshotParts) -> Self {
        let mut snapshot = Self::default();
        for (index, relation) in parts.relations.iter().enumerate() {
            let id = RelationId(u32::try_from(index).expect("fewer than 2^32 relations"));
            snapshot
                .by_name
                .entry(relation.schema.clone())
                .or_default()
                .insert(relation.name.clone(), id);
            snapshot.by_oid.insert(relation.oid, id);
            for parent in &relation.parents {
                snapshot.children.entry(*parent).or_default().push(id);
            }
        }
        for (index, function) in parts.functions.iter().enumerate() {
            snapshot.functions.entry(function.name.clone()).or_default().push(index);
        }
        for (index, operator) in parts.operators.iter().enumerate() {
            snapshot.operators.entry(operator.name.clone()).or_default().push(index);
        }
        for (index, kind) in parts.types.iter().enumerate() {
            snapshot.types.entry(kind.name.clone()).or_default().push(index);
            snapshot.type_oids.insert(kind.oid, index);
            if kind.array_oid != Oid(0) {
                snapshot.type_oids.insert(kind.array_oid, index);
            }
        }
        snapshot.parts = parts;
        snapshot
    }

    /// Version of this snapshot.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.parts.epoch
    }

    /// `server_version_num`.
    #[must_use]
    pub fn server_version(&self) -> u32 {
        self.parts.server_version
    }

    /// The real database name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.parts.database
    }

    /// Whether a schema of that name exists.
    #[must_use]
    pub fn has_schema(&self, name: &str) -> bool {
        self.parts.schemas.iter().any(|schema| schema == name)
    }

    /// The schema of the session's own temporary relations, which `pg_temp` means.
    #[must_use]
    pub fn temporary(&self) -> Option<&str> {
        self.parts.temporary.as_deref()
    }

    /// Whether it is a temporary relation of the session's own.
    #[must_use]
    pub fn is_temporary(&self, relation: &Relation) -> bool {
        self.temporary() == Some(relation.schema.as_str())
    }

    /// Whether the session has any temporary relation.
    #[must_use]
    pub fn has_temporary(&self) -> bool {
        self.temporary().is_some_and(|schema| self.by_name.contains_key(schema))
    }

    /// The schemas of a search_path in the order in which relations and types are looked for: temporary ones first, then
    /// those of `pg_catalog`, unless the path says otherwise (`recomputeNamespacePath` in namespace.c).
    pub fn searched<'a>(&'a self, search_path: &'a [String]) -> impl Iterator<Item = &'a str> {
        let listed = |name: &str| search_path.iter().any(|schema| schema == name);
        let temporary = self.temporary().filter(|schema| !listed(schema));
        let system = (!listed("pg_catalog")).then_some("pg_catalog");
        let implicit = temporary.into_iter().chain(system);
        implicit.chain(search_path.iter().map(String::as_str))
    }

    /// The relation of that index.
    #[must_use]
    pub fn relation(&self, id: RelationId) -> &Relation {
        &self.parts.relations[id.0 as usize]
    }

    /// Every relation with its index.
    pub fn relations(&self) -> impl Iterator<Item = (RelationId, &Relation)> {
        (0..).map(RelationId).zip(&self.parts.relations)
    }

    /// Resolves a qualified name.
    #[must_use]
    pub fn qualified(&self, schema: &str, name: &str) -> Option<RelationId> {
        let schema = if schema == "pg_temp" { self.temporary()? } else { schema };
        self.by_name.get(schema)?.get(name).copied()
    }

    /// Resolves an unqualified name: temporary relations first, then `pg_catalog`, then the path, unless that says
    /// otherwise.
    #[must_use]
    pub fn unqualified(&self, search_path: &[String], name: &str) -> Option<RelationId> {
        self.searched(search_path).find_map(|schema| self.qualified(schema, name))
    }

    /// The relation with that oid.
    #[must_use]
    pub fn by_oid(&self, oid: Oid) -> Option<RelationId> {
        self.by_oid.get(&oid).copied()
    }

    /// Direct children by inheritance or partitioning.
    #[must_use]
    pub fn children(&self, oid: Oid) -> &[RelationId] {
        self.children.get(&oid).map_or(&[], Vec::as_slice)
    }

    /// Whether GROUP BY takes values of that type.
    #[must_use]
    pub fn is_groupable(&self, kind: Oid) -> bool {
        self.parts.groupable.contains(&kind) || crate::builtin::comparison_family(kind.0).is_some()
    }

    /// Whether a view's own condition must run before a reader's that could raise.
    #[must_use]
    pub fn is_barrier(&self, view: Oid) -> bool {
        self.parts.barriers.contains(&view)
    }

    /// What a write to that relation meets; `None` for a relation without rules that is no view.
    #[must_use]
    pub fn writing(&self, relation: Oid) -> Option<&Writing> {
        self.parts.writing.get(&relation)
    }

    /// Whether `(x).name` could be a call or a cast of `pg_catalog` where the value has no field of that name.
    #[must_use]
    pub fn could_call(&self, name: &str) -> bool {
        // A snapshot that does not say which names there are knows of none that is safe.
        self.parts.field_calls.is_empty() || self.parts.field_calls.contains(name)
    }

    /// Functions of that name outside `pg_catalog`.
    pub fn functions<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Function> {
        let found = self.functions.get(name).map_or(&[][..], Vec::as_slice);
        found.iter().map(|index| &self.parts.functions[*index])
    }

    /// Operators of that name outside `pg_catalog`.
    pub fn operators<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Operator> {
        let found = self.operators.get(name).map_or(&[][..], Vec::as_slice);
        found.iter().map(|index| &self.parts.operators[*index])
    }

    /// Types of that name outside `pg_catalog`.
    pub fn types<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Type> {
        let found = self.types.get(name).map_or(&[][..], Vec::as_slice);
        found.iter().map(|index| &self.parts.types[*index])
    }

    /// Whether some function raises a message with that word, in lower case.
    #[must_use]
    pub fn is_raised(&self, word: &str) -> bool {
        self.parts.raised.contains(word)
    }

    /// The type outside `pg_catalog` with that oid, or whose array type has it.
    #[must_use]
    pub fn type_by_oid(&self, oid: Oid) -> Option<&Type> {
        self.type_oids.get(&oid).map(|index| &self.parts.types[*index])
    }

    /// Every function outside `pg_catalog`.
    #[must_use]
    pub fn every_function(&self) -> &[Function] {
        &self.parts.functions
    }

    /// Every type outside `pg_catalog`.
    #[must_use]
    pub fn every_type(&self) -> &[Type] {
        &self.parts.types
    }

    /// Indexes and sequences, with what they serve.
    #[must_use]
    pub fn dependents(&self) -> &[Dependent] {
        &self.parts.dependents
    }
}
