//! Functions that look things up in the catalog, and how each must be guarded.
//!
//! In:  a name in `pg_catalog`.
//! Out: a [`Lookup`], or nothing: then the function may not be called.
//!
//! Each of these tells of an object whoever may see it: it takes an OID or a name and asks nobody. A guarded call tells
//! of an object only what the catalog's own rows, filtered for the reader, tell as well.
//!
//! Invariants:
//! - A name that is not listed is refused: statistics, files, locks, other sessions, xids, large objects.
//! - `Free` is said of functions that take no object, or tell of it no more than that its OID is in use.

/// An object that a catalog function tells of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Object {
    /// A relation, index or sequence, that it exists.
    Relation,
    /// A relation of which every row is seen: sizes and partition bounds tell of rows.
    WholeRelation,
    /// A relation with all of its partitions.
    PartitionTree,
    /// The partition key of a relation.
    PartitionKey,
    /// A view's definition.
    ViewDefinition,
    /// A sequence that the reader may draw from.
    Sequence,
    /// A type.
    Type,
    /// Every type of an `oidvector`.
    Types,
    /// A function with its signature.
    Function,
    /// A function's source, which may name anything.
    FunctionSource,
    /// A schema.
    Schema,
    /// A role.
    Role,
    /// A constraint with its definition.
    Constraint,
    /// A trigger with its definition.
    Trigger,
    /// A rewrite rule with its definition.
    Rule,
    /// Extended statistics with their definition.
    Statistics,
    /// An operator.
    Operator,
    /// Nothing of the kind may be told of.
    Nothing,
}

/// Types whose input looks a name up, and whose output tells it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Alias {
    /// `regclass`
    Class,
    /// `regtype`
    Type,
    /// `regproc`
    Procedure,
    /// `regprocedure`
    Signature,
    /// `regnamespace`
    Namespace,
    /// `regrole`
    Role,
    /// `regoper`
    Operator,
    /// `regoperator`
    OperatorSignature,
}

impl Alias {
    const ALL: [Self; 8] = [
        Self::Class,
        Self::Type,
        Self::Procedure,
        Self::Signature,
        Self::Namespace,
        Self::Role,
        Self::Operator,
        Self::OperatorSignature,
    ];

    /// The type's name in `pg_catalog`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "regclass",
            Self::Type => "regtype",
            Self::Procedure => "regproc",
            Self::Signature => "regprocedure",
            Self::Namespace => "regnamespace",
            Self::Role => "regrole",
            Self::Operator => "regoper",
            Self::OperatorSignature => "regoperator",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alias| alias.name() == name)
    }

    /// What its values stand for.
    #[must_use]
    pub fn object(self) -> Object {
        match self {
            Self::Class => Object::Relation,
            Self::Type => Object::Type,
            Self::Procedure | Self::Signature => Object::Function,
            Self::Namespace => Object::Schema,
            Self::Role => Object::Role,
            Self::Operator | Self::OperatorSignature => Object::Operator,
        }
    }
}

/// How an argument names its object.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Given {
    /// By an OID.
    Oid,
    /// By an OID or a name, as a value of an alias type.
    Name(Alias),
    /// As an `oidvector`.
    Oids,
}

/// A call that is replaced whole.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Replaced {
    /// `pg_get_expr(tree, relation [, pretty])`
    Expression,
    /// `col_description(relation, number)`
    ColumnDescription,
    /// `obj_description(object [, catalog])`
    Description,
    /// `shobj_description(object, catalog)`
    SharedDescription,
    /// `pg_get_serial_sequence(relation, column)`
    SerialSequence,
    /// `pg_typeof(value)`
    TypeOf,
    /// `pg_blocking_pids(pid)`: other people's sessions are not told of, so nobody blocks
    Blocking,
    /// `to_regclass(name)` and its kin
    ToAlias(Alias),
    /// `has_table_privilege` and `has_any_column_privilege`: `([role,] relation, privilege)`
    TablePrivilege,
    /// `has_column_privilege([role,] relation, column, privilege)`
    ColumnPrivilege,
    /// `has_sequence_privilege([role,] sequence, privilege)`
    SequencePrivilege,
    /// `has_schema_privilege([role,] schema, privilege)`
    SchemaPrivilege,
    /// `has_database_privilege([role,] database, privilege)`
    DatabasePrivilege,
    /// `has_function_privilege([role,] function, privilege)`
    FunctionPrivilege,
    /// `has_type_privilege([role,] type, privilege)`
    TypePrivilege,
    /// `pg_has_role([role,] role, privilege)`
    RolePrivilege,
}

/// What stands between a reader and a catalog function.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Lookup {
    /// Nothing.
    Free,
    /// Its first argument becomes NULL where the reader may not know of the object.
    First(Object, Given),
    /// The whole call becomes an expression of ours.
    Whole(Replaced),
    /// `current_setting`: the setting must be one that may be shown.
    Setting,
    /// `set_config`: the setting must be one that may be changed.
    SetConfig,
}

