//! Tests whether the time of a rejection reveals how much of a secret was guessed correctly: `timing [SAMPLES]`. It prints figures,
//! and asserts nothing.
//!
//! The method is that of dudect (Reparaz, Balasch, Verbauwhede: *Dude, is my code constant time?*, 2017): requests of two classes
//! in random order, several cuts that drop the slowest samples, and Welch's t-test for each cut. From 4.5 on the classes differ.
#![allow(clippy::unwrap_used, reason = "a benchmark panics on unexpected errors")]

use std::{convert::Infallible, env, hint::black_box, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use tower::{Layer, Service, service_fn};
use tower_refresh_bench::{algorithm::Algorithm, ours::Ours};

const SAMPLES: usize = 1_000_000;
/// The share of the samples that each cut keeps.
const KEPT: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99];
/// Where the MAC begins in the text of a refresh token: after 27 bytes.
const MAC_AT: usize = 36;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn main() {
    let samples = env::args().nth(1).map_or(SAMPLES, |count| count.parse().unwrap());
    let world = Ours::new(Algorithm::Hs256);
    let tokens = world.login();
    let mut service = world
        .auth
        .layer()
        .layer(service_fn(async |_: http::Request<()>| Ok::<_, Infallible>(http::Response::new(()))));
    let mut ask = |name: &'static str, value: &str| {
        let request =
            http::Request::builder().header("host", "api.example.com").header(name, value).body(()).unwrap();
        let start = Instant::now();
        let response = service.call(request).now_or_never();
        let time = start.elapsed();
        black_box(response.unwrap().unwrap());
        time.as_nanos() as f64
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);

    let refresh = tokens.refresh.as_bytes();
    // The last character but one: it contains bits of the last byte, and all its values are valid.
    let end = refresh.len() - 2;
    let cookie = |text: &[u8]| format!("__Host-refresh={}", str::from_utf8(text).unwrap());
    report(
        "refresh token, MAC wrong in the first byte or in the last",
        samples,
        &mut random,
        |random| [MAC_AT, end].map(|at| cookie(&changed(refresh, at, random))),
        |_, value| ask("cookie", value),
    );
    report(
        "the same class twice: chance and noise",
        samples,
        &mut random,
        |random| [MAC_AT, MAC_AT].map(|at| cookie(&changed(refresh, at, random))),
        |_, value| ask("cookie", value),
    );
    let mac = &refresh[MAC_AT..];
    let almost_equal = [0, mac.len() - 2].map(|at| changed(mac, at, &mut random));
    report(
        "an additional comparison that stops early: a leak",
        samples,
        &mut random,
        |random| [MAC_AT, MAC_AT].map(|at| cookie(&changed(refresh, at, random))),
        |class, value| {
            let start = Instant::now();
            black_box(stops_early(black_box(mac), black_box(&almost_equal[class])));
            let more = start.elapsed();
            ask("cookie", value) + more.as_nanos() as f64
        },
    );

    let signature_at = tokens.access.rfind('.').unwrap() + 1;
    let access = tokens.access.as_bytes();
    let end = access.len() - 2;
    let bearer = |text: &[u8]| format!("Bearer {}", str::from_utf8(text).unwrap());
    report(
        "access token, HS256 signature wrong in the first byte or in the last",
        samples,
        &mut random,
        |random| [signature_at, end].map(|at| bearer(&changed(access, at, random))),
        |_, value| ask("authorization", value),
    );

    let mut other = access.to_vec();
    other[signature_at / 2] = if other[signature_at / 2] == b'A' { b'B' } else { b'A' };
    report(
        "the same signatures with other claims, where none is almost correct",
        samples,
        &mut random,
        |random| [signature_at, end].map(|at| bearer(&changed(&other, at, random))),
        |_, value| ask("authorization", value),
    );

    let (header, rest) = tokens.access.split_once('.').unwrap();
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let kid_at = header.find("\"kid\":\"").unwrap() + 7;
    let kid_end = kid_at + header[kid_at..].find('"').unwrap() - 1;
    report(
        "access token, kid wrong in the first character or in the last",
        samples,
        &mut random,
        |random| {
            let header = |at| URL_SAFE_NO_PAD.encode(changed(header.as_bytes(), at, random));
            [kid_at, kid_end].map(header).map(|header| bearer(format!("{header}.{rest}").as_bytes()))
        },
        |_, value| ask("authorization", value),
    );
}

/// `text` with another character of the alphabet at `at`.
fn changed(text: &[u8], at: usize, random: &mut Random) -> Vec<u8> {
    let mut text = text.to_vec();
    let old = ALPHABET.iter().position(|byte| *byte == text[at]).unwrap();
    text[at] = ALPHABET[(old + 1 + random.next() as usize % 63) % 64];
    text
}

#[inline(never)]
fn stops_early(a: &[u8], b: &[u8]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if black_box(a) != black_box(b) {
            return false;
        }
    }
    true
}

/// Both values are created for each sample, so that their creation has no influence on the measurement.
fn report(
    what: &str,
    samples: usize,
    random: &mut Random,
    mut make: impl FnMut(&mut Random) -> [String; 2],
    mut measure: impl FnMut(usize, &str) -> f64,
) {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let values = make(random);
        let class = random.next() as usize & 1;
        times.push((class == 1, measure(class, &values[class])));
    }
    // The first samples are dropped: caches and clock frequency have not settled.
    times.drain(..samples / 10);
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let cut = |kept: f64| sorted[(kept * (sorted.len() - 1) as f64) as usize];
    let strongest = KEPT
        .iter()
        .map(|kept| welch(&times, cut(*kept)))
        .max_by(|a, b| a.t.abs().total_cmp(&b.t.abs()))
        .unwrap();
    println!(
        "{what}: |t| {:.1}, the means {:.2} ns apart, of {:.0} ns, {} samples",
        strongest.t.abs(),
        strongest.difference.abs(),
        strongest.mean,
        times.len(),
    );
}

struct Welch {
    t: f64,
    difference: f64,
    mean: f64,
}

/// The test for the samples that took no longer than `longest`.
fn welch(times: &[(bool, f64)], longest: f64) -> Welch {
    let moments = |late: bool| {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for (_, time) in times.iter().filter(|(is_late, time)| *is_late == late && *time <= longest) {
            count += 1.0;
            let off = time - mean;
            mean += off / count;
            squares += off * (time - mean);
        }
        (mean, squares / (count - 1.0) / count)
    };
    let ((early, early_error), (late, late_error)) = (moments(false), moments(true));
    let difference = late - early;
    Welch { t: difference / (early_error + late_error).sqrt(), difference, mean: early }
}

/// xorshift64*: the order of the classes must only be irregular.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}
