//! Tables of figures, and their baselines.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::PathBuf};

use crate::scenarios::{self, Scenario};

/// The task from the command line.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "no crate depends on a benchmark")]
pub enum Task {
    /// Measure these scenarios, and print the figures.
    Print(Vec<Scenario>),
    /// Measure the scenarios with a baseline, and compare.
    Check,
    /// Measure the scenarios with a baseline, and update it.
    Rewrite,
}

impl Task {
    /// `--check`, `--rewrite`, or prefixes of names. Without arguments: all scenarios except the slow ones.
    pub fn from_arguments(arguments: &[String]) -> Self {
        match arguments {
            [only] if only == "--check" => Self::Check,
            [only] if only == "--rewrite" => Self::Rewrite,
            names => {
                let wanted = |scenario: &Scenario| match scenario.is_slow {
                    true => names.iter().any(|name| scenario.name == name),
                    false => names.is_empty() || names.iter().any(|name| scenario.name.starts_with(name)),
                };
                Self::Print(scenarios::all().into_iter().filter(wanted).collect())
            }
        }
    }

    /// The scenarios to measure.
    pub fn scenarios(&self) -> Vec<Scenario> {
        match self {
            Self::Print(scenarios) => scenarios.clone(),
            Self::Check | Self::Rewrite => {
                scenarios::all().into_iter().filter(|scenario| scenario.has_baseline).collect()
            }
        }
    }
}

/// A baseline: a text file with a name and a figure on each line.
#[derive(Debug)]
pub struct Baseline {
    path: PathBuf,
    unit: &'static str,
    growth_percent: u64,
}

impl Baseline {
    /// The baseline for `unit`, in the file with that name.
    pub fn new(unit: &'static str, growth_percent: u64) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline");
        Self { path: folder.join(format!("{unit}.txt")), unit, growth_percent }
    }

    /// Prints, checks or rewrites the figures, according to `task`. Returns whether the check passed.
    ///
    /// # Errors
    /// If the baseline cannot be read or written.
    pub fn finish(&self, task: &Task, figures: &[(&str, u64)]) -> io::Result<bool> {
        match task {
            Task::Print(_) => {
                print_table(self.unit, figures);
                Ok(true)
            }
            Task::Check => self.check(figures),
            Task::Rewrite => self.rewrite(figures).map(|()| true),
        }
    }

    fn check(&self, figures: &[(&str, u64)]) -> io::Result<bool> {
        let text = fs::read_to_string(&self.path)?;
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let known: BTreeMap<&str, u64> =
            lines.filter_map(|(name, figure)| Some((name, figure.trim().parse().ok()?))).collect();
        let mut passed = true;
        for (name, figure) in figures {
            let Some(before) = known.get(name).copied() else {
                println!("{name}: {figure} {}, and no baseline", self.unit);
                passed = false;
                continue;
            };
            let grown = figure * 100 > before * (100 + self.growth_percent);
            passed &= !grown;
            let verdict = if grown { "more than allowed" } else { "ok" };
            println!("{name:<20} {figure:>8} {}, baseline {before}: {verdict}", self.unit);
        }
        Ok(passed)
    }

    fn rewrite(&self, figures: &[(&str, u64)]) -> io::Result<()> {
        let mut text = format!("# {} a request, written by scripts/bench-check --rewrite\n", self.unit);
        for (name, figure) in figures {
            _ = writeln!(text, "{name:<20} {figure}");
        }
        print!("{text}");
        fs::write(&self.path, text)
    }
}

fn print_table(unit: &str, figures: &[(&str, u64)]) {
    let figure_of = |wanted| figures.iter().find(|(name, _)| *name == wanted).map(|(_, figure)| *figure);
    let (bare, from_browser) = (figure_of("bare"), figure_of("bare.browser"));
    println!("| scenario | {unit} | more than bare |\n|---|---|---|");
    for (name, figure) in figures {
        // These scenarios are no requests, so a comparison with the bare router has no meaning.
        let is_request = !["raw.decode", "raw.verify", "raw.sign", "raw.refresh"]
            .iter()
            .any(|part| name.starts_with(part));
        // What a browser sends costs the bare router more.
        let bare = if name.contains("browser") { from_browser } else { bare };
        let more = bare.filter(|_| is_request).map_or(String::new(), |bare| {
            let more = i128::from(*figure) - i128::from(bare);
            format!("{more:+}")
        });
        println!("| {name} | {figure} | {more} |");
    }
}
