//! One request: its credentials, its expected user, and the checks of its response.

use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{Clock, SessionHandle};

use super::{
    ledger::{Kind, Ledger, Token, Validity},
    steps::{Client, Jar, Key, Path, Sent, Site},
};
use crate::support::{
    Browser, World,
    browser::{ACCESS, REFRESH},
    request,
};

/// What is known of a request before it is sent.
pub struct Facts {
    pub path: Path,
    pub jar: Option<Jar>,
    /// A page of another site sends it, so its cookies do not count.
    pub is_rejected: bool,
    pub has_cookies: bool,
    pub is_navigation: bool,
    /// Another site started the navigation: unless the handler changes the session, nothing is sent.
    pub is_elsewhere: bool,
    pub presented: Presented,
    pub who: Who,
    /// No fault is active, and no other request is under way.
    pub is_alone: bool,
    /// The sessions that a logout, another login or a reauthentication ends, if the token's key is still accepted then.
    pub named: Vec<(SessionHandle, Key)>,
    /// An explicit refresh must succeed.
    pub can_refresh: bool,
    /// The application objects to refreshes by this client.
    pub is_refused: bool,
    /// The access token is valid, or may be.
    has_access: bool,
}

/// Real tokens, valid or not, that count for the request.
#[derive(Default)]
pub struct Presented {
    pub access: Option<Token>,
    pub refresh: Option<Token>,
}

/// The expected user of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Surely(String),
    /// This user or none: it depends on concurrent requests and on faults.
    Perhaps(String),
    Anonymous,
    /// No user, and the store is not called.
    Stranger,
}

pub type InFlight = Pin<Box<dyn Future<Output = Response<Bytes>>>>;

/// The texts that a client sends.
struct Texts {
    access: Option<String>,
    refresh: Option<String>,
    in_header: bool,
}

impl Facts {
    /// The request of `sent`, and its expected result. `is_alone`: no fault is active, and no other request is under way.
    pub async fn new(
        world: &World,
        ledger: &Ledger,
        keys: &[Key],
        jars: &[Browser; 3],
        sent: Sent,
        is_alone: bool,
    ) -> (Self, Request<()>) {
        let texts = texts(ledger, jars, sent.client);
        let is_rejected = sent.site == Site::Cross;
        let mut cookies = Vec::new();
        let mut headers = sent.site.headers().to_vec();
        let bearer = texts.access.as_ref().filter(|_| texts.in_header).map(|text| format!("Bearer {text}"));
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer));
        }
        if let Some(text) = texts.access.as_ref().filter(|_| !texts.in_header) {
            cookies.push(format!("{ACCESS}={text}"));
        }
        if let Some(text) = &texts.refresh {
            cookies.push(format!("{REFRESH}={text}"));
        }
        let cookies = cookies.join("; ");
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let counts = |is_cookie: bool| !(is_cookie && is_rejected);
        let real = |text: &Option<String>, is_cookie: bool| {
            text.as_ref().filter(|_| counts(is_cookie)).and_then(|text| ledger.find(text)).cloned()
        };
        let presented =
            Presented { access: real(&texts.access, !texts.in_header), refresh: real(&texts.refresh, true) };
        // A late refresh token is not accepted from elsewhere.
        let is_certain = is_alone && !sent.site.is_elsewhere();
        let who = who(world, ledger, keys, &presented, bearer.is_some(), is_certain).await;
        let is_of_one = match (&presented.access, &presented.refresh) {
            (Some(access), Some(refresh)) => access.session == refresh.session,
            (None, Some(_)) => bearer.is_none(),
            (_, None) => false,
        };
        let can_refresh = is_of_one
            && !sent.site.is_elsewhere()
            && matches!(who, Who::Surely(_))
            && match &presented.refresh {
                Some(refresh) => {
                    let is_valid = ledger.validity(world, keys, refresh).await == Validity::Valid;
                    is_valid && ledger.gets_tokens(world, refresh).await
                }
                None => false,
            };
        let has_access = match &presented.access {
            Some(access) => ledger.validity(world, keys, access).await != Validity::Invalid,
            None => false,
        };
        let mut named = Vec::new();
        for token in [&presented.access, &presented.refresh].into_iter().flatten() {
            // An invalid access cookie counts as absent.
            let is_cookie = bearer.is_none() && matches!(token.kind, Kind::Access { .. });
            if !is_cookie || ledger.validity(world, keys, token).await == Validity::Valid {
                named.push((token.session, token.key));
            }
        }
        let facts = Self {
            path: sent.path,
            jar: match sent.client {
                Client::Browser(jar) | Client::WithoutAccess(jar) | Client::Script(jar) => Some(jar),
                Client::Copy { .. } | Client::Forger { .. } => None,
            },
            is_rejected,
            has_cookies: !cookies.is_empty(),
            is_navigation: sent.site.is_navigation(),
            is_elsewhere: sent.site.is_elsewhere(),
            presented,
            who,
            is_alone,
            named,
            can_refresh,
            is_refused: false,
            has_access,
        };
        (facts, request(sent.path.text(), &headers))
    }

    /// The application objects to a refresh, so that only a valid access token authenticates.
    pub fn refuse(&mut self) {
        self.is_refused = true;
        self.can_refresh = false;
        if !self.has_access && self.who != Who::Stranger {
            self.who = Who::Anonymous;
        }
    }

    /// The sessions whose tokens the request presents.
    pub fn sessions(&self) -> impl Iterator<Item = SessionHandle> {
        [&self.presented.access, &self.presented.refresh].into_iter().flatten().map(|token| token.session)
    }

    /// Whether the request has no real token, and asks for none.
    pub fn is_strangers(&self) -> bool {
        self.sessions().next().is_none() && self.path.login().is_none()
    }

    /// Checks the user of the request.
    pub fn check(&self, response: &Response<Bytes>) {
        let status = response.status();
        let must_work = match self.path {
            Path::Me | Path::Optional | Path::Public => return self.check_user(response),
            Path::Login(_) | Path::LoginBriefly(_) | Path::Logout => true,
            Path::Refresh => self.can_refresh,
            Path::LogoutEverywhere | Path::LogoutOthers | Path::Reauthenticate => {
                matches!(self.who, Who::Surely(_))
            }
            // What it takes depends on the refresh token beside the access token.
            Path::Error | Path::Switch | Path::SetData => return,
        };
        if self.is_rejected {
            assert!(!status.is_success(), "{response:?}");
        } else if self.is_alone && must_work {
            assert_eq!(status, StatusCode::OK, "{:?} {response:?}", self.path);
        }
    }

    fn check_user(&self, response: &Response<Bytes>) {
        let status = response.status();
        let needs_user = self.path == Path::Me;
        let body = (status == StatusCode::OK).then(|| std::str::from_utf8(response.body()).unwrap());
        let found = body.filter(|body| *body != "-");
        let context = || format!("{:?} {:?} {response:?}", self.path, self.who);
        match &self.who {
            Who::Surely(subject) => assert_eq!(found, Some(subject.as_str()), "{}", context()),
            Who::Perhaps(subject) => assert!(found.is_none_or(|found| found == subject), "{}", context()),
            Who::Anonymous | Who::Stranger => assert_eq!(found, None, "{}", context()),
        }
        if self.who == Who::Stranger {
            let cross_site = self.is_rejected && self.has_cookies;
            match self.path {
                Path::Public => assert_eq!(status, StatusCode::OK, "{}", context()),
                _ if cross_site => assert!([401, 403].contains(&status.as_u16()), "{}", context()),
                _ => assert!(status == 401 || status == 200 && !needs_user, "{}", context()),
            }
        }
    }
}

