//! What a principal may know of, as SQL conditions over the live catalog.
//!
//! In:  the snapshot, and the policy's answers for every relation of it.
//! Out: a [`Visible`]: lists of OIDs, from which conditions are written.
//!
//! Invariants:
//! - A relation is known where some command on it is granted; an index or sequence where the relation that it serves is
//!   and no column that it mentions is hidden; a type where a visible column has it; a function where the policy allows it.
//! - Lists hold what may be seen, never what may not: an object made since the snapshot is not there.
//! - Objects of PostgreSQL itself (OID below 16384, `FirstNormalObjectId`) say nothing of anybody's data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pgcordon_policy::{ColumnAccess, Command, Filter};
use pgcordon_sql::analyze::{self, Lens as _, Names, Seen};
use pgcordon_sql::builtin::Object;
use pgcordon_sql::catalog::{Oid, Relation, RelationId, RelationKind, TypeKind};
use pgcordon_sql::splice::literal;

use crate::lens::PolicyLens;

const FIRST_NORMAL_OBJECT: u32 = 16_384;
/// OIDs of system catalogs, as `pg_depend` and `pg_description` name them.
const CLASS: u32 = 1259;
const PROCEDURE: u32 = 1255;
const TYPE: u32 = 1247;
const ATTRIBUTE_DEFAULT: u32 = 2604;
const REWRITE: u32 = 2618;

/// What a principal may know of.
#[derive(Debug, Default)]
pub(crate) struct Visible {
    /// Relations, indexes, sequences.
    relations: BTreeSet<u32>,
    /// Of these, those whose every row and column is seen.
    whole: BTreeSet<u32>,
    /// Relations by granted command.
    granted: BTreeMap<Command, BTreeSet<u32>>,
    /// Sequences that may be drawn from.
    sequences: BTreeSet<u32>,
    types: BTreeSet<u32>,
    functions: BTreeSet<u32>,
    schemas: BTreeSet<String>,
    /// Hidden columns of visible relations.
    hidden: BTreeMap<u32, Vec<i16>>,
    /// System relations that may be read.
    system: BTreeSet<u32>,
}

impl Visible {
    /// Asks the policy about every relation.
    pub(crate) fn of(lens: &PolicyLens<'_>) -> Self {
        let mut visible = Self::default();
        let snapshot = lens.context().snapshot;
        for (id, relation) in snapshot.relations() {
            if relation.oid.0 < FIRST_NORMAL_OBJECT {
                if super::rule(relation).is_some() {
                    visible.system.insert(relation.oid.0);
                }
                continue;
            }
            visible.ask(lens, id, relation);
        }
        for function in snapshot.every_function() {
            if lens.context().policy.allows_function(&function.schema, &function.name) {
                visible.functions.insert(function.oid.0);
                visible.schemas.insert(function.schema.clone());
                for kind in function.arguments.iter().chain([&function.result]) {
                    visible.add_type(lens, *kind);
                }
            }
        }
        // Base types are an extension's: code, not data.
        for kind in snapshot.every_type().iter().filter(|kind| kind.kind == TypeKind::Base) {
            visible.add_type(lens, kind.oid);
        }
        visible.dependents(lens);
        visible
    }

