//! The rates that CREATE names.

use super::*;

/// Steady cells per second of a circuit in hundredths, as CREATE names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// From the origin to the end.
    pub forward: u16,
    /// From the end to the origin.
    pub back: u16,
}

impl Rates {
    /// The fastest circuit there is: 60 cells a second. Faster is nobody's class.
    pub const MAX: u16 = 6000;

    /// Rates in cells per second; below 0.01 counts as 0.01.
    pub fn new(forward: f64, back: f64) -> Rates {
        let hundredths =
            |rate: f64| (rate * 100.0).round().clamp(1.0, f64::from(Rates::MAX)) as u16;
        Rates {
            forward: hundredths(forward),
            back: hundredths(back),
        }
    }

    pub fn forward_rate(self) -> f64 {
        f64::from(self.forward) / 100.0
    }

    pub fn back_rate(self) -> f64 {
        f64::from(self.back) / 100.0
    }

    pub fn encode(self) -> [u8; 4] {
        let (f, b) = (self.forward.to_be_bytes(), self.back.to_be_bytes());
        [f[0], f[1], b[0], b[1]]
    }

    pub fn decode(bytes: [u8; 4]) -> Result<Rates, Malformed> {
        let forward = u16::from_be_bytes([bytes[0], bytes[1]]);
        let back = u16::from_be_bytes([bytes[2], bytes[3]]);
        let fits = |rate: u16| (1..=Rates::MAX).contains(&rate);
        if fits(forward) && fits(back) {
            Ok(Rates { forward, back })
        } else {
            malformed("rates")
        }
    }
}
