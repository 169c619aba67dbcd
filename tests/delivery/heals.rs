//! Whatever befell two people and everything between them: once it is over, all that was written arrives, each text once and in order, and
//! its sender learns of it, within a bounded time.
//!
//! A model of troubles: each seed plays one story of them. A seed that ever failed or came near it has a test of its own below, which every
//! run plays, however many stories it plays besides.

use paratox::crypto::random::Stream;
use paratox::messenger::Command;
use paratox::messenger::memory::Memory;
use paratox::wire::time::Moment;

use crate::switch::{CALM, Network, World};

/// Seconds, after everything works again, until the last text is delivered and known to be.
const LIMIT: f64 = 180.0;
/// Stories that every run plays, and with `PARATOX_LONG`.
const STORIES: u64 = 60;
const LONG: u64 = 3000;

/// An answer takes ten seconds: the class `normal`, where queues are long.
const SLOW: Network = Network {
    loss: 0.0,
    copies: 0.0,
    delay: (3.0, 2.0),
    rate: 1.0,
};

const PEOPLE: [usize; 2] = [0, 1];

struct Story {
    seed: u64,
    world: World,
    random: Stream,
    /// What each has written to the other and what its disk has, in this order.
    written: [Vec<String>; 2],
    /// Those whose programs do not run, with the disk and the moment of their return.
    away: [Option<(Memory, Moment)>; 2],
}

impl Story {
    fn new(seed: u64) -> Story {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let mut random = Stream::from_seed(bytes);
        let mut world = World::of(random.fork("world", b""), CALM);
        world.births = [0.0, 5.0, 30.0][random.below(3) as usize];
        world.lingering = Some(60.0);
        world.join_knowing(&["alice", "bob"]);
        let mut story = Story {
            seed,
            world,
            random,
            written: [Vec::new(), Vec::new()],
            away: [None, None],
        };
        story.weather();
        story
    }

    fn coin(&mut self) -> bool {
        self.random.below(2) == 0
    }

    fn person(&mut self) -> usize {
        self.random.below(2) as usize
    }

    fn runs(&self, person: usize) -> bool {
        self.away[person].is_none() && !self.world.stands_still(person)
    }

    fn weather(&mut self) {
        self.world.network = Network {
            loss: 0.4 * self.random.unit(),
            copies: 0.5 * self.random.unit(),
            delay: (0.1 + 0.9 * self.random.unit(), 3.0 * self.random.unit()),
            ..self.world.network
        };
        self.world.lost_fetches = 0.5 * self.random.unit();
    }

    /// A program whose disk died in a commit, or who was away long enough, starts again.
    fn revive(&mut self, person: usize) {
        if let Some((store, _)) = self.away[person].take_if(|(_, until)| *until <= self.world.at) {
            self.world.start(person, store);
        }
        if self.runs(person) && !self.world.is_alive(person) {
            let survived = self.coin();
            self.world.restart(person, survived);
        }
    }

    fn write(&mut self, from: usize) {
        self.revive(from);
        if !self.runs(from) {
            return;
        }
        let pad = if self.random.below(4) == 0 { 900 } else { 0 };
        let text = format!(
            "{from} writes {}{}",
            self.written[from].len(),
            " …".repeat(pad / 4)
        );
        let command = Command::Send {
            to: self.world.id(1 - from),
            text: text.clone(),
            allow_no_fs: false,
        };
        let saved = self.world.command(from, command).is_ok();
        let alive = self.world.is_alive(from);
        self.revive(from);
        // A disk that died in this very commit may have it all the same.
        if saved || (!alive && self.world.said(from, 1 - from, true).last() == Some(&text)) {
            self.written[from].push(text);
        }
    }

    fn trouble(&mut self) {
        let person = self.person();
        self.revive(person);
        let seconds = self.random.exponential(40.0);
        if !self.runs(person) {
            return;
        }
        match self.random.below(14) {
            0 => {
                let survived = self.coin();
                self.world.restart(person, survived);
            }
            1 => {
                let store = self.world.kill(person).crash(false);
                let until = self.world.at.after_seconds(2.0 * seconds);
                self.away[person] = Some((store, until));
            }
            2 => {
                let long = [8.0, 60.0, 300.0][self.random.below(3) as usize];
                self.world.stand_still(person, long);
            }
            3 => self.world.lose_sessions(person),
            4 => self.world.end_spurs(person, seconds),
            5 => self.world.replace_spurs(person),
            6 => self.world.move_intro(person, seconds),
            7 => {
                let (spurs, handles) = (self.coin(), self.coin());
                self.world.mute(person, spurs, handles);
            }
            8 => self.world.mute(person, false, false),
            9 => self.world.refuse_credentials = self.coin(),
            10 => self.world.full_spurs = self.coin(),
            11 => self.world.dead_handles = self.coin(),
            12 => {
                let commits = self.random.below(20) as u32;
                self.world.store(person).fail_next(commits);
            }
            _ => self.world.store(person).stop_in_next_commit(),
        }
    }

