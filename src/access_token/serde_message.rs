//! Messages of serde without the values that they quote, which may be personal.

/// The parts of `message` that name types and members. A message of the application's own implementation is left out as a
/// whole, since it may quote anything.
pub(super) fn without_values(message: &str) -> String {
    const NAMES: [&str; 3] = ["missing field `", "duplicate field `", "unknown field `"];
    const OF_SERDE_JSON: [&str; 2] = ["key must be a string", "float key must be finite (got NaN or +/-inf)"];
    // serde_json adds " at line 1 column 10".
    let (message, at) = message.rfind(" at line ").map_or((message, ""), |at| message.split_at(at));
    let known = if NAMES.iter().any(|start| message.starts_with(start)) || OF_SERDE_JSON.contains(&message) {
        message.to_owned()
    } else if let Some(rest) = message.strip_prefix("invalid type: ") {
        format!("invalid type: {}{}", type_of(rest), expected(rest))
    } else if let Some(rest) = message.strip_prefix("invalid value: ") {
        format!("invalid value: {}{}", type_of(rest), expected(rest))
    } else if let Some(rest) = message.strip_prefix("unknown variant ") {
        format!("unknown variant{}", expected(rest))
    } else if message.starts_with("invalid length ") {
        format!("invalid length{}", expected(message))
    } else {
        "an error of their own implementation".to_owned()
    };
    known + at
}

/// The type that serde names before a value.
fn type_of(unexpected: &str) -> &'static str {
    const TYPES: [&str; 9] = [
        "boolean",
        "integer",
        "floating point",
        "character",
        "string",
        "null",
        "sequence",
        "map",
        "unit variant",
    ];
    TYPES.into_iter().find(|name| unexpected.starts_with(name)).unwrap_or("another type")
}

/// What serde expected, which comes last.
fn expected(rest: &str) -> &str {
    rest.rfind(", expected ").and_then(|at| rest.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn names_and_types_stay_and_values_go() {
        let at = " at line 1 column 9";
        for (message, kept) in [
            ("missing field `plan`", "missing field `plan`"),
            ("unknown field `plan`, expected `name`", "unknown field `plan`, expected `name`"),
            ("duplicate field `plan`", "duplicate field `plan`"),
            ("key must be a string", "key must be a string"),
            ("invalid type: string \"Alice\", expected u8", "invalid type: string, expected u8"),
            ("invalid type: integer `7`, expected a string", "invalid type: integer, expected a string"),
            ("invalid type: null, expected a map", "invalid type: null, expected a map"),
            ("invalid type: Alice, expected a map", "invalid type: another type, expected a map"),
            (
                "invalid value: floating point `1.5`, expected u8",
                "invalid value: floating point, expected u8",
            ),
            ("invalid type: string \"a, expected Alice\", expected u8", "invalid type: string, expected u8"),
            (
                "unknown variant `Alice`, expected one of `a`, `b`",
                "unknown variant, expected one of `a`, `b`",
            ),
            (
                "invalid length 7, expected an array of length 2",
                "invalid length, expected an array of length 2",
            ),
            ("invalid length 7", "invalid length"),
            ("Alice is not an even number", "an error of their own implementation"),
            ("", "an error of their own implementation"),
        ] {
            assert_eq!(without_values(message), kept);
            assert_eq!(without_values(&format!("{message}{at}")), format!("{kept}{at}"));
        }
    }

    #[test]
    fn the_messages_are_those_of_serde() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "never read")]
        struct Claims {
            plan: u8,
        }
        for (json, kept) in [
            ("{}", "missing field `plan` at line 1 column 2"),
            (r#"{"plan": "Alice"}"#, "invalid type: string, expected u8 at line 1 column 16"),
            (r#"{"plan": 300}"#, "invalid value: integer, expected u8 at line 1 column 12"),
        ] {
            let error = serde_json::from_str::<Claims>(json).unwrap_err();
            assert_eq!(without_values(&error.to_string()), kept);
        }
    }
}
