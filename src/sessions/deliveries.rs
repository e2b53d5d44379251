//! Which clients were sent a refresh token within the last grace period.
//!
//! After a rotation the grace period lets every holder of the previous token have the current one. An honest browser's requests
//! come from one network and with one `User-Agent`, so a second client is worth a report. It is kept in memory: stores have no
//! place for it, and it is of no use later.

use std::{
    collections::HashMap,
    fmt,
    hash::BuildHasher,
    mem,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foldhash::quality::RandomState;
use tower_refresh_core::SessionHandle;

use crate::event::{ClientDifference, ClientInfo};

/// How many deliveries are remembered in each of two consecutive grace periods. More are not compared.
const MOST: usize = 16_384;

pub(crate) struct Deliveries {
    grace: Duration,
    hasher: RandomState,
    recent: Mutex<Recent>,
}

/// In two maps, so that old deliveries are forgotten without a search for them.
#[derive(Default)]
struct Recent {
    since: Duration,
    current: HashMap<SessionHandle, Delivery, RandomState>,
    previous: HashMap<SessionHandle, Delivery, RandomState>,
}

/// The first delivery of the successor of a token.
struct Delivery {
    generation: u32,
    at: Duration,
    client: Fingerprint,
    reported: bool,
}

#[derive(PartialEq, Eq)]
struct Fingerprint {
    network: Option<Network>,
    /// The hash, which is shorter.
    user_agent: Option<u64>,
}

#[derive(PartialEq, Eq)]
enum Network {
    V4(Ipv4Addr),
    /// The first half of the address: devices change the rest at will.
    V6(u64),
}

impl Deliveries {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, hasher: RandomState::default(), recent: Mutex::default() }
    }

    /// Records that `client` is sent the successor of the token of `generation`. Returns how it differs from the first client
    /// that was sent it within the grace period, once. `now` is of a monotonic clock.
    pub(crate) fn record(
        &self,
        session: SessionHandle,
        generation: u32,
        client: &ClientInfo,
        now: Duration,
    ) -> Option<ClientDifference> {
        let client = self.fingerprint(client);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(recent.since) > self.grace {
            recent.previous = mem::take(&mut recent.current);
            recent.since = now;
        }
        if let Some(first) = recent.find(session)
            && first.generation == generation
            && now.saturating_sub(first.at) <= self.grace
        {
            let difference = first.client.difference(&client).filter(|_| !first.reported);
            first.reported |= difference.is_some();
            return difference;
        }
        if recent.current.len() < MOST {
            recent.current.insert(session, Delivery { generation, at: now, client, reported: false });
        }
        None
    }

    fn fingerprint(&self, client: &ClientInfo) -> Fingerprint {
        let network = client.ip.map(|ip| match ip.to_canonical() {
            IpAddr::V4(ip) => Network::V4(ip),
            IpAddr::V6(ip) => Network::V6((ip.to_bits() >> 64) as u64),
        });
        let user_agent = client.user_agent.as_ref().map(|value| self.hasher.hash_one(value.as_bytes()));
        Fingerprint { network, user_agent }
    }
}

impl Recent {
    fn find(&mut self, session: SessionHandle) -> Option<&mut Delivery> {
        self.current.get_mut(&session).or_else(|| self.previous.get_mut(&session))
    }
}

impl Fingerprint {
    /// An unknown address differs from none.
    fn difference(&self, other: &Self) -> Option<ClientDifference> {
        let networks = self.network.as_ref().zip(other.network.as_ref());
        match (networks.is_some_and(|(one, other)| one != other), self.user_agent != other.user_agent) {
            (true, true) => Some(ClientDifference::Both),
            (true, false) => Some(ClientDifference::Ip),
            (false, true) => Some(ClientDifference::UserAgent),
            (false, false) => None,
        }
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Deliveries, MOST};
    use crate::event::{ClientDifference, ClientInfo};
    use std::time::Duration;
    use tower_refresh_core::SessionHandle;

    #[test]
    fn as_many_deliveries_as_the_bound_are_compared_and_none_after_two_grace_periods() {
        let deliveries = Deliveries::new(Duration::from_secs(30));
        let session = |number: usize| SessionHandle::from_bytes((number as u128).to_be_bytes());
        let ip = |ip: &str| ClientInfo { ip: Some(ip.parse().unwrap()), ..ClientInfo::default() };
        let (here, there) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let start = Duration::from_secs(1_000_000);
        let record = |number, client, now| deliveries.record(session(number), 0, client, now);
        for number in 0..=MOST {
            assert_eq!(record(number, &here, start), None);
        }
        assert_eq!(record(MOST - 1, &there, start), Some(ClientDifference::Ip));
        assert_eq!(record(MOST, &there, start), None, "there was no room");

        let later = start + Duration::from_secs(31);
        assert_eq!(record(0, &there, later), None, "the grace period is over");
        assert_eq!(record(MOST, &here, later), None);
        assert_eq!(record(MOST, &there, later), Some(ClientDifference::Ip), "there is room again");
        record(1, &here, later + Duration::from_secs(31));
        let recent = deliveries.recent.lock().unwrap();
        assert_eq!((recent.current.len(), recent.previous.len()), (1, 2), "the first ones are forgotten");
    }
}
