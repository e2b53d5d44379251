//! What a list reads.

use std::error::Error;

use postgres_testing::server::Server;

use crate::NOW;

const SUBJECTS: u64 = 200;

/// Prints the plan of a list, and how many pages it reads at the first and at the second time.
pub(crate) async fn print_pages(
    server: &Server,
    database: &str,
    sessions: u64,
) -> Result<(), Box<dyn Error>> {
    let client = server.client(database).await;
    let hash = |n: u64| format!("pg_catalog.hashtextextended('live-{n}', 0)");
    let mut plan = String::new();
    let mut pages = Vec::new();
    for _ in 0..2 {
        let (mut hit, mut read) = (0, 0);
        for n in (0..SUBJECTS).map(|number| number * (sessions / 2) / SUBJECTS) {
            let statement = format!(
                "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM tower_refresh.sessions \
                 WHERE pg_catalog.hashtextextended(subject, 0) = {} AND subject = 'live-{n}' AND ended_at IS NULL \
                 AND idle_expiry > {now} AND absolute_expiry > {now} ORDER BY created_at DESC, handle DESC LIMIT 50",
                hash(n),
                now = NOW.as_millis()
            );
            let lines = client.query(&statement, &[]).await?;
            let lines = lines.iter().map(|line| line.try_get(0)).collect::<Result<Vec<String>, _>>()?;
            // The first line of buffers is of the whole plan.
            let buffers = lines.iter().find(|line| line.contains("Buffers: shared"));
            let number = |name: &str| {
                let words = buffers?.split_whitespace().find_map(|word| word.strip_prefix(name))?;
                words.parse::<u64>().ok()
            };
            hit += number("hit=").unwrap_or(0);
            read += number("read=").unwrap_or(0);
            plan = lines
                .iter()
                .map(|line| line.split("  (").next().unwrap_or(line))
                .collect::<Vec<_>>()
                .join("\n");
        }
        pages.push((hit, read));
    }
    println!("{database}: {SUBJECTS} lists, pages found in shared buffers and read: {pages:?}\n{plan}");
    Ok(())
}
