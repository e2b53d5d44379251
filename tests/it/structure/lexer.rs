//! A lexer for Rust, as far as imports and lines of code need one.

/// A name, `::`, one other character, or a whole literal.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
}

/// The text of each literal.
pub(super) const LITERAL: &str = "\"\"";

/// The tokens of a file, and the names of its modules with `#[cfg(test)]`, which are left out. So are comments.
pub(super) fn tokens(text: &str) -> (Vec<Token>, Vec<String>) {
    without_tests(Lexer { rest: text, line: 1 }.tokens())
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl Lexer<'_> {
    fn tokens(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        while !self.rest.is_empty() {
            let first_line = self.line;
            if let Some(text) = self.token() {
                tokens.push(Token { text, first_line, last_line: self.line });
            }
        }
        tokens
    }

    /// The next token; nothing for blanks and comments.
    fn token(&mut self) -> Option<String> {
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            return None;
        }
        if self.rest.starts_with("/*") {
            self.take_comment();
            return None;
        }
        if let Some(length) = literal(self.rest) {
            self.take(length);
            return Some(LITERAL.to_owned());
        }
        let name = self.rest.find(|char: char| !is_of_name(char)).unwrap_or(self.rest.len());
        let first = self.rest.chars().next()?;
        let length = match first {
            _ if name > 0 => name,
            _ if self.rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let text = self.take(length);
        (!first.is_whitespace()).then_some(text)
    }

    fn take(&mut self, length: usize) -> String {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken.to_owned()
    }

    /// Comments may be nested.
    fn take_comment(&mut self) {
        let mut depth = 0;
        while !self.rest.is_empty() {
            match self.rest {
                rest if rest.starts_with("/*") => depth += 1,
                rest if rest.starts_with("*/") => depth -= 1,
                rest => {
                    let length = rest.chars().next().map_or(0, char::len_utf8);
                    self.take(length);
                    continue;
                }
            }
            self.take(2);
            if depth == 0 {
                return;
            }
        }
    }
}

fn is_of_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The length of the literal or lifetime that `text` begins with. Numbers count as names.
fn literal(text: &str) -> Option<usize> {
    let prefix =
        ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| text.starts_with(prefix)).unwrap_or("");
    let body = &text[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    if prefix.ends_with('r') && body[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let content = prefix.len() + hashes + 1;
        return Some(text[content..].find(&end).map_or(text.len(), |at| content + at + end.len()));
    }
    if body.starts_with('"') {
        return Some(prefix.len() + quoted(body, '"'));
    }
    if !body.starts_with('\'') || !matches!(prefix, "" | "b") {
        return None;
    }
    let mut chars = body[1..].char_indices();
    let (_, first) = chars.next()?;
    match chars.next() {
        _ if first == '\\' => Some(prefix.len() + quoted(body, '\'')),
        Some((_, '\'')) => Some(prefix.len() + first.len_utf8() + 2),
        _ => Some(prefix.len() + 1 + body[1..].find(|char| !is_of_name(char)).unwrap_or(body.len() - 1)),
    }
}

/// The length of the text in these quotes, which may contain escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if !escaped && char == quote {
            return at + 1;
        }
        escaped = char == '\\' && !escaped;
    }
    text.len()
}

fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut tests, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if let Some((name, length)) = test_module(&tokens[at..]) {
            tests.push(name);
            at += length;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, tests)
}

/// The name of the module that begins here, with the attribute `#[cfg(test)]`, and how many tokens it has.
fn test_module(tokens: &[Token]) -> Option<(String, usize)> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let starts = |texts: &[&str]| texts.iter().enumerate().all(|(at, text)| is(at, text));
    if !starts(&["#", "[", "cfg", "(", "test"]) && !starts(&["#", "[", "cfg", "(", "all", "(", "test"]) {
        return None;
    }
    let mut at = 0;
    while is(at, "#") {
        at += after_group(&tokens[at + 1..])? + 1;
    }
    if is(at, "pub") {
        at += 1;
        if is(at, "(") {
            at += after_group(&tokens[at..])?;
        }
    }
    if !is(at, "mod") {
        return None;
    }
    let length = if is(at + 2, ";") { 1 } else { after_group(tokens.get(at + 2..)?)? };
    Some((tokens[at + 1].text.clone(), at + 2 + length))
}

/// The number of tokens from this bracket to the one that closes it.
fn after_group(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}
