//! Entry tickets: how a newcomer reaches a node that takes newcomers.
//!
//! `pxe1…@ip:port[,[v6]:port]`: a persistent entry key, optionally with a 16-byte secret behind it for unlisted entries, in bech32m so that a
//! typo is located; then one to four literal addresses (a name would tell a DNS server).

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::address::{Address, Reach};
use crate::crypto::id::{BadId, EntryId};
use crate::crypto::text::{self, Form};

/// A text longer than this is not a ticket: four IPv6 addresses and a key with a secret are 290.
pub const MAX_TEXT: usize = 400;
/// Addresses in one ticket.
pub const MAX_ADDRESSES: usize = 4;
/// An entry key, or one with its secret.
const FORM: Form = Form {
    payloads: &[33, 49],
    ..EntryId::FORM
};

/// What makes an unlisted entry: without it no first datagram can be formed that the entry answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntrySecret(pub [u8; 16]);

impl EntrySecret {
    /// Of listed entries and of NodeIds.
    pub const NONE: EntrySecret = EntrySecret([0; 16]);
}

impl fmt::Debug for EntrySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntrySecret")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    pub entry: EntryId,
    pub secret: EntrySecret,
    addresses: Vec<SocketAddr>,
}

/// Why a text is not a ticket, and where (character offset, counted from 0).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadTicket {
    pub reason: String,
    pub position: Option<usize>,
}

impl From<BadId> for BadTicket {
    fn from(bad: BadId) -> BadTicket {
        BadTicket {
            reason: bad.reason,
            position: bad.position,
        }
    }
}

impl Ticket {
    /// `None` if there is no address, or more than four.
    pub fn new(entry: EntryId, secret: EntrySecret, addresses: Vec<SocketAddr>) -> Option<Ticket> {
        let addresses: Vec<_> = addresses
            .into_iter()
            .map(|a| Address::from(a).socket())
            .collect();
        (1..=MAX_ADDRESSES)
            .contains(&addresses.len())
            .then_some(Ticket {
                entry,
                secret,
                addresses,
            })
    }

    /// One to four, the maker's preference first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The first address that this reach allows.
    pub fn address(&self, reach: Reach) -> Option<SocketAddr> {
        self.addresses
            .iter()
            .copied()
            .find(|a| Address::from(*a).is_allowed(reach))
    }
}

impl FromStr for Ticket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Ticket, BadTicket> {
        if text.len() > MAX_TEXT {
            return bad("a ticket has at most 400 characters", Some(MAX_TEXT));
        }
        let text = text.trim_end();
        let start = text.len() - text.trim_start().len();
        let text = text.trim_start();
        let Some((key, places)) = text.split_once('@') else {
            return bad(
                "a ticket is a key that begins with pxe1, then @, then an address such as 203.0.113.7:40123",
                None,
            );
        };
        let shift = |mut e: BadTicket| {
            e.position = e.position.map(|p| p + start);
            e
        };
        let (entry, secret) = parse_key(key).map_err(shift)?;
        let mut at = start + key.chars().count() + 1;
        let mut addresses = Vec::new();
        for place in places.split(',') {
            if addresses.len() == MAX_ADDRESSES {
                return bad("a ticket has at most four addresses", Some(at));
            }
            let Ok(addr) = place.trim().parse::<SocketAddr>() else {
                return bad(
                    "an address is written as 203.0.113.7:40123 or [2001:db8::7]:40123",
                    Some(at),
                );
            };
            if !Address::from(addr).is_allowed(Reach::Lan) {
                return bad("nobody can be reached at this address", Some(at));
            }
            addresses.push(addr);
            at += place.chars().count() + 1;
        }
        Ticket::new(entry, secret, addresses).ok_or(BadTicket {
            reason: "a ticket needs an address".into(),
            position: Some(at),
        })
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret == EntrySecret::NONE {
            write!(f, "{}", self.entry)?;
        } else {
            let mut payload = [0; 49];
            payload[..33].copy_from_slice(self.entry.bytes());
            payload[0] &= 1;
            payload[33..].copy_from_slice(&self.secret.0);
            f.write_str(&text::encode(&FORM, &payload))?;
        }
        for (i, addr) in self.addresses.iter().enumerate() {
            write!(f, "{}{addr}", if i == 0 { '@' } else { ',' })?;
        }
        Ok(())
    }
}

