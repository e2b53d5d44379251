//! How many cookies of one name are looked at: each costs a MAC or a signature check.

use super::request_with;
use crate::support::{Browser, World};

const MOST_SENT: usize = 20;

/// The `Cookie` headers with `count` cookies of `name`, of which the one at `valid` has this value.
fn headers(name: &str, value: &str, count: usize, valid: usize, in_one_header: bool) -> Vec<Vec<u8>> {
    let value_at = |at: usize| if at == valid { value.to_owned() } else { format!("forged{at}") };
    let pairs: Vec<_> = (0..count).map(|at| format!("{name}={}", value_at(at))).collect();
    if in_one_header { vec![pairs.join("; ").into()] } else { pairs.into_iter().map(String::into).collect() }
}

/// A browser keeps one cookie of a name with `__Host-`, and several of other names, with different paths and domains.
#[tokio::test]
async fn of_a_host_name_two_cookies_are_looked_at_and_of_other_names_eight() {
    for (world, most) in [
        (World::new(), 2),
        (World::with(|builder| builder.cookie_names("a", "r")), 2),
        (World::with(|builder| builder.cookie_domain("example.com")), 8),
        (World::with(|builder| builder.insecure_http_cookies()), 8),
    ] {
        let browser = Browser::logged_in(&world, "alice").await;
        assert_eq!(browser.cookies.len(), 2);
        for (name, value) in &browser.cookies {
            for in_one_header in [true, false] {
                for count in 1..=MOST_SENT {
                    for valid in 0..count {
                        let headers = headers(name, value, count, valid, in_one_header);
                        let response = world.send(request_with("/optional", &headers)).await;
                        let who = if valid < most { "alice" } else { "-" };
                        assert_eq!(response.body(), who, "{name}: the {valid}th of {count}, {in_one_header}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn cookies_of_other_names_do_not_count_towards_the_limit() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    for (name, value) in &browser.cookies {
        let others = (0..MOST_SENT).map(|at| format!("other{at}=x; {name}{at}=x; refresh=x; access=x; "));
        let header = format!("{}{name}={value}", others.collect::<String>());
        assert_eq!(world.send(request_with("/optional", &[header.into()])).await.body(), "alice", "{name}");
    }
}
