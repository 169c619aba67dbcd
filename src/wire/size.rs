//! Sizes of everything on the wire, in bytes, and the proof of their sums.

/// Every datagram, from the first handshake on. At equal bandwidth a hop waits 2.3 times less than with 1200 bytes.
pub const DATAGRAM: usize = 512;
/// Masked packet number in front of a data cell.
pub const NUMBER: usize = 8;
/// Authentication tag (AES-GCM).
pub const TAG: usize = 16;
/// Inner cell: what a link seals.
pub const INNER: usize = DATAGRAM - NUMBER - TAG;
/// Kind, acknowledgements, credit, sequence.
pub const INNER_HEADER: usize = 24;
/// What one cell carries for the layer above the link.
pub const BODY: usize = INNER - INNER_HEADER;
/// Circuit id in front of an onion block.
pub const CIRCUIT_ID: usize = 4;
/// Onion block: what each hop encrypts or decrypts whole.
pub const BLOCK: usize = BODY - CIRCUIT_ID;
/// Sequence number of the end-to-end seal inside a block.
pub const SEQUENCE: usize = 8;
/// Command and length at the end of a circuit.
pub const COMMAND: usize = 3;
/// What the end of a circuit seals: command, length, data.
pub const END: usize = BLOCK - TAG - SEQUENCE;
/// Data of one end-to-end cell.
pub const END_DATA: usize = END - COMMAND;
/// One end-to-end encrypted unit between two people.
pub const PARCEL: usize = 400;
/// Text of one parcel.
pub const TEXT: usize = 280;
/// Body of a ratchet parcel.
pub const PARCEL_BODY: usize = 299;
/// Sealed request or answer of a DHT query through a circuit.
pub const SEALED: usize = 382;
/// Body of a sealed request or answer.
pub const QUERY: usize = 333;
/// Value of the DHT: two chunks.
pub const VALUE: usize = 568;
/// Half a value: what one PUT or GET carries.
pub const CHUNK: usize = 284;
/// Signed node record.
pub const RECORD: usize = 124;
/// Address and port.
pub const ADDRESS: usize = 18;
/// Compressed point.
pub const POINT: usize = 33;
/// Signature.
pub const SIGNATURE: usize = 64;
/// Link certificate as a hop names its neighbours: NodeId, address, expiry, two signatures.
pub const NEIGHBOUR: usize = POINT + ADDRESS + 4 + 2 * SIGNATURE;

const _: () = {
    assert!(INNER == 488 && BODY == 464 && BLOCK == 460 && END == 436 && END_DATA == 433);
    assert!(POINT + ADDRESS + SEALED == END_DATA);
    assert!(POINT + QUERY + TAG == SEALED);
    assert!(1 + 8 + 32 + 1 + 1 + 2 + 4 + CHUNK == QUERY);
    assert!(1 + 2 * RECORD + 14 * 6 == QUERY);
    assert!(2 * CHUNK == VALUE);
    assert!(1 + 4 + POINT + 8 + 12 + 430 + TAG + SIGNATURE == VALUE);
    assert!(2 * (POINT + ADDRESS + POINT + 16) + (POINT + 4 + 4) + 16 <= 430);
    assert!(12 + (33 + 4 + 4) + TAG + 16 + PARCEL_BODY + TAG == PARCEL);
    assert!(POINT + 4 + POINT + TAG + 298 + TAG == PARCEL);
    assert!(1 + 4 + 4 + 8 + 2 + TEXT == PARCEL_BODY);
    assert!(POINT + PARCEL == END_DATA);
    assert!(4 + PARCEL + 29 == END_DATA);
    assert!(NEIGHBOUR == 183 && 2 * NEIGHBOUR <= END_DATA);
    assert!(2 + POINT + ADDRESS + 4 + 2 + 1 + SIGNATURE == RECORD);
};
