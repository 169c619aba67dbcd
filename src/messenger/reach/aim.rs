//! Where our spur to the contact goes: to which of their intro points, and what it shows there, the token that they gave us or the cookie that
//! anybody has.
//!
//! Not here: whether the spur is up and what comes of it ([`super::ways`]).

use std::time::Duration;

use crate::messenger::slowness::Slowness;
use crate::node::person::{ContactTag, IntroPoint, SpurTarget};
use crate::wire::circuit::registered;
use crate::wire::time::Moment;

/// An intro point that led to nothing for this long is given up for the other one. Which of the two a spur goes to is decided at its birth,
/// so that this is no haste.
pub const POINT_PATIENCE: Duration = Duration::from_secs(20);
/// An open spur that brought nothing for this long, while something waits, tries the other credential.
pub const CREDENTIAL_PATIENCE: Duration = Duration::from_secs(15);
/// The second intro point of a descriptor is the standby, at a tenth of the rate, and the cookie lets one parcel through in 15 s: after so long the first
/// point and the token are tried again.
const SECOND_BEST: Duration = Duration::from_secs(60);

/// What can say that a spur leads nowhere.
#[derive(Clone, Copy)]
pub struct Silence {
    /// Since when nothing was heard although something waits; None while nothing does.
    pub since: Option<Moment>,
    /// Since when something can leave; before that, silence says nothing of a point.
    pub leaves: Moment,
    /// Before it is, silence says nothing of a credential.
    pub spur_up: bool,
    /// How much longer than usual an answer takes.
    pub slowness: Slowness,
}

pub struct Aim {
    points: Vec<IntroPoint>,
    pick: usize,
    picked: Moment,
    /// Since when the cookie is shown instead of the token of the day.
    use_cookie: Option<Moment>,
    /// What the spur shows at present.
    shows_cookie: bool,
    /// Since when the credential is the one it is, and nothing was heard.
    credential_since: Moment,
}

impl Aim {
    pub fn new() -> Aim {
        Aim {
            points: Vec::new(),
            pick: 0,
            picked: Moment(0),
            use_cookie: None,
            shows_cookie: true,
            credential_since: Moment(0),
        }
    }

    /// They are reached at these points. Whether those are others than before.
    pub fn found(&mut self, points: &[IntroPoint], now: Moment) -> bool {
        let others = self.points != points;
        if others {
            self.points = points.to_vec();
            self.pick = 0;
            self.picked = now;
            // That the token led nowhere was said of other points.
            self.use_cookie = None;
            self.credential_since = now;
        }
        others
    }

    /// Something of theirs came, or the spur opened: what it shows has its time again.
    pub fn renew(&mut self, now: Moment) {
        self.credential_since = now;
    }

    /// Whether the intro point takes what comes along our spur for a stranger's.
    pub fn shows_cookie(&self) -> bool {
        self.shows_cookie
    }

    /// Where a spur should go. Where one leads nowhere it goes on to the other point, and to the other credential.
    pub fn target(
        &mut self,
        contact: ContactTag,
        token: Option<[u8; 16]>,
        silence: Silence,
        now: Moment,
    ) -> Option<SpurTarget> {
        if now >= self.other_point(silence) {
            self.pick = self.pick.wrapping_add(1);
            self.picked = now;
        }
        if now >= self.other_credential(silence) {
            self.use_cookie = self.use_cookie.is_none().then_some(now);
            self.credential_since = now;
        }
        if now >= self.token_again() {
            self.use_cookie = None;
            self.credential_since = now;
        }
        if now >= self.first_again() {
            self.pick = 0;
            self.picked = now;
        }
        let point = self.points.get(self.pick % self.points.len().max(1))?;
        self.shows_cookie = token.is_none() || self.use_cookie.is_some();
        Some(SpurTarget {
            contact,
            node: point.node,
            addr: point.addr,
            cookie_key: point.cookie_key,
            point: point.cookie,
            credential: match token {
                Some(token) if self.use_cookie.is_none() => registered(&token, &point.cookie),
                _ => point.cookie,
            },
        })
    }

    fn other_point(&self, silence: Silence) -> Moment {
        silence.since.map_or(Moment::NEVER, |since| {
            self.picked.max(since).max(silence.leaves) + silence.slowness.span(POINT_PATIENCE)
        })
    }

    fn other_credential(&self, silence: Silence) -> Moment {
        let since = silence.since.filter(|_| silence.spur_up);
        since.map_or(Moment::NEVER, |since| {
            self.credential_since.max(since) + silence.slowness.span(CREDENTIAL_PATIENCE)
        })
    }

    /// When the token is tried again, if it is not shown.
    fn token_again(&self) -> Moment {
        self.use_cookie
            .map_or(Moment::NEVER, |since| since + SECOND_BEST)
    }

    /// When the first intro point is tried again, if it is not the one in use.
    fn first_again(&self) -> Moment {
        if self.pick.is_multiple_of(self.points.len().max(1)) {
            Moment::NEVER
        } else {
            self.picked + SECOND_BEST
        }
    }

    /// When `target` may change by time alone.
    pub fn due(&self, silence: Silence) -> Moment {
        self.other_point(silence)
            .min(self.other_credential(silence))
            .min(self.token_again())
            .min(self.first_again())
    }
}
