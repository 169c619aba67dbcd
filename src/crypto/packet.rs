//! Data cells of links: `8 masked packet number | 488 sealed inner cell | 16 tag`.
//!
//! The packet number is the nonce and, masked by one AES block over the tag, the recogniser: nothing of a cell is plain, and a link
//! finds its own cells without trying to open others'. Every 256 packets the key is replaced by one derived from it. Not here: what
//! an inner cell holds, and handshakes.

use aes::Aes256;
use aes::cipher::BlockCipherEncrypt;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::AeadInOut;
use zeroize::Zeroizing;

use super::Rejected;
use super::aead::{Key, SEAL_LIMIT, Spent, TAG};
use super::labels;
use super::mqv::{Agreed, Side};
use super::window::Window;

/// A data cell on the wire.
pub const CELL: usize = 512;
/// What a data cell seals.
pub const INNER: usize = 488;
/// Masked packet number.
const NUMBER: usize = 8;

const _: () = assert!(NUMBER + INNER + TAG == CELL);

/// An epoch is 2^8 packets: at one packet a second a key lives four minutes.
const EPOCH_BITS: u32 = 8;

/// What stays the same in all epochs of one direction.
struct Direction {
    iv: Zeroizing<[u8; 12]>,
    mask: Aes256,
}

impl Direction {
    fn new(secret: &Agreed, sender: Side) -> (Direction, Epoch) {
        let secret = secret.own_key(match sender {
            Side::Initiator => labels::PACKET_INITIATOR,
            Side::Responder => labels::PACKET_RESPONDER,
        });
        let mut iv = Zeroizing::new([0; 12]);
        secret.derive_into(labels::PACKET_IV, b"", iv.as_mut_slice());
        let direction = Direction {
            iv,
            mask: secret.derive(labels::PACKET_MASK, b"").aes(),
        };
        (
            direction,
            Epoch::new(0, secret.derive(labels::PACKET_KEY, b"")),
        )
    }

    fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = *self.iv;
        for (byte, n) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= n;
        }
        nonce
    }

    fn mask(&self, tag: &[u8; TAG]) -> u64 {
        let mut block = aes::Block::from(*tag);
        self.mask.encrypt_block(&mut block);
        u64::from_be_bytes(*block.first_chunk().expect("a block of AES has 16 bytes"))
    }
}

/// The key of 256 packets.
struct Epoch {
    number: u64,
    key: Key,
    cipher: Aes256Gcm,
}

impl Epoch {
    fn new(number: u64, key: Key) -> Epoch {
        Epoch {
            number,
            cipher: key.gcm(),
            key,
        }
    }

    fn next(&self) -> Epoch {
        Epoch::new(self.number + 1, self.key.derive(labels::PACKET_NEXT, b""))
    }

    /// The epoch `number`, not before this one. At most 2^12 / 256 steps (10 µs), and only for a cell that was recognised.
    fn advanced(&self, number: u64) -> Epoch {
        let mut key = self.key.copy();
        for _ in self.number..number {
            key = key.derive(labels::PACKET_NEXT, b"");
        }
        Epoch::new(number, key)
    }
}

/// Seals one direction of a link.
pub struct PacketSealer {
    direction: Direction,
    epoch: Epoch,
    next: u64,
}

impl PacketSealer {
    /// `sender` names the direction: what the initiator seals, the responder opens with a `PacketOpener` of the same `sender`.
    pub fn new(secret: &Agreed, sender: Side) -> PacketSealer {
        let (direction, epoch) = Direction::new(secret, sender);
        PacketSealer {
            direction,
            epoch,
            next: 0,
        }
    }

    /// The cell and its packet number; numbers start at 0 and grow by 1. Ends at [`SEAL_LIMIT`].
    pub fn seal(&mut self, inner: &[u8; INNER]) -> Result<([u8; CELL], u64), Spent> {
        let number = self.next;
        if number >= SEAL_LIMIT {
            return Err(Spent);
        }
        if number >> EPOCH_BITS > self.epoch.number {
            self.epoch = self.epoch.next();
        }
        self.next += 1;
        let mut cell = [0; CELL];
        let (head, rest) = cell.split_at_mut(NUMBER);
        let (body, tail) = rest.split_at_mut(INNER);
        body.copy_from_slice(inner);
        let tag = self
            .epoch
            .cipher
            .encrypt_inout_detached(&self.direction.nonce(number).into(), b"", body.into())
            .expect("a cell is shorter than AES-GCM's 64 GiB");
        tail.copy_from_slice(&tag);
        head.copy_from_slice(&(number ^ self.direction.mask(&tag.into())).to_be_bytes());
        Ok((cell, number))
    }
}

