//! Names in statements that define something: the grammar's own walker does not know them.
//!
//! In:  the statement's node and its tokens.
//! Out: what it names, for `rewrite::verify`; an error for a form of which this does not know what it names.
//!
//! Invariants:
//! - Written without `analyze::definition`: what one of the two overlooks, the other meets.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{self, AlterTableType, DropBehavior, ObjectType};
use pg_raw_parse::{Node, nodes::Constraint};

use super::{Called, Counter, Named, Place, at, strings};
use crate::error::Error;
use crate::parse::Parsed;

/// What of ALTER TABLE may go upstream.
const SUBCOMMANDS: [AlterTableType::Type; 26] = [
    AlterTableType::AT_AddColumn,
    AlterTableType::AT_ColumnDefault,
    AlterTableType::AT_DropNotNull,
    AlterTableType::AT_SetNotNull,
    AlterTableType::AT_SetExpression,
    AlterTableType::AT_DropExpression,
    AlterTableType::AT_SetStatistics,
    AlterTableType::AT_SetOptions,
    AlterTableType::AT_ResetOptions,
    AlterTableType::AT_SetStorage,
    AlterTableType::AT_SetCompression,
    AlterTableType::AT_DropColumn,
    AlterTableType::AT_AddConstraint,
    AlterTableType::AT_AlterConstraint,
    AlterTableType::AT_ValidateConstraint,
    AlterTableType::AT_DropConstraint,
    AlterTableType::AT_AlterColumnType,
    AlterTableType::AT_SetLogged,
    AlterTableType::AT_SetUnLogged,
    AlterTableType::AT_SetRelOptions,
    AlterTableType::AT_ResetRelOptions,
    AlterTableType::AT_AddIdentity,
    AlterTableType::AT_SetIdentity,
    AlterTableType::AT_DropIdentity,
    AlterTableType::AT_AddIndexConstraint,
    AlterTableType::AT_AddIndex,
];

/// Counts what a definition names.
#[expect(clippy::wildcard_enum_match_arm, reason = "the arm refuses")]
pub(super) fn definition(
    counter: &mut Counter,
    parsed: &Parsed<'_>,
    start: usize,
    node: Node<'_>,
) -> Result<(), Error> {
    let first = parsed.tokens().first_at_or_after(start);
    match node {
        Node::CreateStmt(create) => table(counter, create),
        Node::AlterTableStmt(alter) => {
            counter.held(alter.relation());
            alter.cmds().iter().try_for_each(|command| subcommand(counter, command))
        }
        Node::RenameStmt(rename) => {
            counter.cascade |= rename.behavior == DropBehavior::DROP_CASCADE;
            counter.held(rename.relation());
            Ok(())
        }
        Node::AlterObjectSchemaStmt(alter) => {
            counter.held(alter.relation());
            Ok(())
        }
        Node::DropStmt(drop) => dropped(counter, parsed, first, drop),
        Node::IndexStmt(index) => {
            counter.held(index.relation());
            let more = index.index_including_params().iter();
            for element in index.index_params().iter().map(Node::IndexElem).chain(more) {
                indexed(counter, element)?;
            }
            counter.kept(index.where_clause());
            Ok(())
        }
        Node::CreateSeqStmt(create) => {
            counter.new_relation(create.sequence());
            options(counter, parsed, create.options())
        }
        Node::AlterSeqStmt(alter) => {
            counter.held(alter.sequence());
            options(counter, parsed, alter.options())
        }
        Node::CompositeTypeStmt(create) => {
            counter.new_relation(create.typevar());
            Ok(())
        }
        Node::CreateDomainStmt(create) => {
            create.constraints().iter().try_for_each(|one| constraint(counter, one))
        }
        Node::CommentStmt(comment) => commented(counter, parsed, first, comment),
        Node::RefreshMatViewStmt(refresh) => {
            counter.held(refresh.relation());
            Ok(())
        }
        Node::VacuumStmt(vacuum) => {
            vacuum.rels().iter().for_each(|one| counter.held(one.relation()));
            if vacuum.rels().iter().next().is_some() { Ok(()) } else { Err(unknown("VACUUM")) }
        }
        Node::CreateSchemaStmt(create) if create.schema_elts().is_empty() => Ok(()),
        Node::CreateEnumStmt(_) | Node::AlterEnumStmt(_) => Ok(()),
        _ => Err(unknown("a definition")),
    }
}

fn unknown(what: &str) -> Error {
    Error::unsupported(format!("this form of {what}"), -1)
}

