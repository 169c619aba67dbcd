//! Sentences that the person should read once. One stands on the screen; the others wait, so that none is lost behind the next.

use std::collections::VecDeque;

use crate::wire::time::Moment;

/// How long a notice stays if no other waits, and if one does, in seconds.
pub const NOTICE_SECONDS: f64 = 12.0;
pub const NOTICE_SECONDS_SHORT: f64 = 4.0;
/// Notices kept at once; when full the one that has waited longest is left out.
pub const NOTICES_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq)]
struct Notice {
    text: String,
    /// Since when it stands on the screen.
    since: Option<Moment>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notices(VecDeque<Notice>);

impl Notices {
    /// What stands on the screen.
    pub fn shown(&self) -> Option<&str> {
        self.0.front().map(|notice| notice.text.as_str())
    }

    /// The answer to what the person just did: at once, before whatever waits.
    pub fn answer(&mut self, text: String, now: Moment) {
        self.0.retain(|notice| notice.text != text);
        if let Some(front) = self.0.front_mut() {
            let read = front
                .since
                .is_some_and(|since| since.after_seconds(NOTICE_SECONDS_SHORT) <= now);
            front.since = None;
            if read {
                self.0.pop_front();
            }
        }
        self.0.push_front(Notice { text, since: None });
        self.settle(now);
    }

    /// Something that happened: after what is being read.
    pub fn tell(&mut self, text: String, now: Moment) {
        if self.0.iter().all(|notice| notice.text != text) {
            self.0.push_back(Notice { text, since: None });
        }
        self.settle(now);
    }

    /// The person has read the one on the screen.
    pub fn dismiss(&mut self, now: Moment) {
        self.0.pop_front();
        self.settle(now);
    }

    /// What is said stands no longer true.
    pub fn take_back(&mut self, text: &str, now: Moment) {
        self.0.retain(|notice| notice.text != text);
        self.settle(now);
    }

    /// Goes on to the next one when it is time. Returns whether the screen changes.
    pub fn pass(&mut self, now: Moment) -> bool {
        let stays = match self.0.len() {
            0 => return false,
            1 => NOTICE_SECONDS,
            _ => NOTICE_SECONDS_SHORT,
        };
        let over = self.0.front().is_some_and(|notice| {
            notice
                .since
                .is_some_and(|since| since.after_seconds(stays) <= now)
        });
        if over {
            self.0.pop_front();
            self.settle(now);
        }
        over
    }

    fn settle(&mut self, now: Moment) {
        while self.0.len() > NOTICES_MAX {
            self.0.remove(1);
        }
        if let Some(front) = self.0.front_mut() {
            front.since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment(0).after_seconds(seconds)
    }

    #[test]
    fn an_answer_comes_first_and_what_it_covered_comes_again() {
        let mut n = Notices::default();
        n.tell("the disk is full".into(), at(0.0));
        n.answer("not saved".into(), at(1.0));
        assert_eq!(n.shown(), Some("not saved"));
        assert!(!n.pass(at(4.9)));
        assert!(n.pass(at(5.0)));
        assert_eq!(n.shown(), Some("the disk is full"));
        assert!(!n.pass(at(16.9)), "alone it stays longer");
        assert!(n.pass(at(17.0)));
        assert_eq!(n.shown(), None);
    }

    #[test]
    fn the_same_sentence_is_not_said_twice_and_the_number_is_bounded() {
        let mut n = Notices::default();
        for i in 0..1000 {
            n.tell(format!("event {}", i / 2), at(0.0));
        }
        assert_eq!(n.0.len(), NOTICES_MAX);
        assert_eq!(n.shown(), Some("event 0"));
        assert_eq!(n.0.back().map(|n| n.text.as_str()), Some("event 499"));
        n.dismiss(at(1.0));
        assert_eq!(n.shown(), Some("event 493"));
    }
}
