//! Settings as values: `current_setting`, `set_config`, and the function that lists them all.
//!
//! Invariants:
//! - A name that is a constant is put down for `rewrite` to decide on; one that is not is only shown, behind a guard.
//! - `pg_show_all_settings()` is read as the view `pg_settings`, whose rows are filtered.

use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes;

use super::lookup::constant;
use super::query::derived;
use super::scope::{Columns, Item};
use super::{Access, Role, Scan, Seen, Walker};
use crate::builtin::Lookup;
use crate::error::{Error, offset};

/// What `pg_settings` is made of.
const SETTINGS_FUNCTION: &str = "pg_show_all_settings";

/// `current_setting` or `set_config` of a constant name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingUse {
    /// In lower case.
    pub name: String,
    /// It is changed, not shown.
    pub changed: bool,
}

impl<'a> Walker<'a> {
    /// Puts down which setting is shown or changed; `false` where the name is no constant, and only shown.
    pub(super) fn setting(
        &mut self,
        lookup: Lookup,
        call: &nodes::FuncCall,
    ) -> Result<bool, Error> {
        let changed = match lookup {
            Lookup::Setting => false,
            Lookup::SetConfig => true,
            Lookup::Free | Lookup::First(..) | Lookup::Whole(_) => return Ok(true),
        };
        match call.args().first().and_then(constant) {
            Some(name) => {
                let name = name.to_ascii_lowercase();
                self.out.settings.push(SettingUse { name, changed });
                Ok(true)
            }
            None if !changed => Ok(false),
            None => {
                let what = "set_config of a name that is not a constant";
                Err(Error::unsupported(what, call.location))
            }
        }
    }

    /// `pg_show_all_settings()` gives what the view `pg_settings` shows, and is read as that view.
    pub(super) fn settings_function(
        &mut self,
        function: &'a nodes::RangeFunction,
    ) -> Result<Option<Item<'a>>, Error> {
        let alone = function.functions().len() == 1
            && function.coldeflist().is_empty()
            && !function.ordinality
            && !function.is_rowsfrom;
        let entry = function.functions().first().and_then(|entry| entry.as_node_list());
        let (true, Some(Node::FuncCall(call))) = (alone, entry.and_then(NodeList::first)) else {
            return Ok(None);
        };
        let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
        let name = match names.as_slice() {
            [name @ SETTINGS_FUNCTION] | ["pg_catalog", name @ SETTINGS_FUNCTION] => *name,
            _ => return Ok(None),
        };
        let (range, arguments) = self.arguments(call)?;
        let unknown = || Error::Function { name: name.to_owned(), offset: offset(call.location) };
        let found = self.names.snapshot.qualified("pg_catalog", "pg_settings");
        let (Some(id), true) = (found, arguments.is_empty()) else { return Err(unknown()) };
        let Seen::Columns(view) = self.names.lens.seen(id) else { return Err(unknown()) };
        let alias = function.alias().and_then(nodes::Alias::aliasname);
        let source = self.relation_source(id, view);
        let access = self.out.accesses.len();
        self.out.accesses.push(Access {
            relation: id,
            role: Role::Scan(Scan::default()),
            range,
            spelled: name.to_owned(),
            alias: alias.unwrap_or(name).to_owned(),
            aliased: alias.is_some(),
            only: false,
            fenced: false,
            correlated: false,
            unconditional: self.unconditional,
        });
        let item = derived(name.to_owned(), Rc::new(Columns::default()));
        let mut item = Item { accesses: access..access + 1, source, ..item };
        self.apply_alias(&mut item, function.alias())?;
        Ok(Some(item))
    }
}
