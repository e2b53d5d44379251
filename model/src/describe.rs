//! Descriptions of histories. T(0) is the newest token in the store at that time.

use crate::{
    scenario::Kind,
    session::NEWEST,
    state::{Party, Request, Stage, State},
    world::Action,
};

impl Action {
    pub(crate) fn describe(self, before: &State, after: &State) -> String {
        let of = |request: usize| name(&before.requests[request]);
        match self {
            Self::Tick => "a tick".to_owned(),
            Self::Send { kind } => {
                format!("the browser sends {}{}", before.jar.map_or_else(String::new, token), as_kind(kind))
            }
            Self::SendLast => {
                format!("the browser sends {}, undisturbed", before.jar.map_or_else(String::new, token))
            }
            Self::Logout => "the browser requests a logout".to_owned(),
            Self::Steal => format!("the thief copies {}", before.jar.map_or_else(String::new, token)),
            Self::Use { presented, kind } => {
                format!("the thief sends {}{}", token(presented), as_kind(kind))
            }
            Self::Arrive { request, server } => {
                let arrived = after.requests.iter().find(|known| !before.requests.contains(known));
                let class = match arrived.map(|request| &request.stage) {
                    Some(Stage::Handling { class, .. }) => format!("{class:?}"),
                    Some(Stage::Ending { logout: true }) => "a logout".to_owned(),
                    Some(Stage::Ending { logout: false }) => "Reuse".to_owned(),
                    Some(Stage::RollingForward { .. }) => "Ahead".to_owned(),
                    Some(_) => "in commit".to_owned(),
                    None => "rejected".to_owned(),
                };
                format!("{} is at server {server}: {class}", of(request))
            }
            Self::End { request } => format!("{} ends the session", of(request)),
            Self::RollForward { request } => format!("{} swaps in the rolled-forward row", of(request)),
            Self::Commit { request } => format!("{} begins its commit", of(request)),
            Self::Abort { request } => format!("{} is aborted", of(request)),
            Self::Swap { request } => {
                let reads_newest = match &before.requests[request].stage {
                    Stage::Swapping { write, .. } => write.as_ref().is_some_and(|write| {
                        write.version == before.stored.version && before.stored.ended_at.is_none()
                    }),
                    _ => false,
                };
                format!("{} swaps: {}", of(request), if reads_newest { "done" } else { "a conflict" })
            }
            Self::Finish { request } => format!("{} leaves its handler", of(request)),
            Self::Deliver { request } => {
                format!("{} receives its response{}", of(request), carried(before, request))
            }
            Self::Lose { request } => {
                format!("{} loses its response{}", of(request), carried(before, request))
            }
            Self::FailOver { writes: 1 } => "the store loses its last write".to_owned(),
            Self::FailOver { writes } => format!("the store loses its last {writes} writes"),
            Self::Feed => "the session end is reported to both servers".to_owned(),
        }
    }
}

fn as_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Own => "",
        Kind::Upgrade => ", an upgrade",
        Kind::Elsewhere => ", a navigation from elsewhere",
    }
}

fn name(request: &Request) -> String {
    let party = match request.from {
        Party::Browser => "browser",
        Party::Thief => "thief",
    };
    format!("[{party}, {}{}]", token(request.presented), as_kind(request.kind))
}

fn carried(state: &State, request: usize) -> String {
    match state.requests[request].stage {
        Stage::Responded { carries: Some(generation), .. } => format!(" with {}", token(generation)),
        _ => String::new(),
    }
}

fn token(generation: u8) -> String {
    format!("T({:+})", i16::from(generation) - i16::from(NEWEST)).replace("+0", "0")
}
