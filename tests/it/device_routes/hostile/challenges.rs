//! Proofs that verify, with a challenge that is not the one.

use tower_refresh::event::DeviceRefusal::{ExpiredChallenge, InvalidChallenge, NoSession};

use super::{
    Proof,
    scene::{COUNTER, Scene, Seal, offer_body, refresh_body},
};

/// The challenge, for both.
fn forged(seal: &Seal, body: &[u8]) -> Vec<(&'static str, String)> {
    let good = seal.text(body);
    let bytes = seal.bytes(body);
    let (first, rest) = good.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    let mut last = good.clone().into_bytes();
    let place = last.len() - 1;
    // The last character has bits that count for nothing.
    last[place] += 1;
    let sealed = |seal: Seal| seal.text(body);
    let of = |seal: &Seal| Seal { ..*seal };
    let encode =
        |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    vec![
        ("a challenge that is no text of ours", "challenge".to_owned()),
        ("a challenge of one character", "A".to_owned()),
        ("one bit is another", format!("{other}{rest}")),
        ("it is not canonical", String::from_utf8(last).unwrap()),
        ("it is padded", format!("{good}=")),
        ("a blank before it", format!(" {good}")),
        ("a line break after it", format!("{good}\n")),
        ("twice", format!("{good}{good}")),
        ("the issuer is another", sealed(Seal { issuer: "https://staging.example.com", ..of(seal) })),
        ("the issuer is a part of ours", sealed(Seal { issuer: "https://api.example.co", ..of(seal) })),
        ("the key is another", sealed(Seal { key: [8; 32], ..of(seal) })),
        ("the key is all zeros", sealed(Seal { key: [0; 32], ..of(seal) })),
        ("the id is of no key", sealed(Seal { key_id: 8, ..of(seal) })),
        ("the id was changed", encode(&[body, &[8], &bytes[body.len() + 1..]].concat())),
        ("the MAC is all zeros", encode(&[body, &bytes[body.len()..=body.len()], &[0; 16]].concat())),
        ("the MAC is missing", encode(body)),
        ("the MAC is cut", encode(&bytes[..bytes.len() - 1])),
        ("a byte after the MAC", encode(&[bytes.as_slice(), &[0]].concat())),
        ("the purpose is an identifier", sealed(Seal { purpose: Seal::IDENTIFIER.purpose, ..of(seal) })),
        ("the purpose is a refresh token", sealed(Seal { purpose: "tower-refresh/1", ..of(seal) })),
        ("the purpose is empty", sealed(Seal { purpose: "", ..of(seal) })),
    ]
}

pub(super) fn of_registrations(scene: &Scene) -> Vec<Proof> {
    let register = |challenge: &str| scene.bound.device.registration(challenge);
    let sealed = |body: &[u8]| register(&Seal::REGISTRATION.text(body));
    let (session, now) = (scene.session, scene.now());
    let other = scene.other_session;
    let row = |reason, proof, refusal| Proof::of_other(reason, proof, refusal);

    let mut rows: Vec<_> = forged(&Seal::REGISTRATION, &offer_body(session, now, 0))
        .into_iter()
        .map(|(reason, challenge)| row(reason, register(&challenge), InvalidChallenge))
        .collect();
    // A challenge with a MAC of the right purpose and the wrong length, and the right length and the wrong purpose.
    let refresh = |body: &[u8]| register(&Seal::REFRESH.text(body));
    rows.extend([
        row("the offer of another session", register(&scene.other_offer), NoSession),
        row("an offer of another session, from now", sealed(&offer_body(other, now, 0)), NoSession),
        row("an offer that is 121 s old", sealed(&offer_body(session, now - 121, 0)), ExpiredChallenge),
        row("an offer of the year 1970", sealed(&offer_body(session, 0, 0)), ExpiredChallenge),
        row("an offer of tomorrow", sealed(&offer_body(session, now + 86_400, 0)), ExpiredChallenge),
        row("an offer 61 s ahead", sealed(&offer_body(session, now + 61, 0)), ExpiredChallenge),
        row("an offer of the last second", sealed(&offer_body(session, (1 << 40) - 1, 0)), ExpiredChallenge),
        row("an old one from elsewhere", sealed(&offer_body(session, now - 121, 1)), ExpiredChallenge),
        row("a challenge for a refresh", refresh(&refresh_body(session, 0)), InvalidChallenge),
        row("an offer with that purpose", refresh(&offer_body(session, now, 0)), InvalidChallenge),
        row("a refresh's with this purpose", sealed(&refresh_body(session, 0)), InvalidChallenge),
        row("the access token", register(scene.bound.browser.access().unwrap()), InvalidChallenge),
        row("the refresh token", register(scene.bound.browser.refresh().unwrap()), InvalidChallenge),
    ]);
    rows
}

pub(super) fn of_refreshes(scene: &Scene) -> Vec<Proof> {
    let prove = |challenge: &str| scene.bound.device.proof(challenge);
    let sealed = |body: &[u8]| prove(&Seal::REFRESH.text(body));
    let (session, other) = (scene.session, scene.other_session);
    let row = |reason, proof: String| Proof::of_other(reason, proof, InvalidChallenge);

    let mut rows: Vec<_> = forged(&Seal::REFRESH, &refresh_body(session, COUNTER))
        .into_iter()
        .map(|(reason, challenge)| row(reason, prove(&challenge)))
        .collect();
    let offer = |body: &[u8]| prove(&Seal::REGISTRATION.text(body));
    rows.extend([
        row("the challenge of another session", prove(scene.other.challenge.as_ref().unwrap())),
        row("the same counter of another session", sealed(&refresh_body(other, COUNTER))),
        row("the first counter", sealed(&refresh_body(session, 0))),
        row("the counter that was used last", sealed(&refresh_body(session, COUNTER - 1))),
        row("the counter after the next proof", sealed(&refresh_body(session, COUNTER + 1))),
        row("the last counter there is", sealed(&refresh_body(session, u32::MAX))),
        row("the offer", prove(&scene.offer)),
        row("a fresh offer", offer(&offer_body(session, scene.now(), 0))),
        row("a fresh offer from elsewhere", offer(&offer_body(session, scene.now(), 1))),
        row("the content of a refresh with that purpose", offer(&refresh_body(session, COUNTER))),
        row("the content of an offer", sealed(&offer_body(session, scene.now(), 0))),
        row("the identifier", prove(scene.bound.identifier.as_ref().unwrap())),
        row("the refresh token", prove(scene.bound.browser.refresh().unwrap())),
        row("the right one, signed by another device", scene.other.device.proof(&scene.challenge())),
    ]);
    rows
}