async fn who(
    world: &World,
    ledger: &Ledger,
    keys: &[Key],
    presented: &Presented,
    has_bearer: bool,
    alone: bool,
) -> Who {
    if let Some(access) = &presented.access {
        let subject = access.subject.to_string();
        match ledger.validity(world, keys, access).await {
            Validity::Valid => return Who::Surely(subject),
            Validity::Perhaps => return Who::Perhaps(subject),
            Validity::Invalid | Validity::Spent => {}
        }
    }
    // A token with an invalid MAC is not looked up, nor is one that has expired.
    let vouched = presented.refresh.as_ref().filter(|token| keys.contains(&token.key));
    let Some(refresh) = vouched else { return Who::Stranger };
    if has_bearer {
        let row = world.store.row(refresh.session).await;
        let least_epoch = row.map_or(0, |row| row.claims_epoch);
        let is_its_own = presented.access.as_ref().is_some_and(|access| {
            let Kind::Access { expires_at, epoch } = access.kind else { return false };
            let is_expired = world.clock.now() >= expires_at || epoch < least_epoch;
            access.session == refresh.session && keys.contains(&access.key) && is_expired
        });
        if !is_its_own {
            return Who::Stranger;
        }
    }
    let subject = refresh.subject.to_string();
    match ledger.validity(world, keys, refresh).await {
        Validity::Valid if alone => Who::Surely(subject),
        Validity::Spent if alone => Who::Anonymous,
        Validity::Valid | Validity::Perhaps | Validity::Spent => Who::Perhaps(subject),
        Validity::Invalid => Who::Anonymous,
    }
}

fn texts(ledger: &Ledger, jars: &[Browser; 3], client: Client) -> Texts {
    let of = |jar: Jar| &jars[jar as usize];
    let (access, refresh) = match client {
        Client::Browser(jar) | Client::Script(jar) => (of(jar).access(), of(jar).refresh()),
        Client::WithoutAccess(jar) => (None, of(jar).refresh()),
        Client::Copy { access, refresh, .. } | Client::Forger { access, refresh, .. } => {
            let text = |choice: Option<u8>, is_access| {
                choice.and_then(|choice| ledger.any(choice, is_access)).map(|token| token.text.as_str())
            };
            (text(access, true), text(refresh, false))
        }
    };
    let (access, refresh) = (access.map(str::to_owned), refresh.map(str::to_owned));
    match client {
        Client::Browser(_) | Client::WithoutAccess(_) => Texts { access, refresh, in_header: false },
        Client::Script(_) => Texts { access, refresh, in_header: true },
        Client::Copy { in_header, .. } => Texts { access, refresh, in_header },
        Client::Forger { in_header, place, .. } => {
            let forged = |text: String| forged(&text, place);
            Texts { access: access.map(forged), refresh: refresh.map(forged), in_header }
        }
    }
}

fn forged(text: &str, place: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let place = usize::from(place) * bytes.len() / 256;
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}