    fn ask(&mut self, lens: &PolicyLens<'_>, id: RelationId, relation: &Relation) {
        let oid = relation.oid.0;
        let readable = match relation.kind {
            RelationKind::Table | RelationKind::PartitionedTable | RelationKind::ForeignTable => {
                true
            }
            RelationKind::MaterializedView => match lens.seen(id) {
                Seen::Columns(_) => true,
                Seen::Absent | Seen::Expand => return,
            },
            RelationKind::View => match lens.seen(id) {
                Seen::Columns(_) => true,
                Seen::Absent => return,
                Seen::Expand => {
                    if self.expanded(lens, id) {
                        self.add(lens, relation, &[]);
                    }
                    return;
                }
            },
            RelationKind::Sequence
            | RelationKind::Toast
            | RelationKind::CompositeType
            | RelationKind::Index => false,
        };
        if !readable {
            return;
        }
        let mut hidden: Option<Vec<i16>> = None;
        for command in [Command::Select, Command::Insert, Command::Update, Command::Delete] {
            let answer = lens.answer(id, command);
            let Ok(decision) = &*answer else { continue };
            self.granted.entry(command).or_default().insert(oid);
            if command == Command::Select
                && decision.using == Filter::All
                && decision.columns.iter().all(|column| *column == ColumnAccess::Clear)
            {
                self.whole.insert(oid);
            }
            // What reading hides stays hidden; without reading, what every command hides.
            let columns = relation.columns.iter().zip(&decision.columns);
            let these: Vec<i16> = columns
                .filter(|(_, access)| **access == ColumnAccess::Hidden)
                .map(|(column, _)| column.number)
                .collect();
            let reads = self.granted.get(&Command::Select).is_some_and(|list| list.contains(&oid));
            hidden = match hidden {
                Some(known) if reads => Some(known),
                Some(known) => {
                    Some(known.into_iter().filter(|number| these.contains(number)).collect())
                }
                None => Some(these),
            };
        }
        if let Some(hidden) = hidden {
            self.add(lens, relation, &hidden);
        }
    }

    /// Whether a view without rules can be read: by the same rule as reading it.
    fn expanded(&mut self, lens: &PolicyLens<'_>, id: RelationId) -> bool {
        let context = lens.context();
        let names = Names {
            snapshot: context.snapshot,
            search_path: &[],
            databases: [context.database, context.snapshot.database()],
            lens,
            parameter_types: &[],
        };
        let Ok(calls) = analyze::readable_view(names, id) else { return false };
        let allowed =
            calls.iter().all(|call| context.policy.allows_function(&call.schema, &call.name));
        if allowed {
            let oid = context.snapshot.relation(id).oid.0;
            self.granted.entry(Command::Select).or_default().insert(oid);
        }
        allowed
    }

    fn add(&mut self, lens: &PolicyLens<'_>, relation: &Relation, hidden: &[i16]) {
        self.relations.insert(relation.oid.0);
        self.schemas.insert(relation.schema.clone());
        if !hidden.is_empty() {
            self.hidden.insert(relation.oid.0, hidden.to_vec());
        }
        let columns = relation.columns.iter();
        for column in columns.filter(|column| !hidden.contains(&column.number)) {
            self.add_type(lens, column.type_oid);
        }
        let row = lens.context().snapshot.every_type().iter();
        for kind in row.filter(|kind| kind.relation == relation.oid) {
            self.types.extend([kind.oid.0, kind.array_oid.0]);
        }
    }

    /// A type, its array, and the types of a composite's fields.
    fn add_type(&mut self, lens: &PolicyLens<'_>, kind: Oid) {
        let snapshot = lens.context().snapshot;
        let Some(kind) = snapshot.type_by_oid(kind) else { return };
        let row = snapshot.by_oid(kind.relation).map(|id| snapshot.relation(id));
        let free = row.filter(|row| row.kind == RelationKind::CompositeType);
        if row.is_some() && free.is_none() {
            // A table's row type is seen with the table.
            return;
        }
        if !self.types.insert(kind.oid.0) {
            return;
        }
        self.types.insert(kind.array_oid.0);
        self.schemas.insert(kind.schema.clone());
        if let Some(row) = free {
            self.relations.insert(row.oid.0);
            row.columns.iter().for_each(|column| self.add_type(lens, column.type_oid));
        }
    }

    fn dependents(&mut self, lens: &PolicyLens<'_>) {
        for dependent in lens.context().snapshot.dependents() {
            let served = dependent.relation.0;
            let hidden = self.hidden.get(&served).map_or(&[][..], Vec::as_slice);
            let clear = dependent.columns.iter().all(|column| !hidden.contains(column));
            if !clear || !self.relations.contains(&served) {
                continue;
            }
            self.relations.insert(dependent.oid.0);
            if self.whole.contains(&served) {
                self.whole.insert(dependent.oid.0);
            }
            if dependent.sequence && self.grants(Command::Insert, served) {
                self.sequences.insert(dependent.oid.0);
            }
        }
    }

