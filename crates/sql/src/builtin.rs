//! PLACEHOLDER by the lead so that the crate compiles; engineer "lexer" replaces this file.

/// Comparison families.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family { /// i
    Integer, /// n
    Numeric, /// o
    Other }
/// f
pub fn function(name: &str) -> Option<()> { ["lower", "upper", "count", "sum", "now", "max", "min", "regexp_replace"].contains(&name).then_some(()) }
/// t
pub fn castable_type(name: &str) -> bool { ["text", "int4", "date"].contains(&name) }
/// o
pub fn operator(name: &str) -> bool { ["=", "<", ">", "+", "-", "||", "<>", ">=", "<=", "*"].contains(&name) }
/// c
pub fn comparison_family(oid: u32) -> Option<Family> { match oid { 20 | 21 | 23 => Some(Family::Integer), 1700 => Some(Family::Numeric), 25 | 1043 => Some(Family::Other), _ => None } }
/// x
pub fn cross_type_safe(_: Family) -> bool { true }
