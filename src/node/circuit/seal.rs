//! Sealed requests to nodes of the DHT and their answers: the circuit's end carries them and cannot read them.
//!
//! Request: `T 33 | body 333 sealed | tag 16`, key from the one-pass agreement of the throwaway T with the NodeId. Answer:
//! `Y 33 | body 333 sealed | tag 16`, key from the agreement of T with NodeId and the fresh Y, bound to the whole request.

use zeroize::Zeroizing;

use crate::crypto::Rejected;
use crate::crypto::aead::{OneTimeKey, hash};
use crate::crypto::curve::Point;
use crate::crypto::id::NodeId;
use crate::crypto::keys::{Ephemeral, NodeKey};
use crate::crypto::mqv::{
    Transcript, anonymous_from, anonymous_to, one_pass_anonymous_from, one_pass_anonymous_to,
};
use crate::crypto::random::Stream;
use crate::wire::size::{POINT, QUERY, SEALED};

/// A request on its way.
pub(super) struct Asked {
    node: NodeId,
    throwaway: Ephemeral,
    request: [u8; 32],
}

fn packed(point: &Point, sealed: &[u8]) -> Box<[u8; SEALED]> {
    let mut bytes = Box::new([0; SEALED]);
    bytes[..POINT].copy_from_slice(point.bytes());
    bytes[POINT..].copy_from_slice(sealed);
    bytes
}

fn body(opened: &Zeroizing<Vec<u8>>) -> Result<Box<[u8; QUERY]>, Rejected> {
    <[u8; QUERY]>::try_from(&opened[..])
        .map(Box::new)
        .map_err(|_| Rejected)
}

fn answer_transcript(request: &[u8; 32]) -> Transcript {
    let mut transcript = Transcript::new("paratox sealed answer");
    transcript.absorb(request);
    transcript
}

impl Asked {
    pub fn new(
        node: NodeId,
        body: &[u8; QUERY],
        random: &mut Stream,
    ) -> Result<(Asked, Box<[u8; SEALED]>), Rejected> {
        let throwaway = Ephemeral::generate(random);
        let agreed = one_pass_anonymous_to(
            &throwaway,
            node.point(),
            Transcript::new("paratox sealed request"),
        )?;
        let mut sealed = body.to_vec();
        OneTimeKey::from(agreed.key("request")).seal(&[], &mut sealed);
        let sealed = packed(throwaway.public(), &sealed);
        let request = hash(&[&sealed[..]]);
        Ok((
            Asked {
                node,
                throwaway,
                request,
            },
            sealed,
        ))
    }

    /// The name of the request: its first 33 bytes.
    pub fn name(&self) -> [u8; POINT] {
        *self.throwaway.public().bytes()
    }

    pub fn open(&self, sealed: &[u8; SEALED]) -> Result<Box<[u8; QUERY]>, Rejected> {
        let answer = Point::decode(&sealed[..POINT]).map_err(|_| Rejected)?;
        let agreed = anonymous_to(
            &self.throwaway,
            self.node.point(),
            &answer,
            answer_transcript(&self.request),
        )?;
        body(&OneTimeKey::from(agreed.key("answer")).open(&[], &sealed[POINT..])?)
    }
}

/// A request that was opened here and waits for its answer.
pub(super) struct Question {
    throwaway: Point,
    request: [u8; 32],
}

impl Question {
    pub fn open(
        own: &NodeKey,
        sealed: &[u8; SEALED],
    ) -> Result<(Question, Box<[u8; QUERY]>), Rejected> {
        let throwaway = Point::decode(&sealed[..POINT]).map_err(|_| Rejected)?;
        let agreed =
            one_pass_anonymous_from(own, &throwaway, Transcript::new("paratox sealed request"))?;
        let body = body(&OneTimeKey::from(agreed.key("request")).open(&[], &sealed[POINT..])?)?;
        Ok((
            Question {
                throwaway,
                request: hash(&[&sealed[..]]),
            },
            body,
        ))
    }

    pub fn answer(
        self,
        own: &NodeKey,
        body: &[u8; QUERY],
        random: &mut Stream,
    ) -> Result<Box<[u8; SEALED]>, Rejected> {
        let ephemeral = Ephemeral::generate(random);
        let public = *ephemeral.public();
        let agreed = anonymous_from(
            own,
            ephemeral,
            &self.throwaway,
            answer_transcript(&self.request),
        )?;
        let mut sealed = body.to_vec();
        OneTimeKey::from(agreed.key("answer")).seal(&[], &mut sealed);
        Ok(packed(&public, &sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_opens_for_the_one_who_asked_and_only_for_that_question() {
        let mut random = Stream::from_seed([4; 32]);
        let key = NodeKey::generate(&mut random);
        let (first, sealed) = Asked::new(key.id(), &[7; QUERY], &mut random).expect("a valid node");
        let (second, _) = Asked::new(key.id(), &[7; QUERY], &mut random).expect("a valid node");
        let (question, body) = Question::open(&key, &sealed).expect("sealed to this node");
        assert_eq!(*body, [7; QUERY]);
        let answer = question
            .answer(&key, &[8; QUERY], &mut random)
            .expect("a valid key");
        assert_eq!(*first.open(&answer).expect("the answer to it"), [8; QUERY]);
        assert!(second.open(&answer).is_err());
    }

    #[test]
    fn no_changed_byte_of_a_request_or_an_answer_opens() {
        let mut random = Stream::from_seed([5; 32]);
        let key = NodeKey::generate(&mut random);
        let other = NodeKey::generate(&mut random);
        let (asked, sealed) = Asked::new(key.id(), &[7; QUERY], &mut random).expect("a valid node");
        assert!(Question::open(&other, &sealed).is_err());
        let (question, _) = Question::open(&key, &sealed).expect("sealed to this node");
        let answer = question
            .answer(&key, &[8; QUERY], &mut random)
            .expect("a valid key");
        for i in (0..SEALED).step_by(11) {
            let (mut bad_request, mut bad_answer) = (sealed.clone(), answer.clone());
            bad_request[i] ^= 1;
            bad_answer[i] ^= 1;
            assert!(Question::open(&key, &bad_request).is_err(), "byte {i}");
            assert!(asked.open(&bad_answer).is_err(), "byte {i}");
        }
    }
}