    fn grants(&self, command: Command, relation: u32) -> bool {
        self.granted.get(&command).is_some_and(|list| list.contains(&relation))
    }

    /// Whether a relation may be known of.
    pub(crate) fn has_relation(&self, oid: Oid) -> bool {
        oid.0 < FIRST_NORMAL_OBJECT || self.relations.contains(&oid.0)
    }

    /// Whether a type may be known of.
    pub(crate) fn has_type(&self, oid: Oid) -> bool {
        oid.0 < FIRST_NORMAL_OBJECT || self.types.contains(&oid.0)
    }
}

/// Conditions; `x` is an expression that gives an OID and may be written more than once.
impl Visible {
    pub(crate) fn relation(&self, x: &str) -> String {
        format!("({x} < 16384 OR {})", member(x, &self.relations))
    }

    /// A relation of people's, not of PostgreSQL's.
    pub(crate) fn whole(&self, x: &str) -> String {
        member(x, &self.whole)
    }

    pub(crate) fn kind(&self, x: &str) -> String {
        format!("({x} < 16384 OR {})", member(x, &self.types))
    }

    pub(crate) fn function(&self, x: &str) -> String {
        format!("({x} < 16384 OR {})", member(x, &self.functions))
    }

    pub(crate) fn sequence(&self, x: &str) -> String {
        member(x, &self.sequences)
    }

    pub(crate) fn granted(&self, command: Command, x: &str) -> String {
        let none = BTreeSet::new();
        let people = member(x, self.granted.get(&command).unwrap_or(&none));
        match command {
            Command::Select => format!("({people} OR {})", member(x, &self.system)),
            Command::Insert | Command::Update | Command::Delete | Command::Truncate => people,
        }
    }

    /// By name, since the snapshot has no OIDs of schemas.
    pub(crate) fn schema_name(&self, name: &str) -> String {
        let names: Vec<String> = self.schemas.iter().map(|name| literal(name)).collect();
        let list = names.join(", ");
        format!("({name}::pg_catalog.text = ANY (ARRAY[{list}]::pg_catalog.text[]))")
    }

