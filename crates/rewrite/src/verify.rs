//! Carries a plan out and proves the result: the only maker of [`Cleared`].
//!
//! The text that is about to be sent is read again with PostgreSQL's own grammar and its own tree walker
//! (`sql::census`), and everything it names must be what the plan says.
//!
//! Invariants:
//! - As many statements, of the kinds decided.
//! - Each relation is one that an edit of ours named, at the place where it named it, guarded as planned; or a name
//!   that the analysis knew for a CTE; or inside a predicate of the policy's, and qualified or a CTE of that predicate.
//! - A filtered scan is a plain SELECT, and its whole condition stands in the edit that names the relation.
//! - A write sets no other columns than those decided, and a reference to its target that was to be replaced is.
//! - CASCADE was taken out.
//! - Each function and operator that the client named is built-in and on the allow-list, or allowed by the policy.

use std::collections::{BTreeMap, BTreeSet};

use pgcordon_sql::analyze::allowed_function;
use pgcordon_sql::builtin;
use pgcordon_sql::census::{self, Called, Census, Named, Place};
use pgcordon_sql::splice::Spliced;

use crate::Refusal;
use crate::cleared::Cleared;
use crate::plan::{Guard, Mark, Plan};
use crate::write::CHECK_NAME;

/// Applies the plan to the client's text and checks what comes out.
pub(crate) fn verify(text: &str, mut plan: Plan) -> Result<Cleared, Refusal> {
    let free = plan.constants();
    let (spliced, marks) = crate::read::place(text, plan.pieces)?;
    let census = census::read(&spliced.text).map_err(|error| fault(error.to_string()))?;
    let check = Check {
        marks: marks.into_iter().map(|mark| (mark.offset, mark)).collect(),
        names: plan.names.iter().map(|offset| spliced.moved(*offset)).collect(),
        replaced: plan.replaced.iter().map(|offset| spliced.moved(*offset)).collect(),
        calls: &plan.calls,
        spliced: &spliced,
    };
    let outlines: Vec<_> = census.iter().map(|census| census.outline.clone()).collect();
    if outlines != plan.outlines {
        return Err(fault("statements differ from those decided"));
    }
    check.all(&census)?;
    let calls_foreign = !plan.calls.is_empty();
    Ok(Cleared::new(spliced, plan.statements.into(), free.into(), calls_foreign))
}

/// For a principal with bypass: nothing is rewritten, but the text is still read.
pub(crate) fn unchanged(text: &str, plan: Plan) -> Cleared {
    let spliced = Spliced { text: text.to_owned(), moved: Vec::new() };
    // Nobody has looked at what a bypass principal calls.
    Cleared::new(spliced, plan.statements.into(), [].into(), true)
}

fn fault(what: impl Into<String>) -> Refusal {
    Refusal::Verification(what.into())
}

struct Check<'a> {
    marks: BTreeMap<usize, Mark>,
    names: Vec<usize>,
    replaced: Vec<usize>,
    calls: &'a [(String, String)],
    spliced: &'a Spliced,
}

