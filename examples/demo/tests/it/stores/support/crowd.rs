//! Browsers that use two servers at once, from before a fault until after it, and note what they were answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use super::{Answer, Browser, Service, until};

const HOLDERS: usize = 4;
const REFRESHERS: usize = 6;
const LEAVERS: usize = 2;
/// Between two logins of honest browsers, so that their rotations are spread as well.
const LOGIN_EVERY: Duration = Duration::from_millis(250);
/// Between two requests of one browser.
const PAUSE: Duration = Duration::from_millis(30);
const RECOVERED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    people: Vec<JoinHandle<Person>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With a valid access token.
    Valid,
    /// With one that is near its end, so that it is renewed.
    NearEnd,
    /// With a refresh token alone.
    Refresh,
    Login,
    Logout,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    /// None from a server that was not there.
    pub(crate) status: Option<u16>,
    pub(crate) says_when_to_retry: bool,
    pub(crate) removed: bool,
}

/// One browser, and what it has seen.
struct Person {
    browser: Browser,
    samples: Vec<Sample>,
    /// Sessions whose end was acknowledged, as they were before.
    ended: Vec<Ended>,
}

pub(crate) struct Ended {
    browser: Browser,
    pub(crate) at: Instant,
}

/// What is left of a crowd.
pub(crate) struct Witnesses {
    honest: Vec<Browser>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) ended: Vec<Ended>,
}

impl Crowd {
    /// Logs everybody in and lets them go.
    pub(crate) fn start(service: &Service) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let honest = (0..HOLDERS + REFRESHERS).map(|number| {
            let mut person = Person::new(service.browser());
            sleep(LOGIN_EVERY);
            // On these requests servers would remove the cookies of a dead session.
            person.browser.navigates = number % 2 == 0;
            assert_eq!(person.browser.log_in(number % 2, "alice").unwrap().status, 200);
            let holds = number < HOLDERS;
            person.spawn(&stop, move |person, round| person.ask(holds, round + number))
        });
        let mut people: Vec<_> = honest.collect();
        for number in 0..LEAVERS {
            let person = Person::new(service.browser());
            people.push(person.spawn(&stop, move |person, round| person.come_and_go(round + number)));
        }
        Self { stop, people }
    }

    pub(crate) fn stop(self) -> Witnesses {
        self.stop.store(true, Ordering::SeqCst);
        let people: Vec<_> = self.people.into_iter().map(|person| person.join().unwrap()).collect();
        let honest = people[..HOLDERS + REFRESHERS].iter().map(|person| person.browser.clone()).collect();
        let (samples, ended) = people.into_iter().map(|person| (person.samples, person.ended)).unzip();
        let (samples, ended): (Vec<_>, Vec<_>) = (samples, ended);
        Witnesses {
            honest,
            samples: samples.into_iter().flatten().collect(),
            ended: ended.into_iter().flatten().collect(),
        }
    }
}

impl Person {
    fn new(browser: Browser) -> Self {
        Self { browser, samples: Vec::new(), ended: Vec::new() }
    }

    fn spawn(
        mut self,
        stop: &Arc<AtomicBool>,
        mut act: impl FnMut(&mut Self, usize) + Send + 'static,
    ) -> JoinHandle<Self> {
        let stop = Arc::clone(stop);
        thread::spawn(move || {
            for round in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                act(&mut self, round);
                sleep(PAUSE);
            }
            self
        })
    }

    fn ask(&mut self, holds: bool, round: usize) {
        if !holds {
            self.browser.forget_access();
        }
        let kind = if holds { Kind::Valid } else { Kind::Refresh };
        self.at_either(kind, round, |browser, server| browser.get(server, "/me"));
    }

    /// Logs in as somebody else, and out again, as often as that takes.
    fn come_and_go(&mut self, round: usize) {
        self.browser.forget_all();
        let came = self.at_either(Kind::Login, round, |browser, server| browser.log_in(server, "bob"));
        if came != Some(200) {
            return;
        }
        let before = self.browser.clone();
        for attempt in 0..20 {
            let left = self.at_either(Kind::Logout, round + attempt, |browser, server| {
                browser.post(server, "/auth/logout")
            });
            if left == Some(204) {
                self.ended.push(Ended { browser: before, at: Instant::now() });
                return;
            }
            sleep(PAUSE);
        }
    }

    /// Asks one server, and the other if that is not there, as a load balancer does.
    fn at_either(
        &mut self,
        kind: Kind,
        round: usize,
        ask: impl Fn(&mut Browser, usize) -> Result<Answer, ureq::Error>,
    ) -> Option<u16> {
        for server in [round % 2, (round + 1) % 2] {
            // See the servers' arguments: the second one renews.
            let kind = if kind == Kind::Valid && server == 1 { Kind::NearEnd } else { kind };
            let started = Instant::now();
            let answer = ask(&mut self.browser, server).ok();
            let at = Instant::now();
            let status = answer.as_ref().map(|answer| answer.status);
            self.samples.push(Sample {
                kind,
                at,
                took: answer.as_ref().map_or(at - started, |answer| answer.took),
                status,
                says_when_to_retry: answer
                    .as_ref()
                    .is_some_and(|answer| answer.header("retry-after").is_some()),
                removed: answer.is_some_and(|answer| answer.removed),
            });
            if status.is_some() {
                return status;
            }
        }
        None
    }
}

impl Witnesses {
    /// Every honest browser is logged in by its refresh token, and its session is in the list.
    pub(crate) fn assert_nobody_was_lost(&self, service: &Service) {
        for server in 0..service.count() {
            for browser in &self.honest {
                let mut browser = browser.without_access();
                let answer = browser.get(server, "/me").unwrap();
                assert_eq!(answer.status, 200, "an honest session was lost: {}", answer.body);
                assert!(answer.generation() > 0, "it was rotated meanwhile");
                let listed = browser.get(server, "/auth/sessions").unwrap().body;
                let is_listed = |session: &serde_json::Value| session["handle"] == answer.sid();
                assert!(listed.as_array().unwrap().iter().any(is_listed), "{listed}");
            }
        }
    }

    /// Neither token of these ended sessions is taken by any server.
    pub(crate) fn assert_they_are_over<'a>(
        &'a self,
        service: &Service,
        ended: impl Iterator<Item = &'a Ended>,
    ) {
        let ended: Vec<_> = ended.collect();
        assert!(ended.len() > 4, "some have left");
        for server in 0..service.count() {
            for Ended { browser, .. } in &ended {
                let answer = browser.without_access().get(server, "/me").unwrap();
                assert_eq!(answer.status, 401, "an ended session is alive: {}", answer.body);
                let mut bearer = browser.as_bearer();
                until("the server knows of the end", RECOVERED_WITHIN, || {
                    bearer.get(server, "/me").unwrap().status == 401
                });
            }
        }
    }

    /// How many of these sessions live again.
    pub(crate) fn count_revived<'a>(&self, ended: impl Iterator<Item = &'a Ended>) -> usize {
        ended.filter(|ended| ended.browser.without_access().get(0, "/me").unwrap().status == 200).count()
    }
}
