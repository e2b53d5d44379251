//! The SQL statements, one round trip each.
//!
//! The statement of a batch takes arrays with one element per member, ordered by handle. It looks up one row per member, so
//! that the primary key is used even if the planner has no statistics of a new table, and locks the rows in that order, so
//! that two batches never deadlock. At most one member has the version of a locked row.

use super::{name::Table, row::COLUMNS};

/// Another role may own a schema in the search path. PostgreSQL prefers an exact match there to a polymorphic one of its own, so
/// that an operator or function of that role would run as this one: those with polymorphic arguments are qualified.
///
/// Notifies listeners of the handle and the time once the end is committed. The commit waits for the disk, whatever the
/// database's default is, unless the default is stricter.
const ENDED: &str = "SELECT handle, pg_notify('{channel}', \
         translate(encode(handle, 'base64'), '+/=', '-_') \
         OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) ended_at::text), \
     (SELECT set_config('synchronous_commit', \
         CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)) \
     FROM ended";

const DEAD: &str =
    "death_hour <= $1::bigint / 3600000 AND least(idle_expiry, absolute_expiry, ended_at) < $1::bigint";

/// How many sessions of a subject a call ends.
const ENDED_PER_CALL: usize = 1000;

const OF_SUBJECT: &str = "subject = $1 AND ended_at IS NULL AND handle IS DISTINCT FROM $2::bytea";

/// The statements for one table.
pub(crate) struct Statements {
    pub(crate) create: String,
    pub(crate) load: String,
    pub(crate) load_batch: String,
    pub(crate) swap: String,
    pub(crate) swap_batch: String,
    pub(crate) end: String,
    pub(crate) end_batch: String,
    pub(crate) end_subject: String,
    pub(crate) has_subject: String,
    pub(crate) list: String,
    pub(crate) purge: String,
    pub(crate) wait_for_dead: String,
    pub(crate) ended_since: String,
    pub(crate) listen: String,
}

impl Statements {
    pub(crate) fn new(table: &Table, lossy_rotations: bool) -> Self {
        let (path, channel) = (table.path(), table.channel());
        let ended = ENDED.replace("{channel}", &channel);
        let commit =
            if lossy_rotations { ", (SELECT set_config('synchronous_commit', 'off', true))" } else { "" };
        Self {
            create: format!(
                "INSERT INTO {path} ({COLUMNS}, death_hour) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
                     least($8::bigint, $9::bigint, $11::bigint) / 3600000) \
                 ON CONFLICT (handle) DO NOTHING"
            ),
            load: format!("SELECT {COLUMNS} FROM {path} WHERE handle = $1"),
            load_batch: format!(
                "SELECT s.* FROM pg_catalog.unnest($1::bytea[]) AS g(handle) \
                 CROSS JOIN LATERAL (SELECT {COLUMNS} FROM {path} WHERE handle = g.handle OFFSET 0) AS s"
            ),
            swap: format!(
                "UPDATE {path} AS s SET {} WHERE s.handle = $1 AND s.version = $2 AND s.ended_at IS NULL \
                 RETURNING s.handle, s.version{commit}",
                set_swapped(&["$3", "$4", "$5", "$6", "$7", "$8::bigint", "$9", "$10", "$11"])
            ),
            swap_batch: format!(
                "WITH given AS MATERIALIZED ( \
                     SELECT g.* FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], \
                         $6::boolean[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[]) \
                         AS g(handle, version, next_version, generation, rotated_at, confirmed, late_budget, \
                             idle_expiry, claims_epoch, binding, data) \
                     CROSS JOIN LATERAL (SELECT version, ended_at FROM {path} WHERE handle = g.handle \
                         OFFSET 0 FOR NO KEY UPDATE) AS locked \
                     WHERE locked.version = g.version AND locked.ended_at IS NULL) \
                 UPDATE {path} AS s SET {} FROM given WHERE s.handle = given.handle \
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
            end: format!(
                "WITH ended AS (UPDATE {path} AS s SET {} WHERE s.handle = $1 AND s.ended_at IS NULL \
                     RETURNING s.handle, s.ended_at) {ended}",
                set_ended("$2", "$3::bigint", "$4")
            ),
            end_batch: format!(
                "WITH given AS MATERIALIZED ( \
                     SELECT g.* FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[]) \
                         AS g(handle, reason, at, version) \
                     CROSS JOIN LATERAL (SELECT ended_at FROM {path} WHERE handle = g.handle \
                         OFFSET 0 FOR NO KEY UPDATE) AS locked \
                     WHERE locked.ended_at IS NULL), \
                 ended AS (UPDATE {path} AS s SET {} FROM given WHERE s.handle = given.handle \
                     RETURNING s.handle, s.ended_at) {ended}",
                set_ended("given.reason", "given.at", "given.version")
            ),
            end_subject: format!(
                "WITH found AS MATERIALIZED (SELECT handle FROM {path} WHERE {OF_SUBJECT} LIMIT {ENDED_PER_CALL}), \
                 ordered AS MATERIALIZED (SELECT handle FROM found ORDER BY handle), \
                 locked AS MATERIALIZED (SELECT ordered.handle FROM ordered \
                     CROSS JOIN LATERAL (SELECT ended_at FROM {path} WHERE handle = ordered.handle \
                         OFFSET 0 FOR NO KEY UPDATE) AS locked \
                     WHERE locked.ended_at IS NULL), \
                 ended AS (UPDATE {path} AS s SET {} FROM locked WHERE s.handle = locked.handle \
                     RETURNING s.handle, s.ended_at) {ended}",
                set_ended("$3", "$4::bigint", "$5")
            ),
            has_subject: format!("SELECT 1 FROM {path} WHERE {OF_SUBJECT} LIMIT 1"),
            list: format!(
                "SELECT {COLUMNS} FROM {path} WHERE subject = $1 AND ended_at IS NULL AND idle_expiry > $2 \
                 AND absolute_expiry > $2 AND ($3::bigint IS NULL OR (created_at, handle) < ($3, $4::bytea)) \
                 ORDER BY created_at DESC, handle DESC LIMIT $5"
            ),
            purge: format!(
                "DELETE FROM {path} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {path} WHERE {DEAD} \
                 ORDER BY death_hour LIMIT 1000 FOR UPDATE SKIP LOCKED))"
            ),
            wait_for_dead: format!(
                "SELECT 1 FROM {path} WHERE {DEAD} ORDER BY death_hour LIMIT 1 FOR UPDATE"
            ),
            ended_since: format!("SELECT handle, ended_at FROM {path} WHERE ended_at >= $1"),
            listen: format!("LISTEN \"{channel}\""),
        }
    }
}

fn set_swapped(values: &[&str; 9]) -> String {
    let [version, generation, rotated_at, confirmed, late_budget, idle_expiry, claims_epoch, binding, data] =
        values;
    format!(
        "version = {version}, generation = {generation}, rotated_at = {rotated_at}, confirmed = {confirmed}, \
         late_budget = {late_budget}, idle_expiry = {idle_expiry}, claims_epoch = {claims_epoch}, \
         binding = {binding}, data = {data}, \
         death_hour = least({idle_expiry}, s.absolute_expiry) / 3600000"
    )
}

fn set_ended(reason: &str, at: &str, version: &str) -> String {
    format!(
        "version = {version}, ended_reason = {reason}, ended_at = {at}, \
         death_hour = least({at}, s.idle_expiry, s.absolute_expiry) / 3600000"
    )
}