/// Opens one direction of a link.
pub struct PacketOpener {
    direction: Direction,
    epoch: Epoch,
    /// The epoch before, for packets that were overtaken.
    previous: Option<Epoch>,
    window: Window,
}

impl PacketOpener {
    pub fn new(secret: &Agreed, sender: Side) -> PacketOpener {
        let (direction, epoch) = Direction::new(secret, sender);
        PacketOpener {
            direction,
            epoch,
            previous: None,
            window: Window::new(),
        }
    }

    fn number(&self, cell: &[u8; CELL]) -> u64 {
        let head = *cell.first_chunk::<NUMBER>().expect("a cell has 512 bytes");
        let tag = cell.last_chunk::<TAG>().expect("a cell has 512 bytes");
        u64::from_be_bytes(head) ^ self.direction.mask(tag)
    }

    /// The packet number if the cell may be of this link: at most 1024 behind and 2^12 ahead of the newest. One AES block; a random
    /// cell passes with probability 2^-51.
    pub fn recognise(&self, cell: &[u8; CELL]) -> Option<u64> {
        Some(self.number(cell)).filter(|&number| self.window.near(number))
    }

    /// The state changes only if the cell is authentic and new. Packets of an epoch before the previous one are refused: their key is
    /// gone.
    pub fn open(&mut self, cell: &[u8; CELL]) -> Result<(u64, [u8; INNER]), Rejected> {
        let number = self.number(cell);
        if !self.window.fresh(number) || number >= SEAL_LIMIT {
            return Err(Rejected);
        }
        let epoch = number >> EPOCH_BITS;
        let inner;
        if epoch == self.epoch.number {
            inner = self.open_with(&self.epoch, number, cell)?;
        } else if epoch < self.epoch.number {
            let previous = self
                .previous
                .as_ref()
                .filter(|previous| previous.number == epoch)
                .ok_or(Rejected)?;
            inner = self.open_with(previous, number, cell)?;
        } else {
            let before = self.epoch.advanced(epoch - 1);
            let next = before.next();
            inner = self.open_with(&next, number, cell)?;
            self.previous = Some(before);
            self.epoch = next;
        }
        self.window.record(number);
        Ok((number, inner))
    }

    fn open_with(
        &self,
        epoch: &Epoch,
        number: u64,
        cell: &[u8; CELL],
    ) -> Result<[u8; INNER], Rejected> {
        let mut inner = [0; INNER];
        inner.copy_from_slice(&cell[NUMBER..NUMBER + INNER]);
        let tag = *cell.last_chunk::<TAG>().expect("a cell has 512 bytes");
        epoch
            .cipher
            .decrypt_inout_detached(
                &self.direction.nonce(number).into(),
                b"",
                inner.as_mut_slice().into(),
                &tag.into(),
            )
            .map_err(|_| Rejected)?;
        Ok(inner)
    }

    /// The highest packet number opened, if any.
    pub fn top(&self) -> Option<u64> {
        self.window.top()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::{Ephemeral, NodeKey, Static};
    use crate::crypto::mqv::{Transcript, es_to};
    use crate::crypto::random::Stream;

    fn direction(seed: u8) -> (PacketSealer, PacketOpener, Stream) {
        let mut random = Stream::from_seed([seed; 32]);
        let (key, x) = (
            NodeKey::generate(&mut random),
            Ephemeral::generate(&mut random),
        );
        let secret = es_to(&x, key.public_point(), Transcript::new("test")).unwrap();
        (
            PacketSealer::new(&secret, Side::Initiator),
            PacketOpener::new(&secret, Side::Initiator),
            random,
        )
    }

    #[test]
    fn each_packet_opens_once_through_loss_and_reordering_over_many_epochs() {
        let (mut sealer, mut opener, mut random) = direction(1);
        let mut expected = 0;
        for _ in 0..60 {
            let mut batch = Vec::new();
            for _ in 0..50 {
                let inner: [u8; INNER] = random.bytes();
                let (cell, number) = sealer.seal(&inner).unwrap();
                assert_eq!(number, expected);
                expected += 1;
                if random.below(3) > 0 {
                    batch.push((number, inner, cell));
                }
            }
            random.shuffle(&mut batch);
            for (number, inner, cell) in &batch {
                assert_eq!(opener.recognise(cell), Some(*number));
                assert_eq!(opener.open(cell), Ok((*number, *inner)));
            }
            for (_, _, cell) in &batch {
                assert_eq!(opener.open(cell), Err(Rejected), "replayed");
            }
        }
    }

    #[test]
    fn a_changed_cell_never_opens_and_changes_nothing() {
        let (mut sealer, mut opener, mut random) = direction(2);
        let inner: [u8; INNER] = random.bytes();
        let (cell, _) = sealer.seal(&inner).unwrap();
        for bit in 0..CELL * 8 {
            let mut changed = cell;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opener.open(&changed), Err(Rejected));
        }
        assert_eq!(opener.top(), None);
        assert_eq!(opener.open(&cell), Ok((0, inner)));
    }

