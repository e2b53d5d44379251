//! What requests share that come at once.

mod recent;
mod single_flight;

pub(super) use self::{
    recent::Recent,
    single_flight::{SharedWork, SingleFlight},
};