impl Check<'_> {
    fn all(&self, census: &[Census]) -> Result<(), Refusal> {
        // The walker meets the source of `SET (a, b) = (SELECT …)` once for each column.
        let mut met = BTreeSet::new();
        for statement in census {
            if statement.cascade {
                return Err(fault("what is dropped takes with it what was not planned"));
            }
            for named in &statement.relations {
                if self.relation(named, &statement.common_tables)? {
                    met.insert(named.offset);
                }
            }
            let kept = |at: &&usize| self.replaced.contains(at) && !self.inserted(**at);
            if statement.columns.iter().find(kept).is_some() {
                return Err(fault("a reference to the target was not replaced"));
            }
            for called in &statement.functions {
                self.called(called, allowed_function)?;
            }
            for called in &statement.operators {
                self.called(called, builtin::operator)?;
            }
        }
        if met.len() != self.marks.len() {
            return Err(fault("a relation that was planned is not in the tree"));
        }
        Ok(())
    }

    /// Whether the name is one of ours; an error if it is nobody's.
    fn relation(&self, named: &Named, common_tables: &[(usize, String)]) -> Result<bool, Refusal> {
        if let Some(mark) = self.marks.get(&named.offset) {
            let schema = named.schema.as_deref().unwrap_or_default();
            let other = mark.name.as_ref().is_some_and(|name| *name != named.name);
            if schema != mark.schema || other {
                return Err(fault("a relation is not the one that was planned"));
            }
            self.guarded(mark, named)?;
            return Ok(true);
        }
        if self.inserted(named.offset) {
            // A CTE is defined in the predicate that reads it: nothing of the client's stands in between.
            let defined = |(at, name): &(usize, String)| {
                *name == named.name && self.in_one_edit(&[named.offset, *at])
            };
            return match named.schema {
                Some(_) => Ok(false),
                None if common_tables.iter().any(defined) => Ok(false),
                None => Err(fault("a predicate names a relation without its schema")),
            };
        }
        if named.schema.is_none() && self.names.contains(&named.offset) {
            return Ok(false);
        }
        Err(fault("a relation was not planned"))
    }

    fn guarded(&self, mark: &Mark, named: &Named) -> Result<(), Refusal> {
        let safe = match (&mark.guard, &named.place) {
            (Guard::Object, Place::Object) | (Guard::Made, Place::Made) => true,
            (Guard::Free | Guard::Name, Place::OnlyItem { .. } | Place::Elsewhere) => true,
            (Guard::Scan { condition: wanted }, Place::OnlyItem { condition, plain }) => {
                let ours = named.alias.as_deref() == Some("pgcordon_scan");
                let filtered = match condition {
                    Some((first, last)) => self.in_one_edit(&[named.offset, *first, *last]),
                    None => !wanted,
                };
                ours && *plain && filtered
            }
            (
                Guard::Changed { and_in, condition: wanted, check, columns: settable },
                Place::Changed { condition, and_at, last_returning, columns },
            ) => {
                let and = match and_in {
                    Some(_) => and_at.is_some_and(|offset| self.inserted(offset)),
                    None => true,
                };
                let set = columns.iter().all(|column| settable.contains(column));
                and && set && (*condition || !wanted) && checked(*check, last_returning.as_ref())
            }
            (
                Guard::Inserted { check, columns: settable },
                Place::Inserted { last_returning, columns },
            ) => {
                let set = columns.iter().all(|column| settable.contains(column));
                set && checked(*check, last_returning.as_ref())
            }
            (Guard::Merged { and, whens }, Place::Merged { and_at, whens: places }) => {
                let ours = |offset: &usize| self.inserted(*offset);
                let mut both = whens.iter().zip(places);
                whens.len() == places.len()
                    && (!and || and_at.as_ref().is_some_and(ours))
                    && both.all(|(guard, place)| {
                        (!guard.condition || place.case_at.as_ref().is_some_and(ours))
                            && place.columns.iter().all(|column| guard.columns.contains(column))
                            && (!guard.value || place.queries_at.iter().any(&ours))
                    })
            }
            (Guard::Copied { check }, Place::Copied { case_at }) => {
                !check || case_at.is_some_and(|offset| self.inserted(offset))
            }
            (
                Guard::Free
                | Guard::Name
                | Guard::Object
                | Guard::Made
                | Guard::Scan { .. }
                | Guard::Changed { .. }
                | Guard::Inserted { .. }
                | Guard::Merged { .. }
                | Guard::Copied { .. },
                Place::OnlyItem { .. }
                | Place::Changed { .. }
                | Place::Inserted { .. }
                | Place::Merged { .. }
                | Place::Object
                | Place::Made
                | Place::Copied { .. }
                | Place::Elsewhere,
            ) => false,
        };
        if safe { Ok(()) } else { Err(fault("a relation is not guarded as planned")) }
    }

    /// Whether the relation and its whole condition stand in one edit: nothing of it is the client's.
    fn in_one_edit(&self, offsets: &[usize]) -> bool {
        let edits = &self.spliced.moved;
        edits.iter().any(|(_, range)| offsets.iter().all(|offset| range.contains(offset)))
    }

    /// Whether an offset of the new text lies in text of ours.
    fn inserted(&self, offset: usize) -> bool {
        self.spliced.moved.iter().any(|(_, range)| range.contains(&offset))
    }

    fn called(&self, called: &Called, listed: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        // What stands in text of ours was qualified when the policy was loaded, or is ours. A name that we
        // qualified begins in our edit and ends in the client's text: `pg_catalog.` decides there.
        let ours = called.offset.is_some_and(|offset| self.inserted(offset));
        let known = match called.name.as_slice() {
            [schema, name] if schema == "pg_catalog" => listed(name) || (ours && name == "left"),
            [schema, name] if schema == "information_schema" => name == "_pg_expandarray",
            [schema, name] => ours || self.allowed(schema, name),
            [name] => ours || listed(name) || self.calls.iter().any(|(_, other)| other == name),
            _ => false,
        };
        if known { Ok(()) } else { Err(fault("a function or operator was not planned")) }
    }

    fn allowed(&self, schema: &str, name: &str) -> bool {
        self.calls.iter().any(|(known, other)| known == schema && other == name)
    }
}

fn checked(wanted: bool, last_returning: Option<&String>) -> bool {
    !wanted || last_returning.is_some_and(|name| name == CHECK_NAME)
}
