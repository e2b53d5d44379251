//! Settings that would be dangerous.

use std::fs;

use serde_json::{Value, json};

use crate::settings::Settings;

fn read(providers: &[Value]) -> Result<Settings, String> {
    read_with_url("http://localhost:3000", providers)
}

fn read_with_url(url: &str, providers: &[Value]) -> Result<Settings, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = json!({ "listen": "127.0.0.1:0", "url": url, "providers": providers });
    fs::write(file.path(), settings.to_string()).unwrap();
    Settings::read(file.path()).map_err(|error| error.to_string())
}

fn provider(name: &str, issuer: &str) -> Value {
    json!({ "name": name, "issuer": issuer, "client_id": "web", "client_secret": "secret" })
}

#[test]
fn providers_have_a_name_and_an_issuer_of_their_own_and_a_protected_connection() {
    let good = provider("one", "https://op.example/realm");
    for (providers, is_valid, reason) in [
        (vec![good.clone()], true, "one"),
        (vec![good.clone(), provider("two-2", "https://two.example")], true, "two"),
        (vec![good.clone(), provider("one", "https://two.example")], false, "two of one name: one callback"),
        (
            vec![good.clone(), provider("two", "https://op.example/realm")],
            false,
            "two of one issuer: one table of users",
        ),
        (vec![provider("", "https://op.example")], false, "no name"),
        (vec![provider("a/b", "https://op.example")], false, "a name that is another path"),
        (vec![provider("a b", "https://op.example")], false, "a name with a space"),
        (
            vec![provider("one", "https://op.example/a b")],
            false,
            "the space that ends the issuer in a subject",
        ),
        (vec![provider("one", "http://op.example")], false, "plain HTTP"),
        (
            vec![provider("one", "http://127.0.0.1.op.example")],
            false,
            "plain HTTP to a host with such a name",
        ),
        (vec![provider("one", "ftp://127.0.0.1.example")], false, "another scheme"),
        (vec![provider("one", "http://127.0.0.1:4001")], true, "plain HTTP on this machine"),
        (vec![provider("one", "http://[::1]:4001")], true, "plain HTTP on this machine"),
        (vec![provider("one", "http://localhost:4001")], true, "plain HTTP on this machine"),
        (vec![provider("one", "no URL")], false, "no URL"),
    ] {
        assert_eq!(read(&providers).is_ok(), is_valid, "{reason}: {:?}", read(&providers).err());
    }
    let mut unknown = good;
    unknown["form_posts"] = json!(true);
    assert!(read(&[unknown]).is_err(), "a setting that does not exist");
}

#[test]
fn a_url_with_a_slash_at_its_end_is_refused_as_the_providers_know_other_addresses() {
    let error = read_with_url("http://localhost:3000/", &[provider("one", "https://op.example")]).err();
    assert!(error.unwrap().contains("slash"));
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = Settings::read("no such file".as_ref()).err().unwrap();
    assert!(error.to_string().starts_with("no such file: "), "{error}");
}

#[test]
fn the_settings_of_this_folder_are_valid() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/settings.json");
    assert_eq!(Settings::read(file.as_ref()).unwrap().providers.len(), 2);
}
