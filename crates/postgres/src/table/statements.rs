//! The SQL statements, one round trip each.
//!
//! Another role may own a schema in the search path, with functions, operators and types that have the names of PostgreSQL's own
//! and would run as this role. So each name here is qualified, and nothing depends on the search path. Setting the path instead
//! would need a round trip per statement, or would change it for others who share a connection through a pooler.
//!
//! The statement of a batch takes arrays with one element per member, ordered by handle. It looks up one row per member, so
//! that the primary key is used even if the planner has no statistics of a new table, and locks the rows in that order, so
//! that two batches never deadlock. At most one member has the version of a locked row.

use tokio_postgres::types::Type;

use super::{name::Table, row::COLUMNS};

const EQ: &str = "OPERATOR(pg_catalog.=)";
const NE: &str = "OPERATOR(pg_catalog.<>)";
const LT: &str = "OPERATOR(pg_catalog.<)";
const LE: &str = "OPERATOR(pg_catalog.<=)";
const GT: &str = "OPERATOR(pg_catalog.>)";
const GE: &str = "OPERATOR(pg_catalog.>=)";
const ADD: &str = "OPERATOR(pg_catalog.+)";
const DIV: &str = "OPERATOR(pg_catalog./)";
const CAT: &str = "OPERATOR(pg_catalog.||)";

const BOOL: Type = Type::BOOL;
const BOOLS: Type = Type::BOOL_ARRAY;
const BYTEA: Type = Type::BYTEA;
const BYTEAS: Type = Type::BYTEA_ARRAY;
const INT8: Type = Type::INT8;
const INT8S: Type = Type::INT8_ARRAY;
const TEXT: Type = Type::TEXT;
const TEXTS: Type = Type::TEXT_ARRAY;

/// The name of the kind of a notice of outdated claims, see [`feed`](crate::feed).
pub(crate) const OUTDATED_CLAIMS: &str = "stale";

/// The text of a handle.
const HANDLE: &str = "pg_catalog.translate(pg_catalog.encode(handle, 'base64'), '+/=', '-_')";

/// How many sessions of a subject a call ends.
const ENDED_PER_CALL: usize = 1000;

/// A statement and the types of its parameters.
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) types: Vec<Type>,
}

fn statement<const N: usize>(types: [Type; N], sql: String) -> Statement {
    Statement { sql, types: types.into() }
}

/// The statements for one table.
pub(crate) struct Statements {
    pub(crate) create: Statement,
    pub(crate) load: Statement,
    pub(crate) load_batch: Statement,
    pub(crate) swap: Statement,
    pub(crate) swap_batch: Statement,
    pub(crate) end: Statement,
    pub(crate) end_batch: Statement,
    pub(crate) end_subject: Statement,
    pub(crate) has_subject: Statement,
    pub(crate) outdate: Statement,
    pub(crate) list: Statement,
    pub(crate) purge: Statement,
    pub(crate) wait_for_dead: Statement,
    pub(crate) ended_since: Statement,
    pub(crate) outdated_since: Statement,
    pub(crate) echo: Statement,
    pub(crate) channel: String,
}

