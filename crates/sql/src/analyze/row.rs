//! Rows as values: `*`, `t.*`, `(row).*`, `(row).field`.
//!
//! Invariants:
//! - A field that is not known to exist and could be a call is refused: PostgreSQL reads `(x).f` as a call `f(x)` where
//!   the type has no such field (`ParseFuncOrColumn`).

use pg_raw_parse::Node;
use pg_raw_parse::nodes;

use super::scope::{Columns, Found, Scope, Source};
use super::shape::{Shape, oid};
use super::{TargetPart, Walker};
use crate::catalog::Oid;
use crate::error::{Error, offset};

/// Whether an item of a list stands for as many as its row has fields: `t.*`, `(row).*` (`transformExpressionList`).
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is expanded (`parse_target.c`)")]
pub(super) fn expands(node: Node<'_>) -> bool {
    let last = match node {
        Node::ColumnRef(reference) => reference.fields().iter().next_back(),
        Node::A_Indirection(indirection) => indirection.indirection().iter().next_back(),
        _ => None,
    };
    matches!(last, Some(Node::A_Star(_)))
}

impl<'a> Walker<'a> {
    /// `*` and `t.*` as items of a SELECT list or RETURNING.
    pub(super) fn star(
        &mut self,
        target: &'a nodes::ResTarget,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Columns>, Error> {
        let reference = match target.val() {
            Node::ColumnRef(reference) => reference,
            Node::A_Indirection(indirection) => return self.star_of_row(indirection, scope),
            _ => return Ok(None),
        };
        let Some(Node::A_Star(_)) = reference.fields().iter().next_back() else { return Ok(None) };
        let mut columns = Columns::default();
        let items: Vec<&super::scope::Item<'a>> = if reference.fields().len() > 1 {
            let names: Vec<&str> = reference.fields().iter().filter_map(Node::as_str).collect();
            let place = offset(reference.location);
            let (table, schema) = match names.as_slice() {
                [table] => (*table, None),
                [schema, table] | [_, schema, table] => (*table, Some(*schema)),
                _ => return Err(Error::unsupported("this reference", reference.location)),
            };
            vec![scope.item(schema, table, place)?]
        } else {
            scope.items.iter().filter(|item| item.cols_visible).collect()
        };
        for item in &items {
            columns.list.extend(item.columns());
            columns.open |= item.open();
        }
        if let Some(denied) = columns.list.iter().find(|column| column.denied) {
            let place = offset(reference.location);
            return Err(Error::DeniedColumn { name: denied.name.clone(), offset: place });
        }
        // `TABLE relation` has no `*` in the text.
        let range = match reference.location {
            ..0 => None,
            location => {
                let first = self.parsed.token_at(location)?;
                let last = self.parsed.name_end(first, reference.fields().len())?;
                Some(self.parsed.start(first)..self.parsed.end(last))
            }
        };
        self.wide_star(&items, scope, range);
        self.star_of_target(reference, scope)?;
        Ok(Some(columns))
    }

    /// `(row).*`: every field of a row, whatever its type is.
    fn star_of_row(
        &mut self,
        indirection: &'a nodes::A_Indirection,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Columns>, Error> {
        let Some(Node::A_Star(_)) = indirection.indirection().iter().next_back() else {
            return Ok(None);
        };
        let fields = self.fields_of(indirection, scope)?;
        let open = fields.is_none();
        let list = fields.into_iter().flatten().map(|(name, kind)| {
            let kind = Some(kind).filter(|kind| *kind != Oid(0));
            super::scope::OutColumn { name, shape: Shape { kind, ..Shape::OPAQUE }, denied: false }
        });
        Ok(Some(Columns { list: list.collect(), open }))
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

    /// Subscripts and fields.
    pub(super) fn indirection(
        &mut self,
        indirection: &'a nodes::A_Indirection,
        scope: &Scope<'a, '_>,
    ) -> Result<Shape, Error> {
        self.fields_of(indirection, scope)?;
        Ok(Shape::OPAQUE)
    }

    /// Walks subscripts and fields; gives the fields of what is found in the end, if they are known.
    fn fields_of(
        &mut self,
        indirection: &'a nodes::A_Indirection,
        scope: &Scope<'a, '_>,
    ) -> Result<Option<Vec<(String, Oid)>>, Error> {
        let mut fields = self.row_fields(indirection.arg(), scope)?;
        self.expression(indirection.arg(), scope)?;
        for step in indirection.indirection() {
            match step {
                Node::A_Indices(indices) => {
                    self.optional(indices.lidx(), scope)?;
                    self.optional(indices.uidx(), scope)?;
                    fields = None;
                }
                // The last step, or PostgreSQL refuses it.
                Node::A_Star(_) => {}
                Node::String(name) => {
                    fields = self.field(name.sval().unwrap_or_default(), fields)?;
                }
                _ => return Err(Error::unsupported("this subscript", -1)),
            }
        }
        Ok(fields)
    }

    /// `(x).name`: PostgreSQL reads it as a call or a cast where the value has no such field.
    ///
    /// | field known | a function or type of `pg_catalog` has the name | ours outside `pg_catalog` | outcome        |
    /// |-------------|--------------------------------------------------|---------------------------|----------------|
    /// | yes         | -                                                | -                         | the field      |
    /// | no          | yes                                              | -                         | refused        |
    /// | no          | no                                               | a type                    | refused        |
    /// | no          | no                                               | functions                 | policy decides |
    /// | no          | no                                               | no                        | a field        |
    fn field(
        &mut self,
        name: &str,
        fields: Option<Vec<(String, Oid)>>,
    ) -> Result<Option<Vec<(String, Oid)>>, Error> {
        let known = fields.iter().flatten().find(|field| field.0 == name);
        if let Some((_, kind)) = known {
            return Ok(self.composite_fields(*kind));
        }
        let snapshot = self.names.snapshot;
        if snapshot.could_call(name) || snapshot.types(name).next().is_some() {
            return Err(Error::UnknownColumn { name: name.to_owned(), offset: None });
        }
        let calls = snapshot.functions(name).map(|function| super::Call {
            schema: function.schema.clone(),
            name: name.to_owned(),
            offset: self.out.range.start,
        });
        self.out.calls.extend(calls);
        Ok(None)
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
                    Found::Column { .. } | Found::System { .. } | Found::Unknown(_) => None,
                }
            }
            Node::TypeCast(cast) => match cast.type_name() {
                Some(name) => self.type_name(name)?.and_then(|kind| self.composite_fields(kind)),
                None => None,
            },
            Node::FuncCall(call) => {
                let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
                let expands = names == ["information_schema", super::call::EXPAND_ARRAY];
                expands.then(|| self.composite_fields(oid::EXPANDED)).flatten()
            }
            _ => None,
        })
    }

    fn composite_fields(&self, kind: Oid) -> Option<Vec<(String, Oid)>> {
        if kind == oid::EXPANDED {
            return Some(vec![("x".to_owned(), Oid(0)), ("n".to_owned(), Oid(0))]);
        }
        let relation = self.names.snapshot.type_by_oid(kind)?.relation;
        let relation = self.names.snapshot.relation(self.names.snapshot.by_oid(relation)?);
        Some(relation.columns.iter().map(|column| (column.name.clone(), column.type_oid)).collect())
    }
}
