//! The SQL statements, one round trip each.
//!
//! Another role may own a schema in the search path, with functions, operators and types that have the names of PostgreSQL's own
//! and would run as this role. So each name here is qualified, and nothing depends on the search path. Setting the path instead
//! would need a round trip per statement, or would change it for others who share a connection through a pooler.
//!
//! The statement of a batch takes arrays with one element per member, ordered by handle. It looks up one row per member, so
//! that the primary key is used even if the planner has no statistics of a new table, and locks the rows in that order, so
//! that two batches never deadlock. At most one member has the version of a locked row.

use crate::{notice::OUTDATED_CLAIMS, row::COLUMNS, table::Table};

const EQ: &str = "OPERATOR(pg_catalog.=)";
const NE: &str = "OPERATOR(pg_catalog.<>)";
const LT: &str = "OPERATOR(pg_catalog.<)";
const LE: &str = "OPERATOR(pg_catalog.<=)";
const GT: &str = "OPERATOR(pg_catalog.>)";
const GE: &str = "OPERATOR(pg_catalog.>=)";
const ADD: &str = "OPERATOR(pg_catalog.+)";
const DIV: &str = "OPERATOR(pg_catalog./)";
const CAT: &str = "OPERATOR(pg_catalog.||)";

const BOOL: ParameterType = ParameterType::Bool;
const BOOLS: ParameterType = ParameterType::BoolArray;
const BYTEA: ParameterType = ParameterType::Bytea;
const BYTEAS: ParameterType = ParameterType::ByteaArray;
const INT8: ParameterType = ParameterType::Int8;
const INT8S: ParameterType = ParameterType::Int8Array;
const TEXT: ParameterType = ParameterType::Text;
const TEXTS: ParameterType = ParameterType::TextArray;

/// The text of a handle.
const HANDLE: &str = "pg_catalog.translate(pg_catalog.encode(handle, 'base64'), '+/=', '-_')";

/// When a session died, or will die.
const DIED: &str = "least(idle_expiry, absolute_expiry, ended_at)";

/// How many sessions of a subject a call ends.
const ENDED_PER_CALL: usize = 1000;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver has a type for each, or does not compile")]
pub enum ParameterType {
    /// `boolean`
    Bool,
    /// `boolean[]`
    BoolArray,
    /// `bytea`
    Bytea,
    /// `bytea[]`
    ByteaArray,
    /// `bigint`
    Int8,
    /// `bigint[]`
    Int8Array,
    /// `text`
    Text,
    /// `text[]`
    TextArray,
}

/// The statements for one table, as a driver's type `S`. Times are in milliseconds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statements<S> {
    /// Inserts a session, unless the handle is taken. The parameters: handle, subject, generation, `rotated_at`, `confirmed`,
    /// `late_budget`, `created_at`, `idle_expiry`, `absolute_expiry`, reason and time of its end, version, user agent, address,
    /// label, data, `authenticated_at`, `idle`, `persistent`, `claims_epoch`, binding.
    pub create: S,
    /// Returns the session with the handle, for [`read_row`](crate::read_row).
    pub load: S,
    /// As `load`, for an array of handles.
    pub load_batch: S,
    /// Writes a rotation and returns a row if it did. The parameters: handle, version, the next version, generation, `rotated_at`,
    /// `confirmed`, `late_budget`, `idle_expiry`, `claims_epoch`, binding, data.
    pub swap: S,
    /// As `swap`, for arrays ordered by handle and then version, without duplicates. Returns the handles and their former versions.
    pub swap_batch: S,
    /// Ends a live session, and returns its handle if it did. The parameters: handle, reason, time, version.
    pub end: S,
    /// As `end`, for arrays ordered by handle, without duplicates.
    pub end_batch: S,
    /// Ends live sessions of a subject, a thousand at most, and returns their handles. The parameters: subject, a handle that is
    /// spared or null, reason, time, version.
    pub end_subject: S,
    /// Returns a row if the subject has a live session. The parameters: subject, a handle that does not count or null.
    pub has_subject: S,
    /// Outdates claims, and returns the handles and their epochs before. The parameters, as arrays ordered by handle without
    /// duplicates: handle, how many calls, time, version.
    pub outdate: S,
    /// Returns live sessions of a subject, newest login first, for [`read_row`](crate::read_row). The parameters: subject, now,
    /// and the three of [`PageStart`](crate::PageStart).
    pub list: S,
    /// Deletes dead sessions, a thousand at most. The parameter: the time before which they died. It skips rows that others
    /// have locked.
    pub purge: S,
    /// Waits for a row that `purge` skipped, and returns a row if it is still there. The parameter as for `purge`.
    pub wait_for_dead: S,
    /// Returns the handles and times of sessions that ended at the time or later.
    pub ended_since: S,
    /// Returns the handles and epochs of live sessions with claims that were outdated at the time or later.
    pub outdated_since: S,
    /// Sends an empty notification to the channel: see [`Echo`](crate::Echo).
    pub echo: S,
    /// The channel of the notices, which needs no quotes: see [`Notice`](crate::Notice).
    pub channel: String,
}

