//! Being found: the own descriptor of the day, and the tokens that contacts show at the own intro points.

use super::desk::Desk;
use super::persistence::Persistence;
use crate::crypto::aead;
use crate::crypto::blind::Purpose;
use crate::crypto::id::AccountId;
use crate::crypto::ratchet::Ratchet;
use crate::node::person::{IntroPoint, NodeCommand};
use crate::wire::introduction::Introduction;
use crate::wire::size::VALUE;
use crate::wire::time::{Moment, Now};
use crate::wire::{descriptor, introduction};

/// A descriptor is published again after 30 to 60 minutes, in seconds.
const AGAIN: (f64, f64) = (1800.0, 1800.0);
/// First and longest wait after a publication that nobody kept.
const RETRY_FIRST: f64 = 5.0;
const RETRY_LAST: f64 = 60.0;
/// A publication that was never answered counts as failed.
const PATIENCE: f64 = 180.0;

/// When contacts are told of other intro points: not in the first seconds of a start, in which they change several times and every cell is wanted.
/// At once where none of those is left that they know.
const NEWS_AFTER: f64 = 10.0;

/// Where the descriptor of an account and day lies.
pub fn place_of(account: &AccountId, day: u32) -> [u8; 32] {
    descriptor::place(&account.blind(day, Purpose::Descriptor)).0
}

/// What a contact shows at the intro points of `owner` on `day`. Only the two ends of the session can compute it.
pub fn token(session: &Ratchet, owner: &AccountId, day: u32) -> [u8; 16] {
    let digest = aead::hash(&[
        b"paratox token",
        &session.session_id(),
        owner.bytes(),
        &day.to_be_bytes(),
    ]);
    let mut token = [0; 16];
    token.copy_from_slice(&digest[..16]);
    token
}

/// The look-up of what an earlier run left at the own place: one, when the first publication has had its answer, so that nothing of a start waits
/// for it.
#[derive(Clone, Copy)]
enum Look {
    NotYet,
    Due,
    /// Its name and the day of the place.
    Asked(u64, u32),
    Done,
}

/// When to publish what.
pub struct Publisher {
    points: Vec<IntroPoint>,
    next: Moment,
    /// The publication under way and when it counts as failed.
    pending: Option<(u64, Moment)>,
    failures: u32,
    day: u32,
    revision: u64,
    /// What contacts are to be told of, as it was published, and when: since the points were others than before.
    news: Option<(Introduction, Moment)>,
    named: Vec<IntroPoint>,
    /// Whether the way to the own place was asked for.
    approached: bool,
    look: Look,
}

impl Publisher {
    pub fn new(day: u32) -> Publisher {
        Publisher {
            points: Vec::new(),
            next: Moment::NEVER,
            pending: None,
            failures: 0,
            day,
            revision: 0,
            news: None,
            named: Vec::new(),
            approached: false,
            look: Look::NotYet,
        }
    }

    /// The set of live intro points is another one.
    pub fn points(&mut self, points: Vec<IntroPoint>, now: Now) {
        self.points = points;
        self.failures = 0;
        self.next = if self.points.is_empty() {
            Moment::NEVER
        } else {
            now.at
        };
    }

    /// The answer to a look-up of the own place. Whether it was one. Keepers hold on to the newest revision; where this computer's clock was
    /// set back since that was made, what was published meanwhile is older to them, and would not be seen until the clock has caught up.
    pub fn found(
        &mut self,
        id: u64,
        value: Option<&[u8; VALUE]>,
        account: &AccountId,
        now: Now,
    ) -> bool {
        let day = match self.look {
            Look::Asked(look, day) if look == id => day,
            _ => return false,
        };
        self.look = Look::Done;
        let Some(Ok(ours)) = value.map(|value| introduction::open(account, day, value)) else {
            return true;
        };
        if ours.revision > self.revision {
            let published = self.revision > 0;
            self.revision = ours.revision;
            if published && !self.points.is_empty() {
                self.next = now.at;
            }
        }
        true
    }

    pub fn published(&mut self, id: u64, copies: u8, now: Now) {
        if self.pending.is_none_or(|(pending, _)| pending != id) {
            return;
        }
        self.pending = None;
        if let Look::NotYet = self.look {
            self.look = Look::Due;
        }
        if copies == 0 {
            self.retry(now);
        } else {
            self.failures = 0;
        }
    }

    /// Other intro points than before have just been published: contacts do not learn of it by themselves before the old ones are gone.
    pub fn news(&mut self) -> Option<(Introduction, Moment)> {
        self.news.take()
    }

    fn retry(&mut self, now: Now) {
        let wait = (RETRY_FIRST * 2f64.powi(self.failures.min(10) as i32)).min(RETRY_LAST);
        self.failures = self.failures.saturating_add(1);
        self.next = self.next.min(now.at.after_seconds(wait));
    }

    pub fn due(&self) -> Moment {
        if let Look::Due = self.look {
            return Moment(0);
        }
        self.pending
            .map_or(self.next, |(_, until)| self.next.min(until))
    }

    pub fn serve<P: Persistence>(&mut self, desk: &mut Desk<P>, next_id: &mut u64, now: Now) {
        let day = now.unix.day();
        if day != self.day {
            self.day = day;
            if !self.points.is_empty() {
                self.next = now.at;
            }
        }
        if self.pending.is_some_and(|(_, until)| until <= now.at) {
            self.pending = None;
            self.retry(now);
        }
        if !self.approached {
            // The node then knows the way by the time there is something to publish.
            self.approached = true;
            let id = take(next_id);
            let key = place_of(&desk.id, day);
            desk.node(NodeCommand::Approach { id, key });
        }
        if let Look::Due = self.look {
            let id = take(next_id);
            self.look = Look::Asked(id, day);
            let key = place_of(&desk.id, day);
            desk.node(NodeCommand::Fetch { id, key });
        }
        if self.next > now.at || self.points.is_empty() {
            return;
        }
        self.revision = now.unix.0.max(self.revision.saturating_add(1));
        let value = introduction::publish(
            &desk.key,
            day,
            self.revision,
            &self.points,
            &mut desk.random,
        );
        let id = take(next_id);
        desk.node(NodeCommand::Publish {
            id,
            key: place_of(&desk.id, day),
            value,
        });
        if self.named != self.points {
            let some_stay = self.named.iter().any(|named| self.points.contains(named));
            let wait = if self.named.is_empty() || some_stay {
                NEWS_AFTER
            } else {
                0.0
            };
            self.named.clone_from(&self.points);
            let introduction = Introduction {
                day,
                revision: self.revision,
                points: self.points.clone(),
            };
            self.news = Some((introduction, now.at.after_seconds(wait)));
        }
        self.pending = Some((id, now.at.after_seconds(PATIENCE)));
        self.next = now.at.after_seconds(AGAIN.0 + AGAIN.1 * desk.random.unit());
    }
}

fn take(next_id: &mut u64) -> u64 {
    *next_id += 1;
    *next_id - 1
}