    pub(crate) fn schema(&self, x: &str) -> String {
        let name = self.schema_name("pgcordon_n.nspname");
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS pgcordon_n WHERE pgcordon_n.oid = {x} AND \
             (pgcordon_n.oid < 16384 AND pgcordon_n.nspname <> 'public' OR {name}))"
        )
    }

    /// The current role, roles of PostgreSQL's own, owners of visible relations.
    pub(crate) fn role(&self, x: &str) -> String {
        format!(
            "({x} < 16384 OR {x} IN (SELECT pgcordon_r.oid FROM pg_catalog.pg_roles AS pgcordon_r WHERE \
             pgcordon_r.rolname = CURRENT_USER) OR {x} IN (SELECT pgcordon_c.relowner FROM pg_catalog.pg_class AS \
             pgcordon_c WHERE {}))",
            member("pgcordon_c.oid", &self.relations)
        )
    }

    /// A column that is hidden.
    pub(crate) fn hidden(&self, relation: &str, number: &str) -> String {
        let mut text = String::from("(false");
        for (oid, numbers) in &self.hidden {
            let numbers = list(numbers.iter());
            let _ = write!(
                text,
                " OR {relation} = {oid} AND {number} = ANY ('{{{numbers}}}'::pg_catalog.int4[])"
            );
        }
        text.push(')');
        text
    }

    /// An array of column numbers has a hidden one in it.
    pub(crate) fn hidden_among(&self, relation: &str, numbers: &str) -> String {
        let mut text = String::from("(false");
        for (oid, hidden) in &self.hidden {
            let hidden = list(hidden.iter());
            let _ = write!(
                text,
                " OR {relation} = {oid} AND {numbers}::pg_catalog.int2[] && '{{{hidden}}}'::pg_catalog.int2[]"
            );
        }
        text.push(')');
        text
    }

    /// A relation with hidden columns.
    pub(crate) fn hides(&self, relation: &str) -> String {
        member(relation, &self.hidden.keys().copied().collect())
    }

    /// Everything that an object is made of may be known: its definition tells no more.
    pub(crate) fn made_of_visible(&self, catalog: u32, x: &str) -> String {
        let d = "pgcordon_d";
        let column = self.hidden("pgcordon_d.refobjid", "pgcordon_d.refobjsubid");
        format!(
            "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS {d} WHERE {d}.classid = {catalog} AND {d}.objid = {x} \
             AND NOT CASE {d}.refclassid WHEN {CLASS} THEN {relation} AND NOT {column} WHEN {PROCEDURE} THEN \
             {function} WHEN {TYPE} THEN {kind} WHEN 2606 THEN true WHEN 2615 THEN true WHEN {REWRITE} THEN true \
             ELSE {d}.refobjid < 16384 END)",
            relation = self.relation("pgcordon_d.refobjid"),
            function = self.function("pgcordon_d.refobjid"),
            kind = self.kind("pgcordon_d.refobjid"),
        )
    }

    pub(crate) fn view_definition(&self, x: &str) -> String {
        let rule = format!(
            "(SELECT pgcordon_w.oid FROM pg_catalog.pg_rewrite AS pgcordon_w WHERE pgcordon_w.ev_class = {x} AND \
             pgcordon_w.rulename = '_RETURN')"
        );
        let relation = self.relation(x);
        format!("({relation} AND ({x} < 16384 OR {}))", self.made_of_visible(REWRITE, &rule))
    }

    pub(crate) fn column_default(&self, x: &str) -> String {
        self.made_of_visible(ATTRIBUTE_DEFAULT, x)
    }

    /// Whether an object may be known of.
    pub(crate) fn object(&self, object: Object, x: &str) -> String {
        match object {
            Object::Relation => self.relation(x),
            Object::WholeRelation => self.whole(x),
            Object::PartitionTree => format!(
                "({} AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition_tree({x}) AS pgcordon_p WHERE NOT {}) AND \
                 NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition_ancestors({x}) AS pgcordon_p WHERE NOT {}))",
                self.relation(x),
                self.relation("pgcordon_p.relid::pg_catalog.oid"),
                self.relation("pgcordon_p.relid::pg_catalog.oid"),
            ),
            Object::PartitionKey => self.row("pg_partitioned_table", "partrelid", x),
            Object::ViewDefinition => self.view_definition(x),
            Object::Sequence => self.sequence(x),
            Object::Type => self.kind(x),
            Object::Types => format!(
                "NOT EXISTS (SELECT 1 FROM pg_catalog.unnest({x}::pg_catalog.oid[]) AS pgcordon_p (oid) WHERE NOT {})",
                self.kind("pgcordon_p.oid")
            ),
            Object::Function => {
                format!("({} AND {})", self.function(x), self.made_of_visible(PROCEDURE, x))
            }
            Object::FunctionSource => format!("{x} < 16384"),
            Object::Schema => self.schema(x),
            Object::Role => self.role(x),
            Object::Constraint => self.row("pg_constraint", "oid", x),
            Object::Trigger => self.row("pg_trigger", "oid", x),
            Object::Rule => self.row("pg_rewrite", "oid", x),
            Object::Statistics => self.row("pg_statistic_ext", "oid", x),
            Object::Operator => self.row("pg_operator", "oid", x),
            Object::Nothing => "false".to_owned(),
        }
    }

    /// A row of a system catalog that the reader may see.
    pub(crate) fn row(&self, catalog: &str, key: &str, x: &str) -> String {
        let condition = super::rules::rows(catalog, self).replace("{a}", "pgcordon_k");
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.{catalog} AS pgcordon_k WHERE pgcordon_k.{key} = {x} AND ({condition}))"
        )
    }
}

fn list<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(",")
}

fn member(x: &str, oids: &BTreeSet<u32>) -> String {
    if oids.is_empty() {
        return "false".to_owned();
    }
    format!("{x} = ANY ('{{{}}}'::pg_catalog.oid[])", list(oids.iter()))
}
