//! What was sent and not yet heard of: acknowledgements, losses, round-trip time.
//!
//! Nothing here starts anything: a loss found is a body for a later tick. Not here: what the bodies are.

use std::collections::VecDeque;
use std::time::Duration;

use crate::wire::cell::Ack;
use crate::wire::time::Moment;

/// Packet numbers followed at once: what 20 cells a second send in 50 s of silence, after which the link is dead. The oldest above it is
/// taken for lost.
const FLIGHTS: usize = 1024;
/// So many later packets acknowledged, and an earlier one is lost (RFC 9002, 6.1.1).
const LATER: u32 = 3;
/// A network that swaps two packets sent this far apart is rare.
const REORDER: Duration = Duration::from_millis(20);
/// Before the first measurement (RFC 9002, 6.2.2).
const FIRST_RTT: f64 = 0.333;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Acknowledged,
    Lost,
}

struct Flight {
    at: Moment,
    /// The body it carries; 0 is chaff.
    seq: u32,
    fate: Fate,
}

pub struct Flights {
    /// Packet number of the first in `queue`; numbers are consecutive.
    base: u64,
    queue: VecDeque<Flight>,
    /// The highest packet number acknowledged, and when it was sent.
    largest: Option<(u64, Moment)>,
    /// Round-trip time without the peer's wait for its tick, smoothed, and its variation, in seconds.
    srtt: f64,
    rttvar: f64,
    measured: bool,
    /// Share of lost packets, smoothed over about 128.
    loss: f64,
}

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Arrived(u32),
    Lost(u32),
}

impl Flights {
    pub fn new() -> Flights {
        Flights {
            base: 0,
            queue: VecDeque::new(),
            largest: None,
            srtt: FIRST_RTT,
            rttvar: FIRST_RTT / 2.0,
            measured: false,
            loss: 0.0,
        }
    }

    /// Packet `number` leaves at `at` with body `seq` (0: none). Numbers come in order.
    pub fn sent(&mut self, number: u64, at: Moment, seq: u32, news: &mut impl FnMut(News)) {
        if self.queue.is_empty() {
            self.base = number;
        }
        if self.queue.len() == FLIGHTS {
            self.lose(0, news);
            self.settle();
        }
        self.queue.push_back(Flight {
            at,
            seq,
            fate: Fate::Open,
        });
    }

    /// Takes an acknowledgement in. One that speaks of packets never sent is ignored.
    pub fn acknowledged(&mut self, now: Moment, ack: &Ack, news: &mut impl FnMut(News)) {
        let next = self.base + self.queue.len() as u64;
        let back = u64::from((next as u32).wrapping_sub(ack.top));
        if back == 0 || back > next {
            return;
        }
        let top = next - back;
        for i in 0..=64u64 {
            if i > 0 && ack.bits & (1 << (i - 1)) == 0 {
                continue;
            }
            let Some(index) = top.checked_sub(i).and_then(|n| n.checked_sub(self.base)) else {
                break;
            };
            let index = index as usize;
            let flight = &mut self.queue[index];
            if flight.fate != Fate::Open {
                continue;
            }
            flight.fate = Fate::Acknowledged;
            let (at, seq) = (flight.at, flight.seq);
            if seq != 0 {
                news(News::Arrived(seq));
            }
            self.loss -= self.loss / 128.0;
            if i == 0 {
                let waited = Duration::from_millis(u64::from(ack.delay));
                self.measure(now.since(at).saturating_sub(waited).as_secs_f64());
            }
            let number = self.base + index as u64;
            if self.largest.is_none_or(|(largest, _)| number > largest) {
                self.largest = Some((number, at));
            }
        }
        self.find_lost(news);
        self.settle();
    }

    /// Gives up packets that nothing was heard of for the round-trip time, its variation and four ticks of the peer.
    pub fn expire(&mut self, now: Moment, rate: f64, news: &mut impl FnMut(News)) {
        let patience = Duration::from_secs_f64(self.srtt + 4.0 * self.rttvar + 4.0 / rate);
        while self
            .queue
            .front()
            .is_some_and(|f| now.since(f.at) > patience)
        {
            self.lose(0, news);
            self.settle();
        }
    }

    /// Gives up everything, for a change of keys.
    pub fn abandon(&mut self, news: &mut impl FnMut(News)) {
        for flight in self.queue.drain(..) {
            if flight.fate == Fate::Open && flight.seq != 0 {
                news(News::Lost(flight.seq));
            }
        }
        self.base = 0;
        self.largest = None;
    }

    pub fn loss(&self) -> f64 {
        self.loss
    }

    pub fn round_trip(&self) -> Option<Duration> {
        self.measured.then(|| Duration::from_secs_f64(self.srtt))
    }

    /// RFC 6298.
    fn measure(&mut self, sample: f64) {
        if self.measured {
            self.rttvar += ((self.srtt - sample).abs() - self.rttvar) / 4.0;
            self.srtt += (sample - self.srtt) / 8.0;
        } else {
            self.srtt = sample;
            self.rttvar = sample / 2.0;
            self.measured = true;
        }
    }

