//! The SQL statements, one round trip each.
//!
//! The statement of a batch takes arrays with one element per member, ordered by handle. It looks up one row per member, so
//! that the primary key is used even if the planner has no statistics of a new table, and locks the rows in that order, so
//! that two batches never deadlock. At most one member has the version of a locked row.

use super::{name::Table, row::COLUMNS};

/// The next version. It saturates below the maximum, as a session must end even at the largest version.
const NEXT_VERSION: &str = "least(s.version, 9223372036854775806) + 1";

/// Notifies listeners of the handle and the time once the end is committed. The commit waits for the disk, whatever the
/// database's default is, unless the default is stricter.
const ENDED: &str = "SELECT handle, pg_notify('{channel}', \
         translate(encode(handle, 'base64'), '+/=', '-_') || ' ' || ended_at), \
     (SELECT set_config('synchronous_commit', \
         CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)) \
     FROM ended";

const DEAD: &str =
    "death_hour <= $1::bigint / 3600000 AND least(idle_expiry, absolute_expiry, ended_at) < $1::bigint";

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
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
                     least($8::bigint, $9::bigint, $11::bigint) / 3600000) \
                 ON CONFLICT (handle) DO NOTHING"
            ),
            load: format!("SELECT {COLUMNS} FROM {path} WHERE handle = $1"),
            load_batch: format!(
                "SELECT s.* FROM unnest($1::bytea[]) AS g(handle) \
                 CROSS JOIN LATERAL (SELECT {COLUMNS} FROM {path} WHERE handle = g.handle OFFSET 0) AS s"
            ),
            swap: format!(
                "UPDATE {path} AS s SET {} WHERE s.handle = $1 AND s.version = $2 AND s.ended_at IS NULL \
                 RETURNING s.handle, s.version{commit}",
                set_swapped("$3", "$4", "$5", "$6", "$7::bigint")
            ),
            swap_batch: format!(
                "WITH given AS MATERIALIZED ( \
                     SELECT g.* FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], \
                         $6::bigint[], $7::bigint[]) \
                         AS g(handle, version, generation, rotated_at, confirmed, late_budget, idle_expiry) \
                     CROSS JOIN LATERAL (SELECT version, ended_at FROM {path} WHERE handle = g.handle \
                         OFFSET 0 FOR NO KEY UPDATE) AS locked \
                     WHERE locked.version = g.version AND locked.ended_at IS NULL) \
                 UPDATE {path} AS s SET {} FROM given WHERE s.handle = given.handle \
                 RETURNING s.handle, s.version{commit}",
                set_swapped(
                    "given.generation",
                    "given.rotated_at",
                    "given.confirmed",
                    "given.late_budget",
                    "given.idle_expiry"
                )
            ),
            end: format!(
                "WITH ended AS (UPDATE {path} AS s SET {} WHERE s.handle = $1 AND s.ended_at IS NULL \
                     RETURNING s.handle, s.ended_at) {ended}",
                set_ended("$2", "$3::bigint")
            ),
            end_batch: format!(
                "WITH given AS MATERIALIZED ( \
                     SELECT g.* FROM unnest($1::bytea[], $2::text[], $3::bigint[]) AS g(handle, reason, at) \
                     CROSS JOIN LATERAL (SELECT ended_at FROM {path} WHERE handle = g.handle \
                         OFFSET 0 FOR NO KEY UPDATE) AS locked \
                     WHERE locked.ended_at IS NULL), \
                 ended AS (UPDATE {path} AS s SET {} FROM given WHERE s.handle = given.handle \
                     RETURNING s.handle, s.ended_at) {ended}",
                set_ended("given.reason", "given.at")
            ),
            end_subject: format!(
                "WITH locked AS MATERIALIZED (SELECT handle FROM {path} WHERE subject = $1 AND ended_at IS NULL \
                     AND handle IS DISTINCT FROM $4::bytea ORDER BY handle FOR NO KEY UPDATE), \
                 ended AS (UPDATE {path} AS s SET {} FROM locked WHERE s.handle = locked.handle \
                     RETURNING s.handle, s.ended_at) {ended}",
                set_ended("$2", "$3::bigint")
            ),
            list: format!(
                "SELECT {COLUMNS} FROM {path} WHERE subject = $1 AND ended_at IS NULL AND idle_expiry > $2 \
                 AND absolute_expiry > $2 ORDER BY created_at DESC, handle DESC"
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

fn set_swapped(
    generation: &str,
    rotated_at: &str,
    confirmed: &str,
    late_budget: &str,
    idle_expiry: &str,
) -> String {
    format!(
        "version = s.version + 1, generation = {generation}, rotated_at = {rotated_at}, confirmed = {confirmed}, \
         late_budget = {late_budget}, idle_expiry = {idle_expiry}, \
         death_hour = least({idle_expiry}, s.absolute_expiry) / 3600000"
    )
}

fn set_ended(reason: &str, at: &str) -> String {
    format!(
        "version = {NEXT_VERSION}, ended_reason = {reason}, ended_at = {at}, \
         death_hour = least({at}, s.idle_expiry, s.absolute_expiry) / 3600000"
    )
}
