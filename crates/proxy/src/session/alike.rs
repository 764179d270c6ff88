//! Texts of the simple protocol that differ only in constants: judged once, run as one prepared statement.
//!
//! In:  a text.
//! Out: the prepared statement of its like with this text's constants as values, or a verdict made of theirs.
//!
//! | known of its like        | outcome                                                              |
//! |--------------------------|----------------------------------------------------------------------|
//! | nothing                  | judged                                                               |
//! | one was judged           | judged, and made a template where that is proven possible            |
//! | not possible             | judged                                                               |
//! | a template               | the verdict is made of it (`pgcordon_rewrite::Template`)             |
//! | a statement with parameters | runs as that statement, unless a constant differs that must stay  |
//!
//! Invariants:
//! - An answer of `None` means that the text is judged by itself.
//! - Errors are told as of this text: its words and its positions.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use pgcordon_rewrite::Cleared;
use pgcordon_sql::{Skeleton, skeleton};

use super::names::{Form, Prepared, Slot};
use super::path::SearchPath;
use super::pending::Pending;
use super::verdict::{LONG, Who};
use super::{Batch, Session};
use crate::judged::Judged;
use crate::message::Status;
use crate::plans::{Alike, Key, Shape};
use crate::statements::NameBuffer;

/// The text for which a statement with parameters runs.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    text: Arc<str>,
    shape: Arc<Shape>,
}

impl Sent {
    /// The text, and the statement as one made of it.
    pub(super) fn texts(&self) -> Option<(Arc<str>, Cleared)> {
        let skeleton = skeleton(&self.text)?;
        Some((self.text.clone(), self.shape.parameterised.cleared_for(&skeleton)?))
    }
}

impl Who {
    fn alike_key<'a>(&'a self, path: &'a SearchPath, skeleton: &'a Skeleton<'_>) -> Key<'a> {
        Key { text: skeleton.key(), ..self.key(path, "", &[]) }
    }

    /// The verdict that texts like this one share, made this text's.
    pub(super) fn made_of_alike(&self, path: &SearchPath, text: &str) -> Option<Arc<Judged>> {
        let skeleton = comparable(text)?;
        let known = self.database.plans.find_alike(&self.alike_key(path, &skeleton))?;
        match known {
            Alike::Once | Alike::Never => None,
            Alike::Template(template) | Alike::Parameterised(template, _) => {
                let cleared = template.fill(&skeleton)?;
                let epoch = self.state.epoch;
                Some(Arc::new(Judged::once(text.into(), cleared, Bytes::new(), epoch)))
            }
        }
    }

    /// A text was judged: others of its like may be made of it from now on. Whether they will be.
    pub(super) fn note_alike(&self, path: &SearchPath, judged: &Judged) -> bool {
        let Some(skeleton) = comparable(&judged.text) else { return false };
        let key = self.alike_key(path, &skeleton);
        let (known, made) = match self.database.plans.find_alike(&key) {
            None => (Some(Alike::Once), false),
            Some(Alike::Once) => match self.alike(path, judged, &skeleton) {
                Some(alike) => (Some(alike), true),
                None => (Some(Alike::Never), false),
            },
            // One that is there did not serve this text: another constant differs, which must stay.
            Some(Alike::Never | Alike::Template(_) | Alike::Parameterised(..)) => (None, false),
        };
        if let Some(known) = known {
            self.database.plans.insert_alike(&key, known);
        }
        made
    }

    fn alike(&self, path: &SearchPath, judged: &Judged, skeleton: &Skeleton<'_>) -> Option<Alike> {
        let context = self.context(path.schemas(), &[]);
        // As in judging: everything is only read, and a panic makes no template.
        let making = AssertUnwindSafe(|| {
            let template = judged.cleared.template(skeleton, context)?;
            let parameterised = template.parameterised(skeleton);
            Some((template, parameterised))
        });
        let (template, parameterised) = catch_unwind(making).ok()??;
        let template = Arc::new(template);
        let Some(parameterised) = parameterised else { return Some(Alike::Template(template)) };
        let mut types = BytesMut::new();
        let count = parameterised.types().len();
        types.put_u16(u16::try_from(count).ok()?);
        parameterised.types().for_each(|kind| types.put_u32(kind));
        let (text, cleared) = (judged.text.clone(), parameterised.cleared().clone());
        let statement = Judged::new(text, cleared, types.freeze(), judged.epoch);
        if !statement.is_promotable() {
            return Some(Alike::Template(template));
        }
        let shape = Shape { parameterised, judged: Arc::new(statement) };
        Some(Alike::Parameterised(template, Arc::new(shape)))
    }
}

/// A text that may have its like.
fn comparable(text: &str) -> Option<Skeleton<'_>> {
    // Making a template judges a text once more, on this thread.
    if text.len() > LONG {
        return None;
    }
    skeleton(text).filter(|skeleton| !skeleton.constants().is_empty())
}

/// The part of Bind that holds the parameters: all in text format.
fn parameters(values: &[std::borrow::Cow<'_, str>]) -> Option<Vec<u8>> {
    let length: usize = values.iter().map(|value| value.len() + 4).sum();
    let mut parameters = Vec::with_capacity(4 + length);
    parameters.put_u16(0);
    parameters.put_u16(u16::try_from(values.len()).ok()?);
    for value in values {
        parameters.put_i32(i32::try_from(value.len()).ok()?);
        parameters.put_slice(value.as_bytes());
    }
    Some(parameters)
}

impl Session {
    /// Runs a simple query as the prepared statement of its like, if there is one. Whether it did.
    pub(super) fn run_alike(&mut self, text: &str) -> bool {
        if self.who.is_bypass() || self.batch != Batch::Closed || self.status == Status::Failed {
            return false;
        }
        let Some((shape, parameters)) = self.find_shape(text) else { return false };
        // `clear` says what is wrong with a write of who only looks.
        if !self.is_shareable(&shape.judged) || (self.who.is_viewing() && shape.judged.changes_data)
        {
            return false;
        }
        let prepared = Arc::new(Prepared {
            judged: shape.judged.clone(),
            principal: self.who.principal.clone(),
            path: self.path.generation(),
            form: Form::Text,
            slot: Slot::Shared,
            links: HashMap::new(),
            sent: Some(Sent { text: text.into(), shape }),
            ours: None,
        });
        self.run_shared(prepared, &parameters);
        true
    }

    fn find_shape(&self, text: &str) -> Option<(Arc<Shape>, Vec<u8>)> {
        let skeleton = comparable(text)?;
        let key = self.who.alike_key(&self.path, &skeleton);
        match self.who.database.plans.find_alike(&key)? {
            Alike::Once | Alike::Never | Alike::Template(_) => None,
            Alike::Parameterised(_, shape) => {
                let values = shape.parameterised.values(&skeleton)?;
                let parameters = parameters(&values)?;
                Some((shape, parameters))
            }
        }
    }

    /// A simple query as Bind, Describe, Execute and Sync of a shared statement.
    pub(super) fn run_shared(&mut self, prepared: Arc<Prepared>, parameters: &[u8]) {
        let mut name = NameBuffer::default();
        self.names.drop_unnamed();
        let statement = self.ensure_shared(&prepared);
        let held = self.is_held(&prepared);
        self.wire().run_shared(statement.name(&mut name), parameters, held);
        if held {
            self.hold_sync();
        }
        self.batch = Batch::Closed;
        self.flushed = true;
        self.count_statement(&prepared, 0);
        self.push(Pending::Query { prepared, index: 0, shared: true, interlude: None });
    }
}
