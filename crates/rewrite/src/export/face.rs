//! A person's own view of a relation: masks, hidden columns, forced values.
//!
//! In:  an [`Access`] that is said by a view.
//! Out: CREATE VIEW, its owner, its privileges.
//!
//! Invariants:
//! - `security_barrier`: no condition of the reader's meets a row or a value before the view's own expressions.
//! - The owner is a role of the person's that cannot log in; row policies for that role filter what the view reads.
//! - The person has no privilege on what the view reads.

use std::fmt::Write as _;

use pgcordon_policy::{Cell, ColumnAccess, Command, Decision};
use pgcordon_sql::catalog::{Relation, RelationKind};
use pgcordon_sql::splice;

use crate::export::access::{Access, Way, word};
use crate::export::person::Person;
use crate::export::words::{self, Writer};

/// What the row is called inside of a view; no column list of a client can name it there.
const ROW: &str = "pgcordon_row";

/// The view's name: as the relation's in `public`, with the schema before it elsewhere.
pub(super) fn name(relation: &Relation) -> Option<String> {
    if relation.schema == "public" {
        return Some(relation.name.clone());
    }
    words::short(&format!("{}.{}", relation.schema, relation.name))
}

/// The view and everything that belongs to it; `None` where an expression cannot be written.
pub(super) fn view(writer: &mut Writer<'_>, person: &Person, access: &Access) -> Option<String> {
    let relation = writer.relation;
    let quoted = splice::qualified(&person.own, &name(relation)?);
    let mut sql = format!("CREATE VIEW {quoted} WITH (security_barrier = true) AS\n    SELECT ");
    writer.alias = ROW;
    let columns = columns(writer, access)?;
    let listed: Vec<&str> = columns.iter().map(|(_, text)| text.as_str()).collect();
    sql.push_str(&listed.join(",\n        "));
    let _ = write!(sql, "\n    FROM {} AS {}", relation.qualified(), splice::quoted(ROW));
    if access.way == Way::FaceWithCondition {
        let (decision, _) = access.commands.get(&Command::Select)?;
        let condition = writer.filter(&decision.using)?;
        let _ = write!(sql, "\n    WHERE {condition}");
    }
    sql.push_str(";\n");
    let _ = writeln!(sql, "ALTER VIEW {quoted} OWNER TO {};", splice::quoted(&person.own));
    defaults(writer, access, &quoted, &mut sql)?;
    let shown: Vec<usize> = columns.iter().map(|(index, _)| *index).collect();
    privileges(relation, access, &quoted, &shown, person, &mut sql);
    Some(sql)
}

/// The columns that exist for the person, by index, each as an item of the view's select list.
fn columns(writer: &mut Writer<'_>, access: &Access) -> Option<Vec<(usize, String)>> {
    let relation = writer.relation;
    let decision = access.commands.get(&Command::Select).map(|(decision, _)| decision);
    let mut columns = Vec::new();
    for (index, column) in relation.columns.iter().enumerate() {
        let name = splice::quoted(&column.name);
        let plain = format!("{}.{name}", splice::quoted(ROW));
        let item = match decision.and_then(|decision| decision.columns.get(index)) {
            // Without a grant to read, the view serves writing alone: no column of it is granted for reading.
            None | Some(ColumnAccess::Clear | ColumnAccess::Denied) => plain,
            Some(ColumnAccess::Hidden) => continue,
            Some(ColumnAccess::Cells(cells)) => {
                let mut text = String::from("CASE");
                for (filter, cell) in cells {
                    let condition = writer.filter(filter)?;
                    let value = match cell {
                        Cell::Clear => plain.clone(),
                        Cell::Masked(mask) => {
                            format!("CAST({} AS {})", writer.expression(mask)?, column.type_sql)
                        }
                        Cell::Null => format!("CAST(NULL AS {})", column.type_sql),
                    };
                    let _ = write!(text, " WHEN {condition} THEN {value}");
                }
                format!("{text} END AS {name}")
            }
        };
        columns.push((index, item));
    }
    Some(columns)
}

/// Values forced on insert: the view's default, and no privilege to name the column.
fn defaults(
    writer: &mut Writer<'_>,
    access: &Access,
    quoted: &str,
    sql: &mut String,
) -> Option<()> {
    let Some((decision, _)) = access.commands.get(&Command::Insert) else { return Some(()) };
    for (column, value) in &decision.presets {
        let name = &writer.relation.columns.get(usize::from(column.0))?.name;
        let value = writer.expression(value)?;
        let name = splice::quoted(name);
        let _ = writeln!(sql, "ALTER VIEW {quoted} ALTER COLUMN {name} SET DEFAULT {value};");
    }
    Some(())
}

fn privileges(
    relation: &Relation,
    access: &Access,
    quoted: &str,
    shown: &[usize],
    person: &Person,
    sql: &mut String,
) {
    for (command, (decision, _)) in &access.commands {
        let usable = usable(relation, *command, decision);
        let usable: Vec<&str> = shown
            .iter()
            .filter(|index| usable.contains(index))
            .filter_map(|index| relation.columns.get(*index))
            .map(|column| column.name.as_str())
            .collect();
        let columns = match command {
            Command::Delete | Command::Truncate => String::new(),
            Command::Select | Command::Insert | Command::Update if usable.is_empty() => continue,
            Command::Select | Command::Insert | Command::Update => {
                format!(" ({})", words::list(usable))
            }
        };
        let word = word(*command);
        let _ = writeln!(sql, "GRANT {word}{columns} ON {quoted} TO {};", person.quoted());
    }
}

/// Indexes of the columns that a command may use.
pub(super) fn usable(relation: &Relation, command: Command, decision: &Decision) -> Vec<usize> {
    let forced =
        |index: usize| decision.presets.iter().any(|(column, _)| usize::from(column.0) == index);
    (0..relation.columns.len())
        .filter(|index| match (command, decision.columns.get(*index)) {
            (_, None | Some(ColumnAccess::Hidden | ColumnAccess::Denied)) => false,
            (Command::Insert, Some(ColumnAccess::Clear)) => !forced(*index),
            (Command::Select, Some(ColumnAccess::Cells(_))) => true,
            (_, Some(ColumnAccess::Clear)) => true,
            (_, Some(ColumnAccess::Cells(_))) => false,
        })
        .collect()
}

/// Whether the table's own privileges are what the view's owner needs.
pub(super) fn owner_needs_policies(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table | RelationKind::PartitionedTable => true,
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable
        | RelationKind::Sequence
        | RelationKind::Toast
        | RelationKind::CompositeType
        | RelationKind::Index => false,
    }
}