impl Statements {
    pub(crate) fn new(table: &Table, lossy_rotations: bool) -> Self {
        let (path, channel) = (table.path(), table.channel());
        let (ended, dead, of_subject) = (ended(&channel), dead(), of_subject());
        let commit = if lossy_rotations { format!(", {}", set_commit("'off'")) } else { String::new() };
        Self {
            create: statement(
                [
                    BYTEA, TEXT, INT8, INT8, BOOL, INT8, INT8, INT8, INT8, TEXT, INT8, INT8, TEXT, TEXT,
                    TEXT, BYTEA, INT8, INT8, BOOL, INT8, BYTEA,
                ],
                format!(
                    "INSERT INTO {path} ({COLUMNS}, death_hour) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
                         least($8, $9, $11) {DIV} 3600000) \
                     ON CONFLICT (handle) DO NOTHING"
                ),
            ),
            load: statement([BYTEA], format!("SELECT {COLUMNS} FROM {path} WHERE handle {EQ} $1")),
            load_batch: statement(
                [BYTEAS],
                format!(
                    "SELECT s.* FROM pg_catalog.unnest($1) AS g(handle) \
                     CROSS JOIN LATERAL (SELECT {COLUMNS} FROM {path} WHERE handle {EQ} g.handle OFFSET 0) AS s"
                ),
            ),
            swap: statement(
                [BYTEA, INT8, INT8, INT8, INT8, BOOL, INT8, INT8, INT8, BYTEA, BYTEA],
                format!(
                    "UPDATE {path} AS s SET {} WHERE s.handle {EQ} $1 AND s.version {EQ} $2 AND s.ended_at IS NULL \
                     RETURNING s.handle, s.version{commit}",
                    set_swapped(&["$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11"])
                ),
            ),
            // PostgreSQL reads `unnest` with several arguments as its own function only if it is not qualified.
            swap_batch: statement(
                [BYTEAS, INT8S, INT8S, INT8S, INT8S, BOOLS, INT8S, INT8S, INT8S, BYTEAS, BYTEAS],
                format!(
                    "WITH given AS MATERIALIZED ( \
                         SELECT g.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                             AS g(handle, version, next_version, generation, rotated_at, confirmed, late_budget, \
                                 idle_expiry, claims_epoch, binding, data) \
                         CROSS JOIN LATERAL (SELECT version, ended_at FROM {path} WHERE handle {EQ} g.handle \
                             OFFSET 0 FOR NO KEY UPDATE) AS locked \
                         WHERE locked.version {EQ} g.version AND locked.ended_at IS NULL) \
                     UPDATE {path} AS s SET {} FROM given WHERE s.handle {EQ} given.handle \
                     RETURNING s.handle, given.version{commit}",
                    set_swapped(&[
                        "given.next_version",
                        "given.generation",
                        "given.rotated_at",
                        "given.confirmed",
                        "given.late_budget",
                        "given.idle_expiry",
                        "given.claims_epoch",
                        "given.binding",
                        "given.data",
                    ])
                ),
            ),
            end: statement(
                [BYTEA, TEXT, INT8, INT8],
                format!(
                    "WITH ended AS (UPDATE {path} AS s SET {} WHERE s.handle {EQ} $1 AND s.ended_at IS NULL \
                         RETURNING s.handle, s.ended_at) {ended}",
                    set_ended("$2", "$3", "$4")
                ),
            ),
            end_batch: statement(
                [BYTEAS, TEXTS, INT8S, INT8S],
                format!(
                    "WITH given AS MATERIALIZED ( \
                         SELECT g.* FROM unnest($1, $2, $3, $4) AS g(handle, reason, at, version) \
                         CROSS JOIN LATERAL (SELECT ended_at FROM {path} WHERE handle {EQ} g.handle \
                             OFFSET 0 FOR NO KEY UPDATE) AS locked \
                         WHERE locked.ended_at IS NULL), \
                     ended AS (UPDATE {path} AS s SET {} FROM given WHERE s.handle {EQ} given.handle \
                         RETURNING s.handle, s.ended_at) {ended}",
                    set_ended("given.reason", "given.at", "given.version")
                ),
            ),
            end_subject: statement(
                [TEXT, BYTEA, TEXT, INT8, INT8],
                format!(
                    "WITH found AS MATERIALIZED (SELECT handle FROM {path} WHERE {of_subject} LIMIT {ENDED_PER_CALL}), \
                     ordered AS MATERIALIZED (SELECT handle FROM found ORDER BY handle), \
                     locked AS MATERIALIZED (SELECT ordered.handle FROM ordered \
                         CROSS JOIN LATERAL (SELECT ended_at FROM {path} WHERE handle {EQ} ordered.handle \
                             OFFSET 0 FOR NO KEY UPDATE) AS locked \
                         WHERE locked.ended_at IS NULL), \
                     ended AS (UPDATE {path} AS s SET {} FROM locked WHERE s.handle {EQ} locked.handle \
                         RETURNING s.handle, s.ended_at) {ended}",
                    set_ended("$3", "$4", "$5")
                ),
            ),
            has_subject: statement([TEXT, BYTEA], format!("SELECT 1 FROM {path} WHERE {of_subject} LIMIT 1")),
            outdate: statement(
                [BYTEAS, INT8S, INT8S, INT8S],
                format!(
                    "WITH given AS MATERIALIZED ( \
                         SELECT g.*, locked.claims_epoch AS before FROM unnest($1, $2, $3, $4) \
                             AS g(handle, calls, at, version) \
                         CROSS JOIN LATERAL (SELECT ended_at, claims_epoch FROM {path} WHERE handle {EQ} g.handle \
                             OFFSET 0 FOR NO KEY UPDATE) AS locked \
                         WHERE locked.ended_at IS NULL), \
                     outdated AS (UPDATE {path} AS s SET version = given.version, \
                             claims_epoch = least(s.claims_epoch {ADD} given.calls, {}), \
                             claims_outdated_at = greatest(s.claims_outdated_at, given.at) \
                         FROM given WHERE s.handle {EQ} given.handle \
                         RETURNING s.handle, given.before, s.claims_epoch) {}",
                    u32::MAX,
                    outdated(&channel)
                ),
            ),
            // The comparison of rows is a condition of the index, so that a page does not read those before it.
            list: statement(
                [TEXT, INT8, INT8, BYTEA, INT8],
                format!(
                    "SELECT {COLUMNS} FROM {path} WHERE {} AND idle_expiry {GT} $2 AND absolute_expiry {GT} $2 \
                     AND (created_at, handle) {LT} ($3, $4) ORDER BY created_at DESC, handle DESC LIMIT $5",
                    live_of_subject()
                ),
            ),
            purge: statement(
                [INT8],
                format!(
                    "DELETE FROM {path} WHERE ctid {EQ} ANY (ARRAY(SELECT ctid FROM {path} WHERE {dead} \
                     ORDER BY death_hour LIMIT 1000 FOR UPDATE SKIP LOCKED))"
                ),
            ),
            wait_for_dead: statement(
                [INT8],
                format!("SELECT 1 FROM {path} WHERE {dead} ORDER BY death_hour LIMIT 1 FOR UPDATE"),
            ),
            ended_since: statement(
                [INT8],
                format!("SELECT handle, ended_at FROM {path} WHERE ended_at {GE} $1"),
            ),
            outdated_since: statement(
                [INT8],
                format!(
                    "SELECT handle, claims_epoch FROM {path} WHERE claims_outdated_at {GE} $1 AND ended_at IS NULL"
                ),
            ),
            // Nothing is lost with it, so it does not wait for the disk.
            echo: statement([TEXT], format!("SELECT pg_catalog.pg_notify($1, ''), {}", set_commit("'off'"))),
            channel,
        }
    }
}

