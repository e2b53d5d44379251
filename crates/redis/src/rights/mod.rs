//! Finds out whether the Redis user may do what the store does, when it is opened: otherwise the first logout would fail.
//!
//! Everything is tried rather than asked for, because `ACL DRYRUN` needs a right that such a user does not have.

mod places;
mod probes;

use std::error::Error as _;

use futures_util::future::join_all;
use redis::{Cmd, RedisError, Script, cmd};
use tower_refresh_core::StoreError;

use self::{
    places::{Place, places},
    probes::{
        ASK, CHANNEL, COMMANDS, FIRST_INDEX, IN_SCRIPTS, INDEX, LOAD_SCRIPT, LOG, Probe, READING, ROW,
        RUN_SCRIPT,
    },
};
use crate::{
    connection::{Request, SharedConnection, Wait},
    database::Database,
    error::{OpenError, OpenErrorKind},
    feed,
};

/// The rights that the user lacks, and the server's first answer that said so.
#[derive(Default)]
struct Missing {
    rights: Vec<String>,
    source: Option<RedisError>,
}

/// Tries what the store does.
pub(crate) async fn check(database: &Database, read_only: bool) -> Result<(), OpenError> {
    let places = places(database).await.map_err(unavailable)?;
    let mut missing = Missing::default();
    let waiting = database.waiting.as_ref().map(|(wait, connection)| (Some(wait), connection));
    for (wait, connection) in [(None, &database.connection)].into_iter().chain(waiting) {
        for place in &places {
            let trial = Trial { database, connection, place };
            if database.connection.is_cluster() {
                trial.try_all(&[ASK], false, &mut missing).await?;
            }
            if read_only {
                trial.try_all(&READING, false, &mut missing).await?;
            } else {
                trial.run(wait, &mut missing).await?;
            }
        }
    }
    if let Err(error) = feed::try_to_subscribe(database).await {
        match redis_error(&error) {
            Some(denied) if is_denied(denied) => {
                let channel = format!("&{}", database.keys.channel());
                missing.add(if is_for_command(denied) { "+subscribe".to_owned() } else { channel }, denied);
            }
            _ => return Err(unavailable(error)),
        }
    }
    match missing.source {
        Some(source) => Err(OpenError::lacking(missing.rights, source)),
        None => Ok(()),
    }
}

/// The error for a connection that could not be made. The driver itself selects the database, and reads the slots of a Cluster.
pub(crate) fn connect_error(error: RedisError) -> OpenError {
    let text = error.to_string();
    let denied = text.split_once("no permissions to run the '").and_then(|(_, rest)| rest.split_once('\''));
    match denied {
        Some((command, _)) => OpenError::lacking(vec![format!("+{command}")], error),
        None => OpenError::with_source(OpenErrorKind::Unavailable, error),
    }
}

struct Trial<'a> {
    database: &'a Database,
    connection: &'a SharedConnection,
    place: &'a Place,
}

