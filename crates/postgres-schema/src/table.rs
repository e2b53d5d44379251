//! The table's name, and the names derived from it.

use crate::error::SchemaError;

/// PostgreSQL truncates longer names.
const LONGEST_NAME: usize = 63;
/// The longest suffix of a name that is derived from the table's.
const LONGEST_SUFFIX: usize = "_death_hour".len();

/// A table in its schema. Neither name contains a character that has a meaning within quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    schema: String,
    name: String,
}

impl Table {
    /// The table `name` in `schema`. A name consists of ASCII letters, digits and underscores, and is case-sensitive.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`] for other names, and for those whose derived names PostgreSQL would truncate.
    pub fn new(schema: String, name: String) -> Result<Self, SchemaError> {
        if !is_name(&schema, LONGEST_NAME) || !is_name(&name, LONGEST_NAME - LONGEST_SUFFIX) {
            return Err(SchemaError::InvalidName);
        }
        Ok(Self { schema, name })
    }

    pub(crate) fn path(&self) -> String {
        self.fill_in(r#""{schema}"."{table}""#)
    }

    /// The table that stores how many migrations were applied.
    pub(crate) fn version_path(&self) -> String {
        self.fill_in(r#""{schema}"."{table}_version""#)
    }

    /// Replaces `{schema}` and `{table}` in `template`.
    pub(crate) fn fill_in(&self, template: &str) -> String {
        template.replace("{schema}", &self.schema).replace("{table}", &self.name)
    }

    /// The notification channel of session ends: one per table, whatever the length of its name.
    pub(crate) fn channel(&self) -> String {
        format!("tower_refresh_ends_{:016x}", hash(&[&self.schema, &self.name]))
    }

    /// The advisory lock that migrations take, so that only one runs at a time.
    pub(crate) fn lock(&self) -> i64 {
        hash(&["tower-refresh-postgres", &self.schema]).cast_signed()
    }
}

fn is_name(name: &str, longest: usize) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let goes_on_well = name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_');
    starts_well && goes_on_well && name.len() <= longest
}

/// FNV-1a: the same in every version of this crate.
fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str, name: &str) -> Result<Table, SchemaError> {
        Table::new(schema.into(), name.into())
    }

    #[test]
    fn valid_names_are_used_unchanged() {
        let longest = "t".repeat(LONGEST_NAME - LONGEST_SUFFIX);
        for (schema, name) in [("public", "sessions"), ("_Auth2", "user"), ("select", &longest)] {
            let path = table(schema, name).unwrap().path();
            assert_eq!(path, format!("\"{schema}\".\"{name}\""));
        }
    }

    #[test]
    fn names_with_other_characters_are_rejected() {
        let hostile = [
            "",
            "a\"; DROP TABLE users; --",
            "a.b",
            "a b",
            "a-b",
            "1a",
            "a\0",
            "a\n",
            "é",
            "{table}",
            "a$1",
            "'a'",
            &"t".repeat(64),
        ];
        for name in hostile {
            assert_eq!(table(name, "sessions"), Err(SchemaError::InvalidName), "schema {name:?}");
            assert_eq!(table("public", name), Err(SchemaError::InvalidName), "table {name:?}");
        }
        let cut = "t".repeat(LONGEST_NAME - LONGEST_SUFFIX + 1);
        assert_eq!(
            table("public", &cut),
            Err(SchemaError::InvalidName),
            "its indexes' names would be truncated"
        );
    }

    #[test]
    fn each_table_has_its_own_channel() {
        let channel = |schema, name| table(schema, name).unwrap().channel();
        assert_ne!(channel("a", "b"), channel("b", "a"));
        assert_ne!(channel("ab", "c"), channel("a", "bc"));
        assert!(channel("a", "b").len() <= LONGEST_NAME);
    }
}