/// Notifies listeners of the handle and the time once the end is committed.
fn ended(channel: &str) -> String {
    let commit = commit_on_disk();
    format!(
        "SELECT handle, pg_catalog.pg_notify('{channel}', {HANDLE} {CAT} ' ' {CAT} ended_at::pg_catalog.text), {commit} \
         FROM ended"
    )
}

/// Notifies listeners of the handle and the epoch once that is committed.
fn outdated(channel: &str) -> String {
    let commit = commit_on_disk();
    format!(
        "SELECT handle, before, pg_catalog.pg_notify('{channel}', \
             '{OUTDATED_CLAIMS} ' {CAT} {HANDLE} {CAT} ' ' {CAT} claims_epoch::pg_catalog.text), {commit} FROM outdated"
    )
}

/// The commit waits for the disk, whatever the database's default is, unless the default is stricter.
fn commit_on_disk() -> String {
    set_commit(&format!(
        "CASE WHEN pg_catalog.current_setting('synchronous_commit') {EQ} 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
    ))
}

/// A column that sets how far the commit of its statement waits.
fn set_commit(value: &str) -> String {
    format!("(SELECT pg_catalog.set_config('synchronous_commit', {value}, true))")
}

fn dead() -> String {
    format!("death_hour {LE} ($1 {DIV} 3600000) AND least(idle_expiry, absolute_expiry, ended_at) {LT} $1")
}

/// The index has the hash of the subject, because a b-tree rejects long texts.
fn live_of_subject() -> String {
    format!(
        "pg_catalog.hashtextextended(subject, 0) {EQ} pg_catalog.hashtextextended($1, 0) AND subject {EQ} $1 \
         AND ended_at IS NULL"
    )
}

fn of_subject() -> String {
    format!("{} AND ($2 IS NULL OR handle {NE} $2)", live_of_subject())
}

fn set_swapped(values: &[&str; 9]) -> String {
    let [version, generation, rotated_at, confirmed, late_budget, idle_expiry, claims_epoch, binding, data] =
        values;
    format!(
        "version = {version}, generation = {generation}, rotated_at = {rotated_at}, confirmed = {confirmed}, \
         late_budget = {late_budget}, idle_expiry = {idle_expiry}, claims_epoch = {claims_epoch}, \
         binding = {binding}, data = {data}, \
         death_hour = least({idle_expiry}, s.absolute_expiry) {DIV} 3600000"
    )
}

fn set_ended(reason: &str, at: &str, version: &str) -> String {
    format!(
        "version = {version}, ended_reason = {reason}, ended_at = {at}, \
         death_hour = least({at}, s.idle_expiry, s.absolute_expiry) {DIV} 3600000"
    )
}