/// How a catalog function must be guarded; `None` if it may not be called.
#[must_use]
pub fn lookup(name: &str) -> Option<Lookup> {
    use Lookup::{First, Free, Whole};
    const CLASS: Given = Given::Name(Alias::Class);
    Some(match name {
        // Gives up locks of this session; there are none, since no function that takes one is allowed.
        "pg_advisory_unlock_all"
        | "acldefault"
        | "aclexplode"
        | "getdatabaseencoding"
        | "nameconcatoid"
        | "pg_available_extensions"
        | "pg_collation_is_visible"
        | "pg_conf_load_time"
        | "pg_available_extension_versions"
        | "pg_conversion_is_visible"
        | "pg_indexam_has_property"
        | "pg_is_other_temp_schema"
        | "pg_is_wal_replay_paused"
        | "pg_my_temp_schema"
        | "pg_opclass_is_visible"
        | "pg_operator_is_visible"
        | "pg_opfamily_is_visible"
        | "pg_options_to_table"
        | "pg_postmaster_start_time"
        | "pg_timezone_abbrevs"
        | "pg_timezone_names"
        | "pg_ts_config_is_visible"
        | "pg_ts_dict_is_visible"
        | "pg_ts_parser_is_visible"
        | "pg_ts_template_is_visible" => Free,
        "pg_table_is_visible" => First(Object::Relation, Given::Oid),
        "pg_type_is_visible" | "format_type" => First(Object::Type, Given::Oid),
        "oidvectortypes" => First(Object::Types, Given::Oids),
        "pg_function_is_visible"
        | "pg_get_function_arguments"
        | "pg_get_function_identity_arguments"
        | "pg_get_function_result"
        | "pg_get_function_arg_default" => First(Object::Function, Given::Oid),
        "pg_get_functiondef" | "pg_get_function_sqlbody" => {
            First(Object::FunctionSource, Given::Oid)
        }
        "pg_get_userbyid" => First(Object::Role, Given::Oid),
        "pg_get_viewdef" => First(Object::ViewDefinition, CLASS),
        "pg_get_indexdef" | "pg_sequence_parameters" => First(Object::Relation, Given::Oid),
        "pg_get_constraintdef" => First(Object::Constraint, Given::Oid),
        "pg_get_triggerdef" => First(Object::Trigger, Given::Oid),
        "pg_get_ruledef" => First(Object::Rule, Given::Oid),
        "pg_get_statisticsobjdef"
        | "pg_get_statisticsobjdef_columns"
        | "pg_get_statisticsobjdef_expressions"
        | "pg_statistics_obj_is_visible" => First(Object::Statistics, Given::Oid),
        "pg_get_partkeydef" => First(Object::PartitionKey, Given::Oid),
        "pg_get_partition_constraintdef" => First(Object::WholeRelation, Given::Oid),
        "pg_index_column_has_property"
        | "pg_index_has_property"
        | "pg_relation_is_publishable"
        | "pg_relation_is_updatable"
        | "pg_column_is_updatable" => First(Object::Relation, CLASS),
        "pg_partition_tree" | "pg_partition_ancestors" | "pg_partition_root" => {
            First(Object::PartitionTree, CLASS)
        }
        "pg_relation_size" | "pg_table_size" | "pg_total_relation_size" | "pg_indexes_size" => {
            First(Object::WholeRelation, CLASS)
        }
        // How often a relation was read and written.
        "pg_stat_get_numscans" | "pg_stat_get_live_tuples" | "pg_stat_get_dead_tuples" => {
            First(Object::WholeRelation, Given::Oid)
        }
        "pg_database_size" | "pg_tablespace_size" | "pg_tablespace_location" => {
            First(Object::Nothing, Given::Oid)
        }
        "nextval" | "currval" | "setval" => First(Object::Sequence, CLASS),
        "current_setting" => Lookup::Setting,
        "set_config" => Lookup::SetConfig,
        other => Whole(replaced(other)?),
    })
}

fn replaced(name: &str) -> Option<Replaced> {
    Some(match name {
        "pg_get_expr" => Replaced::Expression,
        "col_description" => Replaced::ColumnDescription,
        "obj_description" => Replaced::Description,
        "shobj_description" => Replaced::SharedDescription,
        "pg_get_serial_sequence" => Replaced::SerialSequence,
        "pg_typeof" => Replaced::TypeOf,
        "pg_blocking_pids" => Replaced::Blocking,
        "has_table_privilege" | "has_any_column_privilege" => Replaced::TablePrivilege,
        "has_column_privilege" => Replaced::ColumnPrivilege,
        "has_sequence_privilege" => Replaced::SequencePrivilege,
        "has_schema_privilege" => Replaced::SchemaPrivilege,
        "has_database_privilege" => Replaced::DatabasePrivilege,
        "has_function_privilege" => Replaced::FunctionPrivilege,
        "has_type_privilege" => Replaced::TypePrivilege,
        "pg_has_role" => Replaced::RolePrivilege,
        _ => Replaced::ToAlias(name.strip_prefix("to_").and_then(Alias::of)?),
    })
}
