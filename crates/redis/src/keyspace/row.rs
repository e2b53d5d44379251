//! The format of a session's row: a head that each write replaces, a part that a swap may change, and the rest.
//!
//! ```text
//!  0   1        9       10        18      26          30         31          39           47         55
//!  | 2 | version | reason | ended at | writer | generation | confirmed | rotated at | late budget | idle expiry |   the head
//! 55                63           71
//!  | absolute expiry | created at | subject | length | claims epoch | binding | data |                              the part
//!  | tag | length | value | tag | length | value | …                                                               the fields
//! ```
//! A field that has its default is absent. A later version may add fields with other tags: they are ignored here, and a swap
//! keeps them, because it writes only the head and the changing part. Rows of format 1, which the first version wrote, have after
//! the subject only user agent, label, IP address and data. They are read, and the first swap rewrites them.
//!
//! Numbers are big-endian, so that scripts can compare them as bytes: Lua's numbers are exact only up to 2^53. The first byte
//! is the version of the format. The writer is a number that is unique to each call, so that a call that is repeated after a
//! lost connection recognizes its own write.

use std::{net::IpAddr, time::Duration};

use tower_refresh_core::{
    EndReason, Ended, SessionBinding, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp,
};

pub(crate) const HEAD: usize = 55;
const FORMAT: u8 = 2;
const FIRST_FORMAT: u8 = 1;

/// The tags of the fields.
const USER_AGENT: u8 = 1;
const LABEL: u8 = 2;
const IP: u8 = 3;
const AUTHENTICATED_AT: u8 = 4;
const IDLE: u8 = 5;
const NOT_PERSISTENT: u8 = 6;

const ABSENT: u32 = u32::MAX;

/// The value is not a session row of a known format.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// The value of a new row; `None` if a text is too long to be stored.
pub(crate) fn encode(row: &SessionRow, writer: u64) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(192 + row.subject.as_str().len() + row.data.len());
    put_head(&mut value, row, row.ended, row.version, writer);
    put_time(&mut value, row.absolute_expiry);
    put_time(&mut value, row.created_at);
    put_bytes(&mut value, Some(row.subject.as_str().as_bytes()))?;
    value.extend(changing_part(row)?);
    if let Some(user_agent) = &row.meta.user_agent {
        put_field(&mut value, USER_AGENT, user_agent.as_bytes())?;
    }
    if let Some(label) = &row.meta.label {
        put_field(&mut value, LABEL, label.as_bytes())?;
    }
    match row.meta.ip {
        None => {}
        Some(IpAddr::V4(ip)) => put_field(&mut value, IP, &ip.octets())?,
        Some(IpAddr::V6(ip)) => put_field(&mut value, IP, &ip.octets())?,
    }
    if row.authenticated_at != row.created_at {
        put_field(&mut value, AUTHENTICATED_AT, &row.authenticated_at.as_millis().to_be_bytes())?;
    }
    if let Some(idle) = row.idle {
        let millis = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        put_field(&mut value, IDLE, &millis.to_be_bytes())?;
    }
    if !row.persistent {
        put_field(&mut value, NOT_PERSISTENT, &[])?;
    }
    Some(value)
}

/// The head of a row after a compare-and-swap.
pub(crate) fn swapped_head(row: &SessionRow, version: u64, writer: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    put_head(&mut head, row, None, version, writer);
    head
}

