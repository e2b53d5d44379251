//! Browsers that send requests to two servers before, during and after a fault, and record the responses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use super::{Answer, Browser, Service, is_long, until};

const HOLDERS: usize = 4;
const REFRESHERS: usize = 6;
const LEAVERS: usize = 2;
/// The time between two logins of honest browsers, so that their rotations are spread too.
const LOGIN_EVERY: Duration = Duration::from_millis(250);
/// The time between two attempts of one browser to log out.
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
    /// With one that is near its expiry, so that it is renewed.
    NearExpiry,
    /// With only a refresh token.
    Refresh,
    Login,
    Logout,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    /// `None`: the server was not running.
    pub(crate) status: Option<u16>,
    pub(crate) has_retry_after: bool,
    pub(crate) removed: bool,
}

/// A browser and its results.
struct Person {
    browser: Browser,
    samples: Vec<Sample>,
    /// Browsers from before an acknowledged logout.
    ended: Vec<Ended>,
}

pub(crate) struct Ended {
    browser: Browser,
    pub(crate) at: Instant,
}

/// The results of a crowd.
pub(crate) struct Witnesses {
    honest: Vec<Browser>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) ended: Vec<Ended>,
}

impl Crowd {
    /// Logs all browsers in and starts their requests.
    pub(crate) fn start(service: &Service) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let honest = (0..HOLDERS + REFRESHERS).map(|number| {
            let mut person = Person::new(service.browser());
            sleep(LOGIN_EVERY);
            // The servers would remove the cookies of a dead session on navigations only.
            person.browser.navigates = number % 2 == 0;
            assert_eq!(person.browser.log_in(number % 2, "alice").unwrap().status, 200);
            let keeps_access = number < HOLDERS;
            person.spawn(&stop, move |person, round| person.request(keeps_access, round + number))
        });
        let mut people: Vec<_> = honest.collect();
        for number in 0..LEAVERS {
            let person = Person::new(service.browser());
            people.push(person.spawn(&stop, move |person, round| person.log_in_and_out(round + number)));
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
        let pause = Duration::from_millis(if is_long() { 30 } else { 100 });
        thread::spawn(move || {
            for round in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                act(&mut self, round);
                sleep(pause);
            }
            self
        })
    }

    fn request(&mut self, keeps_access: bool, round: usize) {
        if !keeps_access {
            self.browser.forget_access();
        }
        let kind = if keeps_access { Kind::Valid } else { Kind::Refresh };
        self.at_either(kind, round, |browser, server| browser.get(server, "/me"));
    }

    /// Logs in as another user, and logs out again, with as many attempts as needed.
    fn log_in_and_out(&mut self, round: usize) {
        self.browser.forget_all();
        let login = self.at_either(Kind::Login, round, |browser, server| browser.log_in(server, "bob"));
        if login != Some(200) {
            return;
        }
        let before = self.browser.clone();
        for attempt in 0..20 {
            let logout = self.at_either(Kind::Logout, round + attempt, |browser, server| {
                browser.post(server, "/auth/logout")
            });
            if logout == Some(204) {
                self.ended.push(Ended { browser: before, at: Instant::now() });
                return;
            }
            sleep(PAUSE);
        }
    }

    /// Sends a request to one server, or to the other if that is not running, like a load balancer.
    fn at_either(
        &mut self,
        kind: Kind,
        round: usize,
        send: impl Fn(&mut Browser, usize) -> Result<Answer, ureq::Error>,
    ) -> Option<u16> {
        for server in [round % 2, (round + 1) % 2] {
            // The second server renews on each request: see its arguments.
            let kind = if kind == Kind::Valid && server == 1 { Kind::NearExpiry } else { kind };
            let started = Instant::now();
            let answer = send(&mut self.browser, server).ok();
            let at = Instant::now();
            let status = answer.as_ref().map(|answer| answer.status);
            self.samples.push(Sample {
                kind,
                at,
                took: answer.as_ref().map_or(at - started, |answer| answer.took),
                status,
                has_retry_after: answer.as_ref().is_some_and(|answer| answer.header("retry-after").is_some()),
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
    /// Every honest browser is still logged in with its refresh token, and its session is in the list.
    pub(crate) fn assert_no_session_was_lost(&self, service: &Service) {
        for server in 0..service.count() {
            for browser in &self.honest {
                let mut browser = browser.without_access();
                let answer = browser.get(server, "/me").unwrap();
                assert_eq!(answer.status, 200, "an honest session was lost: {}", answer.body);
                assert!(answer.generation() > 0, "the session was rotated meanwhile");
                let listed = browser.get(server, "/auth/sessions").unwrap().body;
                let is_listed = |session: &serde_json::Value| session["handle"] == answer.sid();
                assert!(listed.as_array().unwrap().iter().any(is_listed), "{listed}");
            }
        }
    }

    /// All servers reject both tokens of these ended sessions.
    pub(crate) fn assert_ended<'a>(&'a self, service: &Service, ended: impl Iterator<Item = &'a Ended>) {
        let ended: Vec<_> = ended.collect();
        assert!(ended.len() > 4, "some browsers have logged out");
        for server in 0..service.count() {
            for Ended { browser, .. } in &ended {
                let answer = browser.without_access().get(server, "/me").unwrap();
                assert_eq!(answer.status, 401, "an ended session is alive: {}", answer.body);
                let mut bearer = browser.as_bearer();
                until("the session end is reported to the server", RECOVERED_WITHIN, || {
                    bearer.get(server, "/me").unwrap().status == 401
                });
            }
        }
    }

    /// How many of these sessions are valid again.
    pub(crate) fn count_revived<'a>(&self, ended: impl Iterator<Item = &'a Ended>) -> usize {
        ended.filter(|ended| ended.browser.without_access().get(0, "/me").unwrap().status == 200).count()
    }
}
