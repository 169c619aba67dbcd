//! Keys as a relay has them: of one hop of a circuit, and of the links that its cells come and go by.

use paratox::crypto::keys::{Ephemeral, NodeKey, Static};
use paratox::crypto::mqv::{Agreed, Transcript, anonymous_from, anonymous_to, es_to};
use paratox::crypto::onion::HopKeys;
use paratox::crypto::random::Stream;

/// What two neighbours agreed on.
pub fn link(random: &mut Stream) -> Agreed {
    let (key, x) = (NodeKey::generate(random), Ephemeral::generate(random));
    es_to(&x, key.public_point(), Transcript::new("bench")).expect("an honest key")
}

/// The two sides of one hop: its circuit's origin and the relay.
pub fn hop(random: &mut Stream) -> (HopKeys, HopKeys) {
    let node = NodeKey::generate(random);
    let (throwaway, fresh) = (Ephemeral::generate(random), Ephemeral::generate(random));
    let (t, answer) = (|| Transcript::new("bench"), *fresh.public());
    let near = anonymous_to(&throwaway, node.public_point(), &answer, t()).expect("an honest key");
    let far = anonymous_from(&node, fresh, throwaway.public(), t()).expect("an honest key");
    (HopKeys::initiator(near), HopKeys::relay(far))
}