impl<S> Statements<S> {
    /// The statements for `table`. `statement` makes each from its SQL and the types of its parameters.
    ///
    /// With `lossy_rotations`, swaps do not wait for the disk.
    pub fn new(
        table: &Table,
        lossy_rotations: bool,
        statement: impl Fn(String, &[ParameterType]) -> S,
    ) -> Self {
        let statement = |types: &[ParameterType], sql| statement(sql, types);
        let (path, channel) = (table.path(), table.channel());
        let (ended, dead, of_subject) = (ended(&channel), dead(), of_subject());
        let commit = if lossy_rotations { format!(", {}", set_commit("'off'")) } else { String::new() };
        Self {
            create: statement(
                &[
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
            load: statement(&[BYTEA], format!("SELECT {COLUMNS} FROM {path} WHERE handle {EQ} $1")),
            load_batch: statement(
                &[BYTEAS],
                format!(
                    "SELECT s.* FROM pg_catalog.unnest($1) AS g(handle) \
                     CROSS JOIN LATERAL (SELECT {COLUMNS} FROM {path} WHERE handle {EQ} g.handle OFFSET 0) AS s"
                ),
            ),
            swap: statement(
                &[BYTEA, INT8, INT8, INT8, INT8, BOOL, INT8, INT8, INT8, BYTEA, BYTEA],
                format!(
                    "UPDATE {path} AS s SET {} WHERE s.handle {EQ} $1 AND s.version {EQ} $2 AND s.ended_at IS NULL \
                     RETURNING s.handle, s.version{commit}",
                    set_swapped(&["$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11"])
                ),
            ),
            // PostgreSQL reads `unnest` with several arguments as its own function only if it is not qualified.
            swap_batch: statement(
                &[BYTEAS, INT8S, INT8S, INT8S, INT8S, BOOLS, INT8S, INT8S, INT8S, BYTEAS, BYTEAS],
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
                &[BYTEA, TEXT, INT8, INT8],
                format!(
                    "WITH ended AS (UPDATE {path} AS s SET {} WHERE s.handle {EQ} $1 AND s.ended_at IS NULL \
                         RETURNING s.handle, s.ended_at) {ended}",
                    set_ended("$2", "$3", "$4")
                ),
            ),
            end_batch: statement(
                &[BYTEAS, TEXTS, INT8S, INT8S],
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
                &[TEXT, BYTEA, TEXT, INT8, INT8],
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
            has_subject: statement(
                &[TEXT, BYTEA],
                format!("SELECT 1 FROM {path} WHERE {of_subject} LIMIT 1"),
            ),
            outdate: statement(
                &[BYTEAS, INT8S, INT8S, INT8S],
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
                &[TEXT, INT8, INT8, BYTEA, INT8],
                format!(
                    "SELECT {COLUMNS} FROM {path} WHERE {} AND idle_expiry {GT} $2 AND absolute_expiry {GT} $2 \
                     AND (created_at, handle) {LT} ($3, $4) ORDER BY created_at DESC, handle DESC LIMIT $5",
                    live_of_subject()
                ),
            ),
            // In a partitioned table other rows have the same ctid, so the rows themselves are checked as well, by columns without
            // an index: with one, the planner may read all dead rows instead of those with the ctids.
            purge: statement(
                &[INT8],
                format!(
                    "DELETE FROM {path} WHERE {DIED} {LT} $1 AND ctid {EQ} ANY (ARRAY(SELECT ctid FROM {path} WHERE {dead} \
                     ORDER BY death_hour LIMIT 1000 FOR UPDATE SKIP LOCKED))"
                ),
            ),
            wait_for_dead: statement(
                &[INT8],
                format!("SELECT 1 FROM {path} WHERE {dead} ORDER BY death_hour LIMIT 1 FOR UPDATE"),
            ),
            ended_since: statement(
                &[INT8],
                format!("SELECT handle, ended_at FROM {path} WHERE ended_at {GE} $1"),
            ),
            outdated_since: statement(
                &[INT8],
                format!(
                    "SELECT handle, claims_epoch FROM {path} WHERE claims_outdated_at {GE} $1 AND ended_at IS NULL"
                ),
            ),
            // Nothing is lost with it, so it does not wait for the disk.
            echo: statement(&[TEXT], format!("SELECT pg_catalog.pg_notify($1, ''), {}", set_commit("'off'"))),
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
    format!("death_hour {LE} ($1 {DIV} 3600000) AND {DIED} {LT} $1")
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