fn bad<T>(reason: &str, position: Option<usize>) -> Result<T, BadTicket> {
    Err(BadTicket {
        reason: reason.to_string(),
        position,
    })
}

fn parse_key(text: &str) -> Result<(EntryId, EntrySecret), BadTicket> {
    let mut payload = text::decode(&FORM, text)?;
    // As in an EntryId's text: seven bits of version, one of parity.
    if payload[0] > 1 {
        return bad(
            "this ticket is of a newer kind: update paratox to use it",
            None,
        );
    }
    payload[0] |= 2;
    let (key, secret) = payload.split_at(EntryId::LEN);
    let Ok(entry) = EntryId::decode(key) else {
        return bad("this is no entry node's key", None);
    };
    let mut kept = EntrySecret::NONE;
    if !secret.is_empty() {
        kept.0.copy_from_slice(secret);
        if kept == EntrySecret::NONE {
            return bad("an empty secret is left out", None);
        }
    }
    Ok((entry, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::EntryKey;
    use crate::crypto::random::Stream;

    fn entry() -> EntryId {
        EntryKey::generate(&mut Stream::from_seed([3; 32])).id()
    }

    fn ticket(secret: EntrySecret) -> Ticket {
        let addresses = vec![
            "203.0.113.7:40123".parse().expect("a literal"),
            "[2001:db8::7]:40123".parse().expect("a literal"),
        ];
        Ticket::new(entry(), secret, addresses).expect("two addresses")
    }

    #[test]
    fn a_ticket_reads_back_as_it_was_printed_with_and_without_a_secret() {
        for secret in [EntrySecret::NONE, EntrySecret([7; 16])] {
            let made = ticket(secret);
            let text = made.to_string();
            assert!(text.starts_with("pxe1"), "{text}");
            assert!(
                text.ends_with("@203.0.113.7:40123,[2001:db8::7]:40123"),
                "{text}"
            );
            assert_eq!(text.parse::<Ticket>(), Ok(made.clone()));
            assert_eq!(format!("  {text}\n").parse::<Ticket>(), Ok(made));
        }
    }

    #[test]
    fn every_truncation_and_every_changed_letter_of_the_key_is_refused() {
        for secret in [EntrySecret::NONE, EntrySecret([7; 16])] {
            let text = ticket(secret).to_string();
            let key_end = text.find('@').expect("a ticket has one");
            for n in 0..key_end + 10 {
                assert!(text[..n].parse::<Ticket>().is_err(), "{}", &text[..n]);
            }
            for i in 0..key_end {
                let mut letters: Vec<char> = text.chars().collect();
                letters[i] = if letters[i] == 'q' { 'p' } else { 'q' };
                let changed: String = letters.into_iter().collect();
                assert!(changed.parse::<Ticket>().is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn port_zero_multicast_and_names_are_refused_with_their_place() {
        let key = entry().to_string();
        for place in [
            "1.2.3.4:0",
            "224.0.0.1:5",
            "example.org:5",
            "",
            "1.2.3.4",
            "1.2.3.4:70000",
        ] {
            let error = format!("{key}@{place}").parse::<Ticket>().expect_err(place);
            assert_eq!(error.position, Some(key.len() + 1), "{place}");
        }
        let five = ["1.2.3.4:5"; 5].join(",");
        assert!(format!("{key}@{five}").parse::<Ticket>().is_err());
        assert!("x".repeat(500).parse::<Ticket>().is_err());
    }

    #[test]
    fn without_lan_mode_the_first_public_address_is_used() {
        let text = format!("{}@192.168.1.2:9,9.9.9.9:9", entry());
        let ticket: Ticket = text.parse().expect("well formed");
        assert_eq!(
            ticket.address(Reach::Public),
            Some("9.9.9.9:9".parse().expect("a literal"))
        );
        assert_eq!(
            ticket.address(Reach::Lan),
            Some("192.168.1.2:9".parse().expect("a literal"))
        );
    }
}
