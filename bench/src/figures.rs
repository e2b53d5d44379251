//! Tables of figures, and baselines that they must not exceed.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::PathBuf};

use crate::scenarios::{self, Scenario};

/// What to do, from the arguments of the command line.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "nobody depends on a benchmark")]
pub enum Task {
    /// Measure these, and print.
    Print(Vec<Scenario>),
    /// Measure what has a baseline, and compare.
    Check,
    /// Measure what has a baseline, and write it down.
    Rewrite,
}

impl Task {
    /// `--check`, `--rewrite`, or the beginnings of names; nothing is everything but what is slow.
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

    /// What is to be measured.
    pub fn scenarios(&self) -> Vec<Scenario> {
        match self {
            Self::Print(scenarios) => scenarios.clone(),
            Self::Check | Self::Rewrite => {
                scenarios::all().into_iter().filter(|scenario| scenario.has_baseline).collect()
            }
        }
    }
}

/// A baseline: a text file with a name and a figure in each line.
#[derive(Debug)]
pub struct Baseline {
    path: PathBuf,
    unit: &'static str,
    growth_percent: u64,
}

impl Baseline {
    /// Of `unit`, in the file of that name.
    pub fn new(unit: &'static str, growth_percent: u64) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline");
        Self { path: folder.join(format!("{unit}.txt")), unit, growth_percent }
    }

    /// Does the rest of `task` with what was measured. Returns whether all is well.
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
        let mut good = true;
        for (name, figure) in figures {
            let Some(before) = known.get(name).copied() else {
                println!("{name}: {figure} {}, and no baseline", self.unit);
                good = false;
                continue;
            };
            let grown = figure * 100 > before * (100 + self.growth_percent);
            good &= !grown;
            let verdict = if grown { "more than allowed" } else { "good" };
            println!("{name:<20} {figure:>8} {}, baseline {before}: {verdict}", self.unit);
        }
        Ok(good)
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
    let bare = figures.iter().find(|(name, _)| *name == "bare").map(|(_, figure)| *figure);
    println!("| scenario | {unit} | more than bare |\n|---|---|---|");
    for (name, figure) in figures {
        // What is not a request through the route has nothing in common with the bare router.
        let is_request = !["raw.decode", "raw.verify", "raw.sign"].iter().any(|part| name.starts_with(part));
        let more = bare.filter(|_| is_request).map_or(String::new(), |bare| {
            let more = i128::from(*figure) - i128::from(bare);
            format!("{more:+}")
        });
        println!("| {name} | {figure} | {more} |");
    }
}
