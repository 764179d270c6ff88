//! Rows as values: `*`, `t.*`, `(row).field`.
//!
//! Invariants:
//! - A field that is not known to exist is refused: PostgreSQL reads `(x).f` as a call `f(x)` where the type has no
//!   such field.

use pg_raw_parse::Node;
use pg_raw_parse::nodes;

use super::scope::{Columns, Found, Scope, Source};
use super::shape::Shape;
use super::{TargetPart, Walker};
use crate::catalog::{Oid, RelationKind};
use crate::error::{Error, offset};

impl<'a> Walker<'a> {
    /// `*` and `t.*` as items of a SELECT list or RETURNING.
    pub(super) fn star(
        &mut self,
        target: &'a nodes::ResTarget,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Columns>, Error> {
        let Node::ColumnRef(reference) = target.val() else { return Ok(None) };
        let Some(Node::A_Star(_)) = reference.fields().iter().next_back() else { return Ok(None) };
        let mut columns = Columns::default();
        if reference.fields().len() > 1 {
            let names: Vec<&str> = reference.fields().iter().filter_map(Node::as_str).collect();
            let place = offset(reference.location);
            let (table, schema) = match names.as_slice() {
                [table] => (*table, None),
                [schema, table] | [_, schema, table] => (*table, Some(*schema)),
                _ => return Err(Error::unsupported("this reference", reference.location)),
            };
            let item = scope.item(schema, table, place)?;
            columns.list = item.columns();
            columns.open = item.open();
        } else {
            for item in scope.items.iter().filter(|item| item.cols_visible) {
                columns.list.extend(item.columns());
                columns.open |= item.open();
            }
        }
        if let Some(denied) = columns.list.iter().find(|column| column.denied) {
            let place = offset(reference.location);
            return Err(Error::DeniedColumn { name: denied.name.clone(), offset: place });
        }
        self.star_of_target(reference, scope)?;
        Ok(Some(columns))
    }

    fn star_of_target(
        &mut self,
        reference: &'a nodes::ColumnRef,
        scope: &Scope<'a, '_>,
    ) -> Result<(), Error> {
        let qualified = reference.fields().len() > 1;
        if qualified {
            let found = self.resolve_column(reference, scope)?;
            if let Found::Row { target: Some(access), .. } = found {
                self.target_use(access, TargetPart::Star, reference)?;
            }
            return Ok(());
        }
        for item in scope.items.iter().filter(|item| item.cols_visible) {
            if let Source::Relation { access, target: true, .. } = &item.source {
                self.target_use(*access, TargetPart::Star, reference)?;
            }
        }
        Ok(())
    }

    /// Subscripts, and fields of a row whose type is known. PostgreSQL reads `(x).f` as a call `f(x)` where the type
    /// has no such field, so a field that is not known to exist is refused.
    pub(super) fn indirection(
        &mut self,
        indirection: &'a nodes::A_Indirection,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        let mut fields = self.row_fields(indirection.arg(), scope)?;
        self.expression(indirection.arg(), scope)?;
        for step in indirection.indirection() {
            match step {
                Node::A_Indices(indices) => {
                    self.optional(indices.lidx(), scope)?;
                    self.optional(indices.uidx(), scope)?;
                }
                Node::A_Star(_) => return Err(Error::unsupported("(row).*", -1)),
                Node::String(name) => {
                    let name = name.sval().unwrap_or_default();
                    let known = fields
                        .as_ref()
                        .and_then(|fields| fields.iter().find(|field| field.0 == name));
                    let Some((_, kind)) = known else {
                        let name = name.to_owned();
                        return Err(Error::UnknownColumn { name, offset: None });
                    };
                    fields = self.composite_fields(*kind);
                }
                _ => return Err(Error::unsupported("this subscript", -1)),
            }
        }
        Ok(Shape::OPAQUE)
    }

    /// The fields of a row-valued expression, where they are known for certain.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other nodes have no known fields: refused")]
    fn row_fields(
        &mut self,
        node: Node<'a>,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Vec<(String, Oid)>>, Error> {
        Ok(match node {
            Node::ColumnRef(reference) => {
                let edits = self.out.edits.len();
                let found = self.resolve_column(reference, scope)?;
                self.out.edits.truncate(edits);
                match found {
                    Found::Row { columns, .. } => {
                        Some(columns.iter().map(|name| (name.clone(), Oid(0))).collect())
                    }
                    Found::Column { kind_of_row: Some(kind), .. } => self.composite_fields(kind),
                    Found::Column { .. } | Found::System(_) | Found::Unknown => None,
                }
            }
            Node::TypeCast(cast) => match cast.type_name() {
                Some(name) => self.type_name(name)?.and_then(|kind| self.composite_fields(kind)),
                None => None,
            },
            _ => None,
        })
    }

    fn composite_fields(&self, kind: Oid) -> Option<Vec<(String, Oid)>> {
        let relation = self.names.snapshot.type_by_oid(kind)?.relation;
        let relation = self.names.snapshot.relation(self.names.snapshot.by_oid(relation)?);
        if relation.kind != RelationKind::CompositeType {
            return None;
        }
        Some(relation.columns.iter().map(|column| (column.name.clone(), column.type_oid)).collect())
    }
}