impl Trial<'_> {
    async fn run(&self, wait: Option<&Wait>, missing: &mut Missing) -> Result<(), OpenError> {
        let known = missing.rights.len();
        self.try_all(&[LOAD_SCRIPT, RUN_SCRIPT], false, missing).await?;
        let has_scripts = missing.rights.len() == known;
        self.try_all(&COMMANDS, false, missing).await?;
        if has_scripts {
            self.try_all(&IN_SCRIPTS, true, missing).await?;
        }
        let Some(wait) = wait else { return Ok(()) };
        let probe = if wait.on_disk { probes::WAIT_FOR_DISKS } else { probes::WAIT };
        match self.send(probe, false).await {
            // Disks need an append-only file, too.
            Err(error)
                if redis_error(&error).is_some_and(|error| error.code().is_some() && !is_denied(error)) =>
            {
                Err(failed(OpenErrorKind::UnsupportedServer, error))
            }
            answer => self.note(probe, answer, missing),
        }
    }

    async fn try_all(
        &self,
        probes: &[Probe],
        in_script: bool,
        missing: &mut Missing,
    ) -> Result<(), OpenError> {
        let answers = join_all(probes.iter().map(|&probe| self.send(probe, in_script))).await;
        probes.iter().zip(answers).try_for_each(|(&probe, answer)| self.note(probe, answer, missing))
    }

    async fn send(&self, (_, words): Probe, in_script: bool) -> Result<(), StoreError> {
        let words: Vec<_> = words.iter().map(|word| self.word(word)).collect();
        let request = Request::OnPrimaryOf(self.place.slot, self.command(&words, in_script));
        self.connection.send(&request).await.map(drop)
    }

    fn command(&self, words: &[String], in_script: bool) -> Cmd {
        if in_script {
            let key = words.iter().find(|word| self.place.has(word)).unwrap_or(&self.place.row);
            let mut run = cmd("EVALSHA");
            run.arg(Script::new(probes::SCRIPT).get_hash()).arg(1).arg(key).arg(words);
            return run;
        }
        let mut command = Cmd::new();
        command.arg(words);
        command
    }

    fn word(&self, word: &str) -> String {
        match word {
            ROW => self.place.row.clone(),
            INDEX => self.place.index.clone(),
            FIRST_INDEX => self.place.first_index.clone(),
            LOG => self.place.log.clone(),
            CHANNEL => self.database.keys.channel(),
            word => word.to_owned(),
        }
    }

    /// Other errors than those of rights do not matter: the probes are not meant to succeed.
    fn note(
        &self,
        probe: Probe,
        answer: Result<(), StoreError>,
        missing: &mut Missing,
    ) -> Result<(), OpenError> {
        let Err(error) = answer else { return Ok(()) };
        match redis_error(&error) {
            Some(denied) if is_denied(denied) => {
                missing.add(self.right(probe, denied), denied);
                Ok(())
            }
            Some(unknown) if unknown.to_string().to_lowercase().contains("unknown command") => {
                Err(failed(OpenErrorKind::UnsupportedServer, error))
            }
            Some(answered) if answered.code().is_some() => Ok(()),
            _ => Err(unavailable(error)),
        }
    }

    fn right(&self, (right, words): Probe, denied: &RedisError) -> String {
        let keys = &self.database.keys;
        let subject = words.iter().find_map(|word| match *word {
            ROW => Some(format!("~{}", keys.rows())),
            INDEX => Some(format!("~{}", keys.indexes())),
            FIRST_INDEX => Some(format!("~{}", keys.first_indexes())),
            LOG => Some(format!("~{}", keys.log())),
            CHANNEL => Some(format!("&{}", keys.channel())),
            _ => None,
        });
        subject.filter(|_| !is_for_command(denied)).unwrap_or_else(|| format!("+{right}"))
    }
}

impl Missing {
    fn add(&mut self, right: String, denied: &RedisError) {
        if !self.rights.contains(&right) {
            self.rights.push(right);
        }
        self.source.get_or_insert_with(|| denied.clone());
    }
}

/// Redis 7.0 answers with the code `ERR` if a script may not do something.
fn is_denied(error: &RedisError) -> bool {
    let text = error.to_string();
    error.code() == Some("NOPERM")
        || ["The user executing the script can't", "ACL failure in script"]
            .iter()
            .any(|said| text.contains(said))
}

/// Whether the command as such is denied, not its key or channel. Names of users have no spaces.
fn is_for_command(denied: &RedisError) -> bool {
    denied.to_string().contains(" run ")
}

fn redis_error(error: &StoreError) -> Option<&RedisError> {
    error.source().and_then(|source| source.downcast_ref())
}

fn unavailable(error: StoreError) -> OpenError {
    failed(OpenErrorKind::Unavailable, error)
}

/// An error with the driver's error as its source, if there is one.
fn failed(kind: OpenErrorKind, error: StoreError) -> OpenError {
    match redis_error(&error) {
        Some(source) => OpenError::with_source(kind, source.clone()),
        None => OpenError::with_source(kind, error),
    }
}