fn table(counter: &mut Counter, create: &nodes::CreateStmt) -> Result<(), Error> {
    if create.of_typename().is_some() || create.relation().is_none() {
        return Err(unknown("CREATE TABLE"));
    }
    counter.new_relation(create.relation());
    for parent in create.inh_relations() {
        counter.object(parent);
    }
    for element in create.table_elts() {
        element_of(counter, element)?;
    }
    for part in create.partspec().into_iter().flat_map(|key| key.part_params().iter()) {
        counter.kept(part.expr());
    }
    let bounds = create.partbound().into_iter();
    let values = bounds.flat_map(|bound| {
        bound.listdatums().iter().chain(bound.lowerdatums()).chain(bound.upperdatums())
    });
    values.for_each(|value| counter.kept(value));
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the arm refuses")]
fn element_of(counter: &mut Counter, element: Node<'_>) -> Result<(), Error> {
    match element {
        Node::ColumnDef(column) => {
            counter.kept(column.raw_default());
            for one in column.constraints() {
                element_of(counter, one)?;
            }
            Ok(())
        }
        Node::Constraint(one) => constraint(counter, one),
        Node::TableLikeClause(like) => {
            counter.held(like.relation());
            Ok(())
        }
        _ => Err(unknown("CREATE TABLE")),
    }
}

fn constraint(counter: &mut Counter, one: &Constraint) -> Result<(), Error> {
    counter.kept(one.raw_expr());
    counter.kept(one.where_clause());
    counter.held(one.pktable());
    for exclusion in one.exclusions() {
        let Node::NodeList(pair) = exclusion else { return Err(unknown("EXCLUDE")) };
        for part in pair {
            match part {
                Node::NodeList(name) => {
                    counter.operators.push(Called { offset: at(one.location), name: strings(name) })
                }
                element => indexed(counter, element)?,
            }
        }
    }
    Ok(())
}

fn indexed(counter: &mut Counter, element: Node<'_>) -> Result<(), Error> {
    let Node::IndexElem(element) = element else { return Err(unknown("CREATE INDEX")) };
    counter.kept(element.expr());
    Ok(())
}

fn subcommand(counter: &mut Counter, command: Node<'_>) -> Result<(), Error> {
    let Node::AlterTableCmd(command) = command else { return Err(unknown("ALTER TABLE")) };
    if !SUBCOMMANDS.contains(&command.subtype) {
        return Err(unknown("ALTER TABLE"));
    }
    counter.cascade |= command.behavior == DropBehavior::DROP_CASCADE;
    match command.def() {
        Node::ColumnDef(_) | Node::Constraint(_) => element_of(counter, command.def()),
        // Options and words; DEFAULT and SET EXPRESSION have an expression.
        Node::None | Node::NodeList(_) | Node::ATAlterConstraint(_) => Ok(()),
        expression => {
            counter.kept(expression);
            Ok(())
        }
    }
}

/// OWNED BY table.column.
fn options(counter: &mut Counter, parsed: &Parsed<'_>, options: &NodeList) -> Result<(), Error> {
    for option in options {
        let Node::DefElem(option) = option else { return Err(unknown("a sequence")) };
        let (Some("owned_by"), Node::NodeList(list)) = (option.defname(), option.arg()) else {
            continue;
        };
        let names = strings(list);
        if let Some((_, table)) = names.split_last().filter(|(_, table)| !table.is_empty()) {
            let word = parsed.token_at(option.location)?;
            counter.unlocated(parsed, word + 2, table)?;
        }
    }
    Ok(())
}

fn dropped(
    counter: &mut Counter,
    parsed: &Parsed<'_>,
    first: usize,
    drop: &nodes::DropStmt,
) -> Result<(), Error> {
    counter.cascade |= drop.behavior == DropBehavior::DROP_CASCADE;
    let kind = match drop.remove_type {
        ObjectType::OBJECT_MATVIEW => 2,
        ObjectType::OBJECT_TABLE
        | ObjectType::OBJECT_VIEW
        | ObjectType::OBJECT_INDEX
        | ObjectType::OBJECT_SEQUENCE => 1,
        // Names of types and schemas are no relations.
        ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN | ObjectType::OBJECT_SCHEMA => {
            return Ok(());
        }
        _ => return Err(unknown("DROP")),
    };
    let options = usize::from(drop.concurrent) + if drop.missing_ok { 2 } else { 0 };
    let mut token = first + 1 + kind + options;
    for object in drop.objects() {
        let Node::NodeList(list) = object else { return Err(unknown("DROP")) };
        let names = strings(list);
        counter.unlocated(parsed, token, &names)?;
        token += 2 * names.len();
    }
    Ok(())
}

fn commented(
    counter: &mut Counter,
    parsed: &Parsed<'_>,
    first: usize,
    comment: &nodes::CommentStmt,
) -> Result<(), Error> {
    let Node::NodeList(list) = comment.object() else { return Err(unknown("COMMENT")) };
    let mut names = strings(list);
    let token = match comment.objtype {
        ObjectType::OBJECT_COLUMN => {
            names.pop();
            first + 3
        }
        ObjectType::OBJECT_MATVIEW => first + 4,
        ObjectType::OBJECT_TABLE
        | ObjectType::OBJECT_VIEW
        | ObjectType::OBJECT_INDEX
        | ObjectType::OBJECT_SEQUENCE => first + 3,
        _ => return Err(unknown("COMMENT")),
    };
    counter.unlocated(parsed, token, &names)
}

impl Counter {
    /// A relation that is there already.
    fn held(&mut self, relation: Option<&nodes::RangeVar>) {
        if let Some(relation) = relation {
            self.object(Node::RangeVar(relation));
        }
    }

    fn new_relation(&mut self, relation: Option<&nodes::RangeVar>) {
        if let Some(relation) = relation {
            self.visit(Node::RangeVar(relation));
            self.place(Some(relation), Place::Made);
        }
    }

    /// An expression that is kept.
    fn kept(&mut self, expression: Node<'_>) {
        if !matches!(expression, Node::None) {
            self.walk(expression);
        }
    }

    /// A relation of which the tree keeps no location; it is named at that token.
    fn unlocated(
        &mut self,
        parsed: &Parsed<'_>,
        token: usize,
        names: &[String],
    ) -> Result<(), Error> {
        let parts: Vec<&str> = names.iter().map(String::as_str).collect();
        let range = parsed.spelled_name(token, &parts)?;
        let (schema, name) = match names {
            [name] => (None, name),
            [schema, name] => (Some(schema.clone()), name),
            _ => return Err(unknown("a name")),
        };
        self.places.insert(range.start, Place::Object);
        self.relations.push(Named {
            offset: range.start,
            schema,
            name: name.clone(),
            alias: None,
            place: Place::Object,
        });
        Ok(())
    }
}
