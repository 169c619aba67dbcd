//! Two pieces of work measured in turn, so that whatever else the machine does falls on both: their ratio stands on a busy machine, too.

use std::time::Duration;

/// Rounds of one comparison.
const ROUNDS: usize = 301;

/// Medians of two timed pieces of work, each done once a round, and the median of the ratio of one round.
#[derive(Clone, Copy)]
pub struct Pair {
    pub one: Duration,
    pub other: Duration,
    pub ratio: f64,
}

pub fn in_turn(mut one: impl FnMut() -> Duration, mut other: impl FnMut() -> Duration) -> Pair {
    // The first round warms caches and branch predictors.
    one();
    other();
    let rounds: Vec<(Duration, Duration)> = (0..ROUNDS).map(|_| (one(), other())).collect();
    let mut ones: Vec<Duration> = rounds.iter().map(|round| round.0).collect();
    let mut others: Vec<Duration> = rounds.iter().map(|round| round.1).collect();
    let mut ratios: Vec<f64> = rounds
        .iter()
        .map(|(one, other)| one.as_secs_f64() / other.as_secs_f64())
        .collect();
    ones.sort();
    others.sort();
    ratios.sort_by(f64::total_cmp);
    Pair {
        one: ones[ROUNDS / 2],
        other: others[ROUNDS / 2],
        ratio: ratios[ROUNDS / 2],
    }
}

/// One line of the summary.
pub fn print(what: &str, figure: String, goal: &str) {
    println!("{what:<58} {figure:>24}   goal {goal}");
}

/// Whether figures are asked for, and not a list of benches or a run of each once.
pub fn wanted() -> bool {
    !std::env::args().any(|arg| arg == "--test" || arg == "--list")
}
