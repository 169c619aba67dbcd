//! Every domain-separation label of the room in one table, so that two uses never share one by accident.
//!
//! A label is a constant of the protocol: changing one makes a new, incompatible version.

/// First thing in every transcript.
pub(super) const TRANSCRIPT: &str = "paratox mqv v1";
/// First thing in the info of every derived key.
pub(super) const DERIVE: &str = "paratox key v1";
/// Salt of a secret that needs two agreements.
pub(super) const MIX: &str = "paratox mix v1";

/// Keys out of an agreement.
pub(super) const CONFIRM_INITIATOR: &str = "confirm initiator";
pub(super) const CONFIRM_RESPONDER: &str = "confirm responder";

/// Link packets, per direction, and what each direction's secret is split into.
pub(super) const PACKET_INITIATOR: &str = "packet initiator";
pub(super) const PACKET_RESPONDER: &str = "packet responder";
pub(super) const PACKET_KEY: &str = "packet key";
pub(super) const PACKET_IV: &str = "packet iv";
pub(super) const PACKET_MASK: &str = "packet mask";
pub(super) const PACKET_NEXT: &str = "packet next";

/// Circuits.
pub(super) const LAYER_FORWARD: &str = "layer forward";
pub(super) const LAYER_BACKWARD: &str = "layer backward";
pub(super) const END_FORWARD: &str = "end forward";
pub(super) const END_BACKWARD: &str = "end backward";
pub(super) const END_KEY: &str = "end key";
pub(super) const END_IV: &str = "end iv";

/// Blinding: expand_message_xmd's domain separation tag (RFC 9380).
pub(super) const BLIND: &[u8] = b"paratox v1 blind";
/// What a blinded key signs.
pub(super) const BLIND_SIGNATURE: &str = "paratox blinded signature v1";
/// What a node key signs.
pub(super) const NODE_RECORD: &str = "paratox node record v1";
pub(super) const LINK_CERTIFICATE: &str = "paratox link certificate v1";
pub(super) const ENTRY_ANSWER: &str = "paratox entry answer v1";

/// The code two people compare.
pub(super) const PAIR: &str = "paratox pair code v1";

/// First parcels between two people.
pub(super) const PARCEL_MASK: &str = "paratox parcel mask v1";
pub(super) const PARCEL_SENDER: &str = "parcel sender";
pub(super) const PARCEL_BODY: &str = "parcel body";
pub(super) const SESSION_OFFER: &str = "session offer";
pub(super) const SEALED: &str = "sealed parcel";
pub(super) const PREKEY: &str = "epoch prekey parcel";
/// The answer, and what comes of it.
pub(super) const SESSION: &str = "session agreement";
pub(super) const SESSION_MASK: &str = "session mask";
pub(super) const SESSION_ANSWER: &str = "session answer";
pub(super) const SESSION_ROOT: &str = "session root";

/// Ratchet.
pub(super) const RATCHET_INITIATOR: &str = "ratchet header initiator";
pub(super) const RATCHET_RESPONDER: &str = "ratchet header responder";
pub(super) const RATCHET_ROOT: &str = "ratchet root";
pub(super) const RATCHET_CHAIN: &str = "ratchet chain";
pub(super) const RATCHET_HEADER: &str = "ratchet next header";
pub(super) const RATCHET_MESSAGE: &str = "ratchet message";
pub(super) const RATCHET_BODY: &str = "ratchet body";
pub(super) const RATCHET_COMMITMENT: &str = "ratchet commitment";

#[cfg(test)]
mod tests {
    /// Every label of this file, as the compiler sees it.
    fn labels() -> Vec<&'static str> {
        let source = include_str!("labels.rs");
        let table = source.split("#[cfg(test)]").next().unwrap();
        let code = table.lines().filter(|line| !line.starts_with("//"));
        let constants: Vec<&str> = code.filter(|line| line.contains("const")).collect();
        let labels: Vec<&str> = constants
            .iter()
            .map(|line| {
                line.split('"')
                    .nth(1)
                    .expect("a label on the line of its constant")
            })
            .collect();
        assert!(labels.len() > 40 && labels.len() == table.matches("pub(super) const").count());
        labels
    }

    #[test]
    fn no_label_is_another_or_the_beginning_of_another() {
        let labels = labels();
        for (i, one) in labels.iter().enumerate() {
            for (j, other) in labels.iter().enumerate() {
                assert!(
                    i == j || !other.starts_with(one),
                    "{one:?} begins {other:?}"
                );
            }
        }
    }

    #[test]
    fn the_protocol_text_names_every_label() {
        let protocol = include_str!("../PROTOCOL.md");
        for label in labels() {
            assert!(protocol.contains(&format!("\"{label}\"")), "{label:?}");
        }
    }
}
