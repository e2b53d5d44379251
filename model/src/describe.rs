//! Descriptions of histories. T(0) is the newest token in the store at that time.

use crate::{
    scenario::{Kind, Proof},
    session::{COUNTER, NEWEST, NO_COUNTER},
    state::{Answer, Basis, Party, Request, Stage, State},
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
            Self::SendLast if before.device.is_some() => "the browser sends a proof, undisturbed".to_owned(),
            Self::SendLast => {
                format!("the browser sends {}, undisturbed", before.jar.map_or_else(String::new, token))
            }
            Self::Logout => "the browser requests a logout".to_owned(),
            Self::Steal => format!("the thief copies {}", before.jar.map_or_else(String::new, token)),
            Self::Use { presented, kind } => {
                format!("the thief sends {}{}", token(presented), as_kind(kind))
            }
            Self::Offer { key } => format!("the browser registers key {key}"),
            Self::Prove { alone } => {
                let token = before
                    .jar
                    .filter(|_| !alone)
                    .map_or_else(String::new, |jar| format!(" and {}", token(jar)));
                format!(
                    "the browser sends a proof{}{token}",
                    before.device.map_or_else(String::new, |device| challenge(device.challenge))
                )
            }
            Self::Replay { proof } => {
                format!("the thief sends a copy of a proof{}", challenge(proof.counter))
            }
            Self::RegisterRival => "the thief registers a key".to_owned(),
            Self::Arrive { request, server } => {
                let arrived = after.requests.iter().find(|known| !before.requests.contains(known));
                let class = match arrived.map(|request| &request.stage) {
                    Some(Stage::Handling { class, .. }) => format!("{class:?}"),
                    Some(Stage::Ending { logout: true }) => "a logout".to_owned(),
                    Some(Stage::Ending { logout: false }) => "Reuse".to_owned(),
                    Some(Stage::RollingForward { .. }) => "Ahead".to_owned(),
                    Some(Stage::Responded { answer: Answer::Rejected { .. }, .. }) => {
                        "a stale challenge".to_owned()
                    }
                    Some(Stage::Responded { answer: Answer::Gone, .. }) => {
                        "no session of this device".to_owned()
                    }
                    Some(_) => "in commit".to_owned(),
                    None => "rejected".to_owned(),
                };
                format!("{} is at server {server}: {class}", of(request))
            }
            Self::End { request } => format!("{} ends the session", of(request)),
            Self::RollForward { request } => format!("{} swaps in the rolled-forward row", of(request)),
            Self::Commit { request } => format!("{} begins its commit", of(request)),
            Self::Resend { request, basis } => {
                let row = if basis == Basis::Written { "written last" } else { "read by its load" };
                format!("{} is sent the tokens again, on the row {row}", of(request))
            }
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

fn as_kind(kind: Kind) -> String {
    match kind {
        Kind::Own => String::new(),
        Kind::Upgrade => ", an upgrade".to_owned(),
        Kind::Elsewhere => ", a navigation from elsewhere".to_owned(),
        Kind::Register { key } => format!(", registration of key {key}"),
        Kind::Proof(proof) => format!(", proof{}", challenge(proof.counter)),
    }
}

/// C(0) is the challenge of the stored row at that time.
fn challenge(counter: u8) -> String {
    if counter == NO_COUNTER {
        " without a challenge".to_owned()
    } else {
        format!(" for {}", relative('C', counter, COUNTER))
    }
}

fn name(request: &Request) -> String {
    let party = match request.from {
        Party::Browser => "browser",
        Party::Thief => "thief",
    };
    let token = match request.kind {
        Kind::Register { .. } | Kind::Proof(Proof { alone: true, .. }) => String::new(),
        _ => format!(", {}", token(request.presented)),
    };
    format!("[{party}{token}{}]", as_kind(request.kind))
}

fn carried(state: &State, request: usize) -> String {
    match state.requests[request].stage {
        Stage::Responded { carries: Some(generation), .. } => format!(" with {}", token(generation)),
        _ => String::new(),
    }
}

fn token(generation: u8) -> String {
    relative('T', generation, NEWEST)
}

fn relative(what: char, number: u8, newest: u8) -> String {
    format!("{what}({:+})", i16::from(number) - i16::from(newest)).replace("+0", "0")
}