    fn find_lost(&mut self, news: &mut impl FnMut(News)) {
        let Some((largest, largest_at)) = self.largest else {
            return;
        };
        let Some(last) = largest.checked_sub(self.base) else {
            return;
        };
        let mut later = 0;
        for index in (0..=last as usize).rev() {
            match self.queue[index].fate {
                Fate::Acknowledged => later += 1,
                Fate::Open
                    if later >= LATER || largest_at.since(self.queue[index].at) >= REORDER =>
                {
                    self.lose(index, news);
                }
                _ => {}
            }
        }
    }

    fn lose(&mut self, index: usize, news: &mut impl FnMut(News)) {
        let flight = &mut self.queue[index];
        if flight.fate == Fate::Open {
            flight.fate = Fate::Lost;
            self.loss += (1.0 - self.loss) / 128.0;
            if flight.seq != 0 {
                news(News::Lost(flight.seq));
            }
        }
    }

    /// Forgets what is decided at the front.
    fn settle(&mut self) {
        while self.queue.front().is_some_and(|f| f.fate != Fate::Open) {
            self.queue.pop_front();
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Moment {
        Moment(n * 1000)
    }

    fn ack(top: u32, bits: u64) -> Ack {
        Ack {
            delay: 0,
            top,
            bits,
        }
    }

    fn sent(flights: &mut Flights, n: u64) {
        for i in 0..n {
            flights.sent(i, ms(100 * i), i as u32 + 1, &mut |_| {});
        }
    }

    fn collect(run: impl FnOnce(&mut dyn FnMut(News))) -> Vec<News> {
        let mut all = Vec::new();
        run(&mut |n| all.push(n));
        all
    }

    #[test]
    fn every_body_arrives_or_is_lost_exactly_once() {
        let mut flights = Flights::new();
        sent(&mut flights, 6);
        let first = collect(|mut f| flights.acknowledged(ms(600), &ack(4, 0b1011), &mut f));
        assert!(first.contains(&News::Arrived(5)) && first.contains(&News::Arrived(4)));
        assert!(first.contains(&News::Arrived(3)) && first.contains(&News::Arrived(1)));
        assert!(first.contains(&News::Lost(2)));
        assert_eq!(first.len(), 5);
        let second = collect(|mut f| flights.acknowledged(ms(700), &ack(5, u64::MAX), &mut f));
        assert_eq!(second, [News::Arrived(6)]);
        assert!(flights.queue.is_empty());
    }

    #[test]
    fn an_acknowledgement_of_packets_never_sent_changes_nothing() {
        let mut flights = Flights::new();
        assert!(collect(|mut f| flights.acknowledged(ms(1), &ack(0, u64::MAX), &mut f)).is_empty());
        sent(&mut flights, 3);
        for top in [3, 4, 1000, u32::MAX, u32::MAX / 2] {
            assert!(
                collect(|mut f| flights.acknowledged(ms(400), &ack(top, 0), &mut f)).is_empty()
            );
        }
        assert_eq!(flights.queue.len(), 3);
    }

    #[test]
    fn two_ticks_close_together_may_be_swapped_by_the_network() {
        let mut flights = Flights::new();
        flights.sent(0, ms(0), 1, &mut |_| {});
        flights.sent(1, ms(5), 2, &mut |_| {});
        assert_eq!(
            collect(|mut f| flights.acknowledged(ms(50), &ack(1, 0), &mut f)),
            [News::Arrived(2)]
        );
        assert_eq!(
            collect(|mut f| flights.acknowledged(ms(55), &ack(1, 1), &mut f)),
            [News::Arrived(1)]
        );
    }

    #[test]
    fn silence_gives_a_packet_up_after_the_round_trip_and_four_ticks_of_the_peer() {
        let mut flights = Flights::new();
        flights.sent(0, ms(0), 1, &mut |_| {});
        assert!(collect(|mut f| flights.expire(ms(1600), 6.0, &mut f)).is_empty());
        assert_eq!(
            collect(|mut f| flights.expire(ms(1700), 6.0, &mut f)),
            [News::Lost(1)]
        );
        assert!(flights.loss() > 0.0);
    }

    #[test]
    fn the_round_trip_does_not_count_the_peers_wait_for_its_tick() {
        let mut flights = Flights::new();
        flights.sent(0, ms(0), 1, &mut |_| {});
        flights.acknowledged(
            ms(250),
            &Ack {
                delay: 200,
                top: 0,
                bits: 0,
            },
            &mut |_| {},
        );
        assert_eq!(flights.round_trip(), Some(Duration::from_millis(50)));
    }

    #[test]
    fn the_table_has_a_bound() {
        let mut flights = Flights::new();
        let mut lost = 0;
        for n in 0..3 * FLIGHTS as u64 {
            flights.sent(n, ms(n), 1, &mut |_| lost += 1);
        }
        assert_eq!(flights.queue.len(), FLIGHTS);
        assert_eq!(lost, 2 * FLIGHTS);
    }
}