    /// What each was shown is the beginning of what the other has written: nothing twice, nothing out of order, no hole.
    fn check(&mut self) {
        for from in PEOPLE {
            let to = 1 - from;
            if self.away[to].is_some() || !self.world.is_alive(to) {
                continue;
            }
            let shown = self.world.said(to, from, false);
            assert!(
                self.written[from].starts_with(&shown),
                "seed {}: {from} wrote {:?} and {to} was shown {shown:?}",
                self.seed,
                self.written[from]
            );
        }
    }

    fn heal(&mut self) {
        while PEOPLE.iter().any(|person| self.world.stands_still(*person)) {
            self.world.run(1.0);
        }
        self.world.heal();
        for person in PEOPLE {
            if let Some((_, until)) = &mut self.away[person] {
                *until = self.world.at;
            }
            self.revive(person);
        }
    }
}

/// Plays a story to its end, in a network that is `after` when the troubles are over. The seconds from then until everything was delivered.
fn play(seed: u64, after: Network) -> f64 {
    let mut story = Story::new(seed);
    for _ in 0..12 + story.random.below(12) {
        let pause = story.random.exponential(25.0);
        story.world.run(pause);
        for person in PEOPLE {
            story.revive(person);
            for _ in 0..story.random.below(3) {
                story.write(person);
            }
        }
        story.trouble();
        if story.random.below(6) == 0 {
            story.weather();
        }
        story.check();
    }
    story.heal();
    story.world.network = after;
    let healed = story.world.at;
    let delivered = story.world.run_until(4.0 * LIMIT, |world| {
        // One may die in the last trouble only now.
        for person in PEOPLE {
            if !world.is_alive(person) {
                world.restart(person, false);
            }
        }
        world.all_delivered(0, 1) && world.all_delivered(1, 0)
    });
    let seconds = story.world.at.since(healed).as_secs_f64();
    story.world.run(30.0);
    story.check();
    for from in PEOPLE {
        let shown = story.world.said(1 - from, from, false);
        assert!(
            delivered,
            "seed {seed}: {} of {} arrived, the rest never did",
            shown.len(),
            story.written[from].len()
        );
        assert_eq!(shown, story.written[from], "seed {seed}");
    }
    seconds
}

fn play_all(after: Network, limit: f64) {
    let stories = match std::env::var("PARATOX_LONG") {
        // 1 asks for the full size, as everywhere; a greater number for so many.
        Ok(number) => number.parse().ok().filter(|n| *n > 1).unwrap_or(LONG),
        Err(_) => STORIES,
    };
    let mut times: Vec<(f64, u64)> = Vec::new();
    for seed in 0..stories {
        let seconds = play(seed, after);
        if seconds > limit / 2.0 {
            println!("seed {seed}: {seconds:.0} s");
        }
        times.push((seconds, seed));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    let (longest, seed) = at(1.0);
    println!(
        "{stories} stories: p50 {:.1} s, p95 {:.1} s, the longest {longest:.1} s (seed {seed})",
        at(0.5).0,
        at(0.95).0,
    );
    assert!(longest <= limit, "seed {seed} took {longest:.0} s");
}

#[test]
fn everything_written_in_troubles_is_delivered_once_within_three_minutes_of_their_end() {
    play_all(CALM, LIMIT);
}

#[test]
fn and_in_a_network_in_which_an_answer_takes_ten_seconds_within_six() {
    play_all(SLOW, 2.0 * LIMIT);
}

fn play_again(seed: u64, after: Network, limit: f64) {
    let seconds = play(seed, after);
    println!("seed {seed}: {seconds:.0} s");
    assert!(seconds <= limit, "seed {seed} took {seconds:.0} s");
}

/// It ended after 223 s while receipts along a way that had died were not missed.
#[test]
fn story_249_which_took_too_long_ends_in_time() {
    play_again(249, CALM, LIMIT);
}

/// Of 3000, the one that took longest since then.
#[test]
fn story_190_which_took_longest_ends_in_time() {
    play_again(190, CALM, LIMIT);
}

/// The same where answers are slow.
#[test]
fn story_1385_which_took_longest_where_answers_are_slow_ends_in_time() {
    play_again(1385, SLOW, 2.0 * LIMIT);
}
