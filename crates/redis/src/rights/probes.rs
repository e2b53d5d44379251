//! What the store does with Redis, in variants that change nothing: on keys that do not exist, or with an argument that is invalid.
//! Redis checks the rights first.

/// A right, as `ACL SETUSER` takes it after `+`, and a command that needs it. Words in braces stand for keys and the channel.
pub(super) type Probe = (&'static str, &'static [&'static str]);

pub(super) const ROW: &str = "{row}";
pub(super) const INDEX: &str = "{index}";
pub(super) const FIRST_INDEX: &str = "{first index}";
pub(super) const LOG: &str = "{log}";
pub(super) const CHANNEL: &str = "{channel}";
/// Runs a command, with the key that it uses.
pub(super) const SCRIPT: &str = "return redis.pcall(unpack(ARGV))";

/// The right to run scripts; without it, [`IN_SCRIPTS`] cannot be tried.
pub(super) const LOAD_SCRIPT: Probe = ("script|load", &["SCRIPT", "LOAD", SCRIPT]);
pub(super) const RUN_SCRIPT: Probe =
    ("evalsha", &["EVALSHA", "0000000000000000000000000000000000000000", "1", ROW]);

pub(super) const COMMANDS: [Probe; 12] = [
    ("ping", &["PING"]),
    ("time", &["TIME"]),
    ("scan", &["SCAN", "0", "COUNT", "1"]),
    ("get", &["GET", ROW]),
    ("mget", &["MGET", ROW]),
    ("getrange", &["GETRANGE", ROW, "0", "0"]),
    ("exists", &["EXISTS", FIRST_INDEX]),
    ("zrange", &["ZRANGE", FIRST_INDEX, "0", "0"]),
    ("zrem", &["ZREM", FIRST_INDEX, ""]),
    ("zrem", &["ZREM", INDEX, ""]),
    ("xrange", &["XRANGE", LOG, "+", "-"]),
    ("xinfo|stream", &["XINFO", "STREAM", LOG]),
];

/// What the feed and a load need.
pub(super) const READING: [Probe; 7] = [
    ("ping", &["PING"]),
    ("time", &["TIME"]),
    ("get", &["GET", ROW]),
    ("getrange", &["GETRANGE", ROW, "0", "0"]),
    ("exists", &["EXISTS", LOG]),
    ("xrange", &["XRANGE", LOG, "+", "-"]),
    ("xinfo|stream", &["XINFO", "STREAM", LOG]),
];

pub(super) const IN_SCRIPTS: [Probe; 13] = [
    ("set", &["SET", ROW, "", "XX"]),
    ("setrange", &["SETRANGE", ROW, "0", ""]),
    ("pexpireat", &["PEXPIREAT", ROW, "1"]),
    ("unlink", &["UNLINK", ROW]),
    ("zadd", &["ZADD", INDEX, "XX", "0", ""]),
    ("zscore", &["ZSCORE", INDEX, ""]),
    ("zremrangebyscore", &["ZREMRANGEBYSCORE", INDEX, "0", "0"]),
    ("zcount", &["ZCOUNT", INDEX, "0", "0"]),
    ("zrandmember", &["ZRANDMEMBER", INDEX, "1"]),
    ("pexpiretime", &["PEXPIRETIME", INDEX]),
    ("xadd", &["XADD", LOG, "invalid", "h", ""]),
    ("time", &["TIME"]),
    ("publish", &["PUBLISH", CHANNEL, ""]),
];

/// What a request needs whose slot is on its way to another node of a Cluster.
pub(super) const ASK: Probe = ("asking", &["ASKING"]);

pub(super) const WAIT: Probe = ("wait", &["WAIT", "0", "1"]);
pub(super) const WAIT_FOR_DISKS: Probe = ("waitaof", &["WAITAOF", "1", "0", "1"]);
