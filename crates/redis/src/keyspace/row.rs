//! The format of a session's row: a head that rotations replace, and a tail that never changes.
//!
//! ```text
//!  0   1        9       10        18      26          30         31          39           47         55
//!  | 1 | version | reason | ended at | writer | generation | confirmed | rotated at | late budget | idle expiry |   the head
//! 55                63           71
//!  | absolute expiry | created at | subject | user agent | label | ip | data
//! ```
//! Numbers are big-endian, so that scripts can compare them as bytes: Lua's numbers are exact only up to 2^53. The first byte
//! is the version of the format. The writer is a number that is unique to each call, so that a call that is repeated after a
//! lost connection recognizes its own write.

use std::net::IpAddr;

use tower_refresh_core::{EndReason, Ended, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp};

pub(crate) const HEAD: usize = 55;
const FORMAT: u8 = 1;
const ABSENT: u32 = u32::MAX;

/// The value is not a session row of a known format.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// The value of a new row; `None` if a text is too long to be stored.
pub(crate) fn encode(row: &SessionRow, writer: u64) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(160 + row.subject.as_str().len() + row.data.len());
    put_head(&mut value, row, row.ended, row.version, writer);
    put_time(&mut value, row.absolute_expiry);
    put_time(&mut value, row.created_at);
    put_text(&mut value, Some(row.subject.as_str()))?;
    put_text(&mut value, row.meta.user_agent.as_deref())?;
    put_text(&mut value, row.meta.label.as_deref())?;
    match row.meta.ip {
        None => value.push(0),
        Some(IpAddr::V4(ip)) => {
            value.push(4);
            value.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            value.push(6);
            value.extend(ip.octets());
        }
    }
    value.extend(&row.data);
    Some(value)
}

/// The head of a row after a compare-and-swap.
pub(crate) fn swapped_head(row: &SessionRow, writer: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    put_head(&mut head, row, None, row.version.wrapping_add(1), writer);
    head
}

/// A reason and a time, in the format of the head.
pub(crate) fn encode_ended(ended: Option<Ended>) -> [u8; 9] {
    let mut bytes = [0; 9];
    if let Some(ended) = ended {
        bytes[0] = code(ended.reason);
        bytes[1..].copy_from_slice(&ended.at.as_millis().to_be_bytes());
    }
    bytes
}

pub(crate) fn decode(handle: SessionHandle, value: &[u8]) -> Result<SessionRow, Unreadable> {
    read(handle, value).ok_or(Unreadable)
}

/// Why and when the session ended, from the first bytes of its row.
pub(crate) fn decode_ended(head: &[u8]) -> Result<Option<Ended>, Unreadable> {
    let mut rest = Rest(head);
    read_ended(&mut rest).ok_or(Unreadable)
}

fn put_head(value: &mut Vec<u8>, row: &SessionRow, end: Option<Ended>, version: u64, writer: u64) {
    value.push(FORMAT);
    value.extend(version.to_be_bytes());
    value.extend(encode_ended(end));
    value.extend(writer.to_be_bytes());
    value.extend(row.generation.to_be_bytes());
    value.push(row.confirmed.into());
    put_time(value, row.rotated_at);
    put_time(value, row.late_budget);
    put_time(value, row.idle_expiry);
}

fn put_time(value: &mut Vec<u8>, time: Timestamp) {
    value.extend(time.as_millis().to_be_bytes());
}

fn put_text(value: &mut Vec<u8>, text: Option<&str>) -> Option<()> {
    let Some(text) = text else {
        value.extend(ABSENT.to_be_bytes());
        return Some(());
    };
    let len = u32::try_from(text.len()).ok().filter(|&len| len != ABSENT)?;
    value.extend(len.to_be_bytes());
    value.extend(text.as_bytes());
    Some(())
}

fn read(handle: SessionHandle, value: &[u8]) -> Option<SessionRow> {
    let mut rest = Rest(value);
    let version = u64::from_be_bytes(*value.get(1..)?.first_chunk()?);
    let ended = read_ended(&mut rest)?;
    rest.take::<8>()?;
    let generation = u32::from_be_bytes(rest.take()?);
    let confirmed = match rest.take()? {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let (rotated_at, late_budget, idle_expiry) = (rest.time()?, rest.time()?, rest.time()?);
    let (absolute_expiry, created_at) = (rest.time()?, rest.time()?);
    let subject = Subject::new(rest.text()??);
    let mut row = SessionRow::new(handle, subject, created_at, idle_expiry, absolute_expiry);
    row.meta = SessionMeta::default();
    row.meta.user_agent = rest.text()?;
    row.meta.label = rest.text()?;
    row.meta.ip = match rest.take()? {
        [0] => None,
        [4] => Some(IpAddr::from(rest.take::<4>()?)),
        [6] => Some(IpAddr::from(rest.take::<16>()?)),
        _ => return None,
    };
    row.data = rest.0.to_vec();
    row.generation = generation;
    row.confirmed = confirmed;
    row.rotated_at = rotated_at;
    row.late_budget = late_budget;
    row.idle_expiry = idle_expiry;
    row.ended = ended;
    row.version = version;
    Some(row)
}

fn read_ended(rest: &mut Rest<'_>) -> Option<Option<Ended>> {
    let [format] = rest.take()?;
    if format != FORMAT {
        return None;
    }
    rest.take::<8>()?;
    let [code] = rest.take()?;
    let at = rest.time()?;
    if code == 0 {
        return Some(None);
    }
    Some(Some(Ended::new(reason(code)?, at)))
}

fn code(reason: EndReason) -> u8 {
    match reason {
        EndReason::Logout => 1,
        EndReason::Reuse => 2,
        EndReason::Disabled => 3,
        EndReason::Superseded => 4,
        // A reason that a newer version of the core crate may add is stored as revoked, rather than not at all.
        _ => 5,
    }
}

fn reason(code: u8) -> Option<EndReason> {
    Some(match code {
        1 => EndReason::Logout,
        2 => EndReason::Reuse,
        3 => EndReason::Disabled,
        4 => EndReason::Superseded,
        5 => EndReason::Revoked,
        _ => return None,
    })
}

/// The bytes that are left to read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.take().map(u64::from_be_bytes).map(Timestamp::from_millis)
    }

    fn text(&mut self) -> Option<Option<String>> {
        let len = u32::from_be_bytes(self.take()?);
        if len == ABSENT {
            return Some(None);
        }
        let (text, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        str::from_utf8(text).ok().map(|text| Some(text.to_owned()))
    }
}