/// The part that a swap may change, with its length before it; `None` if it is too long to be stored.
pub(crate) fn changing_part(row: &SessionRow) -> Option<Vec<u8>> {
    let binding = row.binding.as_ref().map(SessionBinding::as_bytes);
    let mut part = Vec::with_capacity(12 + binding.map_or(0, <[u8]>::len) + row.data.len());
    part.extend([0; 4]);
    part.extend(row.claims_epoch.to_be_bytes());
    put_bytes(&mut part, binding)?;
    part.extend(&row.data);
    let len = u32::try_from(part.len() - 4).ok()?;
    part[..4].copy_from_slice(&len.to_be_bytes());
    Some(part)
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

/// The claims epoch of a session that has not ended, from its row.
pub(crate) fn decode_live_epoch(value: &[u8]) -> Result<Option<u32>, Unreadable> {
    let mut rest = Rest(value);
    match read_ended(&mut rest).ok_or(Unreadable)? {
        Some(_) => Ok(None),
        None => read_epoch(value).map(Some).ok_or(Unreadable),
    }
}

fn read_epoch(value: &[u8]) -> Option<u32> {
    if value.first() == Some(&FIRST_FORMAT) {
        return Some(0);
    }
    let mut rest = Rest(value.get(HEAD + 16..)?);
    rest.bytes()??;
    let mut part = Rest(rest.bytes()??);
    part.take().map(u32::from_be_bytes)
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

fn put_bytes(value: &mut Vec<u8>, bytes: Option<&[u8]>) -> Option<()> {
    let Some(bytes) = bytes else {
        value.extend(ABSENT.to_be_bytes());
        return Some(());
    };
    let len = u32::try_from(bytes.len()).ok().filter(|&len| len != ABSENT)?;
    value.extend(len.to_be_bytes());
    value.extend(bytes);
    Some(())
}

fn put_field(value: &mut Vec<u8>, tag: u8, bytes: &[u8]) -> Option<()> {
    value.push(tag);
    put_bytes(value, Some(bytes))
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
    let subject = Subject::new(text(rest.bytes()??)?);
    let mut row = SessionRow::new(handle, subject, created_at, idle_expiry, absolute_expiry);
    row.idle = None;
    row.meta = SessionMeta::default();
    match value.first() {
        Some(&FIRST_FORMAT) => read_first_format(rest, &mut row)?,
        _ => {
            read_changing_part(Rest(rest.bytes()??), &mut row)?;
            read_fields(rest, &mut row)?;
        }
    }
    row.generation = generation;
    row.confirmed = confirmed;
    row.rotated_at = rotated_at;
    row.late_budget = late_budget;
    row.idle_expiry = idle_expiry;
    row.ended = ended;
    row.version = version;
    Some(row)
}

fn read_changing_part(mut rest: Rest<'_>, row: &mut SessionRow) -> Option<()> {
    row.claims_epoch = u32::from_be_bytes(rest.take()?);
    row.binding = rest.bytes()?.map(SessionBinding::from_bytes);
    row.data = rest.0.to_vec();
    Some(())
}

fn read_fields(mut rest: Rest<'_>, row: &mut SessionRow) -> Option<()> {
    while !rest.0.is_empty() {
        let [tag] = rest.take()?;
        let value = rest.bytes()??;
        match tag {
            USER_AGENT => row.meta.user_agent = Some(text(value)?),
            LABEL => row.meta.label = Some(text(value)?),
            IP => {
                let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
                row.meta.ip = Some(v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()?);
            }
            AUTHENTICATED_AT => row.authenticated_at = Rest(value).time()?,
            IDLE => row.idle = Some(Duration::from_millis(Rest(value).time()?.as_millis())),
            NOT_PERSISTENT => row.persistent = false,
            // A field of a later version.
            _ => {}
        }
    }
    Some(())
}

fn read_first_format(mut rest: Rest<'_>, row: &mut SessionRow) -> Option<()> {
    let optional_text = |bytes: Option<&[u8]>| bytes.map_or(Some(None), |bytes| text(bytes).map(Some));
    row.meta.user_agent = optional_text(rest.bytes()?)?;
    row.meta.label = optional_text(rest.bytes()?)?;
    row.meta.ip = match rest.take()? {
        [0] => None,
        [4] => Some(IpAddr::from(rest.take::<4>()?)),
        [6] => Some(IpAddr::from(rest.take::<16>()?)),
        _ => return None,
    };
    row.data = rest.0.to_vec();
    Some(())
}

fn text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(str::to_owned)
}

fn read_ended(rest: &mut Rest<'_>) -> Option<Option<Ended>> {
    let [format] = rest.take()?;
    if ![FORMAT, FIRST_FORMAT].contains(&format) {
        return None;
    }
    rest.take::<8>()?;
    let [code] = rest.take()?;
    let at = rest.time()?;
    if code == 0 {
        return Some(None);
    }
    Some(Some(Ended::new(reason(code), at)))
}

fn code(reason: EndReason) -> u8 {
    match reason {
        EndReason::Logout => 1,
        EndReason::Reuse => 2,
        EndReason::Disabled => 3,
        EndReason::Superseded => 4,
        EndReason::Displaced => 6,
        EndReason::Suspicious => 7,
        // A reason that a newer version of the core crate may add is stored as revoked, rather than not at all.
        _ => 5,
    }
}

/// A reason that a later version wrote reads as revoked: the session has ended in any case.
fn reason(code: u8) -> EndReason {
    match code {
        1 => EndReason::Logout,
        2 => EndReason::Reuse,
        3 => EndReason::Disabled,
        4 => EndReason::Superseded,
        6 => EndReason::Displaced,
        7 => EndReason::Suspicious,
        _ => EndReason::Revoked,
    }
}

/// The bytes that are left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.take().map(u64::from_be_bytes).map(Timestamp::from_millis)
    }

    /// Bytes with their length before them, or an absent value.
    fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let len = u32::from_be_bytes(self.take()?);
        if len == ABSENT {
            return Some(None);
        }
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(Some(bytes))
    }
}
