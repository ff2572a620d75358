//! Calls of the client's interface, with their captures resolved.

use crate::fields::Val;
use crate::trace::ast::Command;

/// A call, as a line says it, with values for captures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Which call.
    pub command: Command,
    /// The arguments without a name.
    pub values: Vec<Val>,
    /// The arguments with one.
    pub fields: Vec<(String, Val)>,
}
