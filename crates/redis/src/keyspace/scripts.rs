//! The scripts that run on the server, each on one key.

use redis::Script;

pub(crate) struct Scripts {
    pub(crate) create: Script,
    pub(crate) swap: Script,
    pub(crate) end: Script,
    pub(crate) index: Script,
    pub(crate) page: Script,
    pub(crate) remove: Script,
    pub(crate) log: Script,
    pub(crate) outdate: Script,
    pub(crate) purge: Script,
}

/// The source of [`Scripts::end`].
pub(crate) const END_SCRIPT: &str = include_str!("scripts/end.lua");

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            create: Script::new(include_str!("scripts/create.lua")),
            swap: Script::new(include_str!("scripts/swap.lua")),
            end: Script::new(END_SCRIPT),
            index: Script::new(include_str!("scripts/index.lua")),
            page: Script::new(include_str!("scripts/page.lua")),
            remove: Script::new(include_str!("scripts/remove.lua")),
            log: Script::new(include_str!("scripts/log.lua")),
            outdate: Script::new(include_str!("scripts/outdate.lua")),
            purge: Script::new(include_str!("scripts/purge.lua")),
        }
    }
}
