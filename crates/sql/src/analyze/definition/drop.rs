//! DROP TABLE, VIEW, MATERIALIZED VIEW, INDEX, SEQUENCE, TYPE, DOMAIN, SCHEMA.
//!
//! Invariants:
//! - Every object is written qualified; what IF EXISTS does not find is written so that PostgreSQL finds nothing either.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{self, DropBehavior, ObjectType};

use super::super::Walker;
use super::{Change, Hold};
use crate::catalog::{RelationKind, Type, TypeKind};
use crate::error::{Error, offset};
use crate::splice::{Edit, qualified};

impl<'a> Walker<'a> {
    pub(super) fn drop(&mut self, drop: &'a nodes::DropStmt) -> Result<Vec<Change>, Error> {
        let words = match drop.remove_type {
            ObjectType::OBJECT_TABLE
            | ObjectType::OBJECT_VIEW
            | ObjectType::OBJECT_INDEX
            | ObjectType::OBJECT_SEQUENCE
            | ObjectType::OBJECT_TYPE
            | ObjectType::OBJECT_DOMAIN
            | ObjectType::OBJECT_SCHEMA => 1,
            ObjectType::OBJECT_MATVIEW => 2,
            _ => return Err(Error::unsupported("DROP of this kind of object", -1)),
        };
        self.without_cascade(usize::from(drop.behavior == DropBehavior::DROP_CASCADE))?;
        let options = 2 * usize::from(drop.missing_ok) + usize::from(drop.concurrent);
        let start = self.parsed.tokens().first_at_or_after(self.out.range.start);
        let mut token = start + 1 + words + options;
        let mut changes = Vec::new();
        for (index, object) in drop.objects().iter().enumerate() {
            if index > 0 {
                token = self.parsed.behind_comma(token)?;
            }
            let names = object_name(object)?;
            let range = self.parsed.spelled_name(token, &names)?;
            changes.extend(match drop.remove_type {
                // Only an empty schema can be dropped without CASCADE.
                ObjectType::OBJECT_SCHEMA => None,
                ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN => {
                    self.drop_type(object, &names, drop.missing_ok)?
                }
                kind => self.drop_relation(token, &names, kind, drop.missing_ok)?,
            });
            token = self.parsed.tokens().first_at_or_after(range.end);
        }
        Ok(changes)
    }

    fn drop_relation(
        &mut self,
        token: usize,
        names: &[&str],
        kind: ObjectType::Type,
        missing_ok: bool,
    ) -> Result<Option<Change>, Error> {
        let id = match self.hold_named(token, names, Hold::Own) {
            Ok(id) => id,
            Err(Error::UnknownRelation { .. }) if missing_ok => {
                let range = self.parsed.spelled_name(token, names)?;
                self.absent(range, names.last().copied().unwrap_or_default());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let found = self.names.snapshot.relation(id).kind;
        let fits = match found {
            RelationKind::Table | RelationKind::PartitionedTable => {
                kind == ObjectType::OBJECT_TABLE
            }
            RelationKind::View => kind == ObjectType::OBJECT_VIEW,
            RelationKind::MaterializedView => kind == ObjectType::OBJECT_MATVIEW,
            RelationKind::Sequence => kind == ObjectType::OBJECT_SEQUENCE,
            RelationKind::Index => kind == ObjectType::OBJECT_INDEX,
            RelationKind::ForeignTable | RelationKind::Toast | RelationKind::CompositeType => false,
        };
        if fits {
            return Ok(Some(Change::Drops(id)));
        }
        let what = format!("DROP of \"{}\", which is an object of another kind", names.join("."));
        Err(Error::unsupported(what, i32::try_from(self.parsed.start(token)).unwrap_or(-1)))
    }

    /// A type that no relation's column has, or that the reader knows of. In use, PostgreSQL keeps it.
    fn drop_type(
        &mut self,
        object: Node<'a>,
        names: &[&str],
        missing_ok: bool,
    ) -> Result<Option<Change>, Error> {
        let Node::TypeName(name) = object else {
            return Err(Error::unsupported("DROP of this type", -1));
        };
        let unknown =
            || Error::UnknownType { name: names.join("."), offset: offset(name.location) };
        let first = self.parsed.token_at(name.location)?;
        let range = self.parsed.spelled_name(first, names)?;
        match self.type_named(names) {
            Some(found) => {
                let text = qualified(&found.schema, &found.name);
                let change = Change::Type(found.name.clone());
                self.out.edits.push(Edit { range, text });
                Ok(Some(change))
            }
            None if missing_ok => {
                let name = names.last().copied().unwrap_or_default();
                let text = qualified(super::ABSENT_SCHEMA, name);
                self.out.edits.push(Edit { range, text });
                Ok(None)
            }
            None => Err(unknown()),
        }
    }

    /// The type that a name means, if it is one that this reader may define anew.
    pub(super) fn type_named(&self, names: &[&str]) -> Option<&'a Type> {
        match names {
            [name] => {
                let path = self.names.search_path.iter();
                path.filter_map(|schema| self.own_type(schema, name)).next()
            }
            [schema, name] => self.own_type(schema, name),
            _ => None,
        }
    }

    /// An enum, domain or composite type that the reader knows of or that no relation has.
    fn own_type(&self, schema: &str, name: &str) -> Option<&'a Type> {
        let snapshot = self.names.snapshot;
        let found = snapshot.types(name).find(|found| found.schema == schema)?;
        let definable = match found.kind {
            TypeKind::Enum | TypeKind::Domain => true,
            TypeKind::Composite => {
                let relation = snapshot.by_oid(found.relation).map(|id| snapshot.relation(id));
                relation.is_some_and(|relation| relation.kind == RelationKind::CompositeType)
            }
            TypeKind::Base | TypeKind::Range | TypeKind::Multirange | TypeKind::Pseudo => false,
        };
        let used = || {
            snapshot.relations().any(|(_, relation)| {
                let kinds = relation.columns.iter().map(|column| column.type_oid);
                let mut kinds = kinds.filter(|_| relation.oid.0 >= 16_384);
                kinds.any(|kind| kind == found.oid || kind == found.array_oid)
            })
        };
        (definable && (self.names.lens.names_type(found.oid) || !used())).then_some(found)
    }
}

/// The parts of an object's name.
fn object_name(object: Node<'_>) -> Result<Vec<&str>, Error> {
    let names: Vec<&str> = match object {
        Node::NodeList(list) => list.iter().filter_map(Node::as_str).collect(),
        Node::TypeName(kind) if kind.array_bounds().is_empty() && kind.typmods().is_empty() => {
            kind.names().iter().filter_map(nodes::String::sval).collect()
        }
        other => other.as_str().into_iter().collect(),
    };
    if names.is_empty() { Err(Error::unsupported("DROP of this object", -1)) } else { Ok(names) }
}
