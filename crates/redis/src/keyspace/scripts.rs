//! The scripts that run on the server, each on one key.

use redis::Script;

pub(crate) struct Scripts {
    pub(crate) create: StoredScript,
    pub(crate) swap: StoredScript,
    pub(crate) end: StoredScript,
    pub(crate) index: StoredScript,
    pub(crate) page: StoredScript,
    pub(crate) remove: StoredScript,
    pub(crate) log: StoredScript,
    pub(crate) outdate: StoredScript,
    pub(crate) purge: StoredScript,
}

/// A script, which the server knows by its hash once it has been loaded.
pub(crate) struct StoredScript {
    pub(crate) source: &'static str,
    pub(crate) script: Script,
}

impl StoredScript {
    fn new(source: &'static str) -> Self {
        Self { source, script: Script::new(source) }
    }

    pub(crate) fn hash(&self) -> &str {
        self.script.get_hash()
    }
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            create: StoredScript::new(include_str!("scripts/create.lua")),
            swap: StoredScript::new(include_str!("scripts/swap.lua")),
            end: StoredScript::new(include_str!("scripts/end.lua")),
            index: StoredScript::new(include_str!("scripts/index.lua")),
            page: StoredScript::new(include_str!("scripts/page.lua")),
            remove: StoredScript::new(include_str!("scripts/remove.lua")),
            log: StoredScript::new(include_str!("scripts/log.lua")),
            outdate: StoredScript::new(include_str!("scripts/outdate.lua")),
            purge: StoredScript::new(include_str!("scripts/purge.lua")),
        }
    }
}
