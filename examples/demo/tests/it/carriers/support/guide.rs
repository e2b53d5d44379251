//! Configurations from the guide, so that it shows what was run.

pub(crate) const FORWARD_AUTH: &str = include_str!("../../../../../../src/guide/forward_auth.md");
pub(crate) const PROXIES: &str = include_str!("../../../../../../src/guide/proxies.md");
pub(crate) const SSR: &str = include_str!("../../../../../../src/guide/ssr.md");
pub(crate) const LOGIN_SERVICE: &str = include_str!("login_service.rs");

/// The code block of `chapter` in this language that contains `part`.
#[track_caller]
pub(crate) fn configuration(chapter: &str, language: &str, part: &str) -> String {
    let start = format!("```{language}\n");
    let blocks = chapter.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap());
    let found: Vec<_> = blocks.filter(|block| block.contains(part)).collect();
    assert_eq!(found.len(), 1, "one block of {language} with {part:?}");
    found[0].to_owned()
}

/// `text` with replacements, each of which must apply: otherwise the test would not test what it says.
#[track_caller]
pub(crate) fn replaced(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in {text}");
        text.replace(from, to)
    })
}