    #[test]
    fn a_gap_of_many_epochs_is_bridged_and_what_lies_before_it_is_gone() {
        let (mut sealer, mut opener, _) = direction(3);
        let inner = [9; INNER];
        let (first, _) = sealer.seal(&inner).unwrap();
        let cells: Vec<_> = (1..3000).map(|_| sealer.seal(&inner).unwrap()).collect();
        let (last, number) = cells[2998];
        assert_eq!(opener.open(&last), Ok((number, inner)));
        assert_eq!(opener.open(&first), Err(Rejected), "behind the window");
        assert_eq!(
            opener.open(&cells[2600].0),
            Ok((2601, inner)),
            "the epoch before is kept"
        );
        assert_eq!(
            opener.open(&cells[2100].0),
            Err(Rejected),
            "its key is gone"
        );
    }

    #[test]
    fn the_other_direction_and_random_cells_are_not_recognised() {
        let (mut sealer, opener, mut random) = direction(4);
        let mut random2 = Stream::from_seed([4; 32]);
        let (key, x) = (
            NodeKey::generate(&mut random2),
            Ephemeral::generate(&mut random2),
        );
        let secret = es_to(&x, key.public_point(), Transcript::new("test")).unwrap();
        let mut back = PacketOpener::new(&secret, Side::Responder);
        let (cell, _) = sealer.seal(&[0; INNER]).unwrap();
        assert!(opener.recognise(&cell).is_some());
        assert_eq!(back.recognise(&cell), None);
        assert_eq!(back.open(&cell), Err(Rejected));
        assert!((0..10_000).all(|_| opener.recognise(&random.bytes()).is_none()));
    }

    #[test]
    fn no_key_and_nonce_meet_twice_in_a_million_packets() {
        let (sealer, _, _) = direction(6);
        let mut nonces = std::collections::BTreeSet::new();
        assert!((0..1 << 20).all(|number| nonces.insert(sealer.direction.nonce(number))));
        let (mut keys, mut epoch) = (std::collections::BTreeSet::new(), sealer.epoch);
        for _ in 0..4096 {
            assert!(keys.insert(*epoch.key.to_bytes()));
            epoch = epoch.next();
        }
        assert_eq!(
            *sealer_key_after(4096),
            *epoch.key.to_bytes(),
            "a jump over epochs ends where steps do"
        );
    }

    fn sealer_key_after(epochs: u64) -> zeroize::Zeroizing<[u8; 32]> {
        direction(6).0.epoch.advanced(epochs).key.to_bytes()
    }

    /// The number is masked and not sealed, so whoever holds a genuine cell may flip any of its bits.
    #[test]
    fn a_number_changed_on_the_wire_is_recognised_only_where_opening_it_is_cheap() {
        let (mut sealer, opener, _) = direction(7);
        let (cell, number) = sealer.seal(&[0; INNER]).unwrap();
        assert_eq!(opener.recognise(&cell), Some(number));
        for bit in 0..64 {
            let mut changed = cell;
            changed[7 - bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opener.recognise(&changed).is_some(), bit <= 12, "bit {bit}");
        }
    }

    #[test]
    fn a_direction_ends_before_its_counter_does() {
        let (mut sealer, mut opener, _) = direction(5);
        let end = SEAL_LIMIT >> EPOCH_BITS;
        sealer.next = SEAL_LIMIT - 1;
        sealer.epoch = sealer.epoch.advanced(end - 1);
        let (last, _) = sealer.seal(&[1; INNER]).unwrap();
        assert_eq!(sealer.seal(&[0; INNER]), Err(Spent));
        opener.window.record(SEAL_LIMIT - 2);
        opener.epoch = opener.epoch.advanced(end - 1);
        assert_eq!(opener.open(&last), Ok((SEAL_LIMIT - 1, [1; INNER])));
        // One more, as a sealer without the limit would make it.
        let epoch = sealer.epoch.next();
        let nonce = sealer.direction.nonce(SEAL_LIMIT).into();
        let mut cell = [0; CELL];
        let body = &mut cell[NUMBER..NUMBER + INNER];
        let tag = epoch
            .cipher
            .encrypt_inout_detached(&nonce, b"", body.into())
            .unwrap();
        cell[NUMBER + INNER..].copy_from_slice(&tag);
        let masked = SEAL_LIMIT ^ sealer.direction.mask(&tag.into());
        cell[..NUMBER].copy_from_slice(&masked.to_be_bytes());
        assert_eq!(opener.recognise(&cell), Some(SEAL_LIMIT));
        assert_eq!(opener.open(&cell), Err(Rejected));
    }
}
