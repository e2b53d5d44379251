//! The application's user table: the claims source of the tests.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use futures_util::future::OptionFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tower_refresh::{Identity, Subject};

use super::store::Fault;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub name: String,
}

#[derive(Clone)]
pub struct Users(Arc<Mutex<Table>>);

struct Table {
    /// Subject to name and scope.
    known: BTreeMap<String, (String, String)>,
    loads: usize,
    fault: Option<Fault>,
    /// Every second load returns claims that fit into no access token, instead of the fault.
    is_fault_mixed: bool,
    pauses: bool,
    gate: Option<Arc<Semaphore>>,
}

impl Users {
    /// alice (scope `user`), bob (scope `user`) and admin (scope `user admin`).
    pub fn new() -> Self {
        let known = [("alice", "Alice", "user"), ("bob", "Bob", "user"), ("admin", "Admin", "user admin")];
        let known = known.map(|(id, name, scope)| (id.to_owned(), (name.to_owned(), scope.to_owned())));
        Self(Arc::new(Mutex::new(Table {
            known: known.into(),
            loads: 0,
            fault: None,
            is_fault_mixed: false,
            pauses: false,
            gate: None,
        })))
    }

    pub fn set(&self, subject: &str, name: &str, scope: &str) {
        self.0.lock().unwrap().known.insert(subject.to_owned(), (name.to_owned(), scope.to_owned()));
    }

    pub fn remove(&self, subject: &str) {
        self.0.lock().unwrap().known.remove(subject);
    }

    /// From now on each load fails with this fault, or works again.
    pub fn break_loads(&self, fault: Option<Fault>) {
        let mut table = self.0.lock().unwrap();
        (table.fault, table.is_fault_mixed) = (fault, false);
    }

    /// From now on, in turn, a load fails, and a load returns claims that fit into no access token.
    pub fn break_loads_and_claims(&self) {
        let mut table = self.0.lock().unwrap();
        (table.fault, table.is_fault_mixed) = (Some(Fault::Fails), true);
    }

    /// From now on each load is pending once.
    pub fn pause_in_loads(&self) {
        self.0.lock().unwrap().pauses = true;
    }

    /// From now on each load reads the table, and waits before it answers until it is [let through](Self::let_one_through).
    pub fn hold_answers(&self) {
        self.0.lock().unwrap().gate = Some(Arc::new(Semaphore::new(0)));
    }

    /// Lets one load answer that waits.
    pub fn let_one_through(&self) {
        self.0.lock().unwrap().gate.as_ref().unwrap().add_permits(1);
    }

    /// Loads answer at once again, and so do those that wait.
    pub fn let_through(&self) {
        self.0.lock().unwrap().gate.take().unwrap().close();
    }

    /// The number of loads so far.
    pub fn loads(&self) -> usize {
        self.0.lock().unwrap().loads
    }

    pub async fn load(self, subject: Subject) -> io::Result<Option<Identity<Claims>>> {
        let (fault, found, pauses, gate) = {
            let mut table = self.0.lock().unwrap();
            table.loads += 1;
            let is_too_long = table.is_fault_mixed && table.loads.is_multiple_of(2);
            let fault = table.fault.filter(|_| !is_too_long);
            let mut found = table.known.get(subject.as_str()).cloned();
            if let Some((name, _)) = found.as_mut().filter(|_| is_too_long) {
                *name = "n".repeat(9000);
            }
            (fault, found, table.pauses, table.gate.clone())
        };
        if let Some(Ok(permit)) = OptionFuture::from(gate.as_ref().map(|gate| gate.acquire())).await {
            permit.forget();
        }
        if pauses {
            tokio::task::yield_now().await;
        }
        match fault {
            Some(Fault::Panics) => panic!("the claims source panics on demand"),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Fails | Fault::FailsAfterwards) => Err(io::Error::other("it fails on demand")),
            None => Ok(found.map(|(name, scope)| Identity::new(Claims { name }).scope(scope))),
        }
    }
}
