//! Why the table cannot be used.

use std::{error::Error, fmt};

/// Why the table cannot be used. The drivers' crates have an error of their own that describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// The name of the schema or of the table is too long, or has characters other than ASCII letters, digits and `_`.
    InvalidName,
    /// There is a table of that name, and it belongs to another application.
    Foreign,
    /// The table was written by a newer version.
    Newer,
    /// The table does not exist or has an older version, and was only to be read.
    NotMigrated,
    /// The database's encoding is not UTF-8, or its default isolation level is not `read committed`.
    Unsuitable,
    /// Another role owns the schema, the table, or something that the table executes.
    UntrustedOwner {
        /// What it owns, such as `the table sessions`.
        what: String,
        /// The role.
        owner: String,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName => f.write_str(
                "invalid schema or table name: only ASCII letters, digits and `_` are allowed, up to the length limit",
            ),
            Self::Foreign => f.write_str("the session table belongs to another application"),
            Self::Newer => f.write_str("the session table was written by a newer version of its store"),
            Self::NotMigrated => f.write_str("the session table does not exist or has an older version"),
            Self::Unsuitable => f.write_str(
                "the session database must use UTF-8 and `read committed` as its default isolation level",
            ),
            Self::UntrustedOwner { what, owner } => {
                write!(f, "{what} belongs to the role {owner:?}, which can read and change every session")
            }
        }
    }
}

impl Error for SchemaError {}
