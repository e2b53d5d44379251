//! The statements with this driver's types.

use tokio_postgres::types::Type;
use tower_refresh_postgres_schema::{self as schema, ParameterType, Table};

/// A statement and the types of its parameters.
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) types: Vec<Type>,
}

pub(crate) type Statements = schema::Statements<Statement>;

/// The statements for `table`.
pub(crate) fn statements(table: &Table, lossy_rotations: bool) -> Statements {
    Statements::new(table, lossy_rotations, |sql, types| Statement {
        sql,
        types: types.iter().copied().map(driver_type).collect(),
    })
}

fn driver_type(parameter: ParameterType) -> Type {
    match parameter {
        ParameterType::Bool => Type::BOOL,
        ParameterType::BoolArray => Type::BOOL_ARRAY,
        ParameterType::Bytea => Type::BYTEA,
        ParameterType::ByteaArray => Type::BYTEA_ARRAY,
        ParameterType::Int8 => Type::INT8,
        ParameterType::Int8Array => Type::INT8_ARRAY,
        ParameterType::Text => Type::TEXT,
        ParameterType::TextArray => Type::TEXT_ARRAY,
    }
}
