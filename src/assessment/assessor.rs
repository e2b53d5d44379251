//! The application's closure, with its panics caught and reported.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tower_refresh_core::{SessionRow, rotation::TokenClass};

use super::{Assessment, RefreshAttempt};
use crate::event::{About, ClientInfo, EventKind, Events};

/// The application's closure.
pub(crate) type Assess = dyn Fn(&RefreshAttempt<'_>) -> Assessment + Send + Sync;

/// Assesses refreshes.
pub(crate) struct Assessor {
    assess: Box<Assess>,
    events: Events,
}

impl Assessor {
    pub(crate) fn new(assess: Box<Assess>, events: Events) -> Self {
        Self { assess, events }
    }

    /// The application's word on a refresh of the session of `row` by `client`; `None` if the closure panicked, which has been
    /// reported.
    pub(crate) fn assess(
        &self,
        row: &SessionRow,
        class: TokenClass,
        client: &ClientInfo,
    ) -> Option<Assessment> {
        let attempt = RefreshAttempt::new(row, class, self.events.now(), client);
        let assessment = catch_unwind(AssertUnwindSafe(|| (self.assess)(&attempt))).ok();
        if assessment.is_none() {
            let about = About::client(client).refresh_of(row);
            self.events.failed(EventKind::AssessmentFailed, about, &AssessmentPanicked);
        }
        assessment
    }
}

/// Why a refresh has no assessment.
#[derive(Debug)]
struct AssessmentPanicked;

impl fmt::Display for AssessmentPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the closure of `AuthBuilder::assess` panicked")
    }
}

impl Error for AssessmentPanicked {}
