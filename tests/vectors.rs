//! Every published-style vector file in `tests/vectors` holds: a new file runs without a change here, a file of unknown shape fails.

use std::path::PathBuf;

use paratox::crypto::aead::Key;
use paratox::crypto::curve::Point;
use paratox::crypto::hctr2::Hctr2;
use paratox::crypto::id::{AccountId, EntryId, NodeId};
use paratox::crypto::keys::AccountKey;
use paratox::crypto::mqv::{Agreed, Side, Transcript, full, known_answer};
use serde::Deserialize;

/// Files whose name begins with `start`, in order of their names.
fn files(start: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            name.starts_with(start) && name.ends_with(".json")
        })
        .collect();
    paths.sort();
    assert!(
        !paths.is_empty(),
        "no {start}*.json in {}",
        folder.display()
    );
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

fn parse<'a, T: Deserialize<'a>>(path: &std::path::Path, text: &'a str) -> T {
    serde_json::from_str(text)
        .unwrap_or_else(|e| panic!("{}: not the shape of such a file: {e}", path.display()))
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    hex::decode(hexadecimal).unwrap_or_else(|e| panic!("{hexadecimal:?} is not hexadecimal: {e}"))
}

fn array<const N: usize>(hexadecimal: &str) -> [u8; N] {
    bytes(hexadecimal)
        .try_into()
        .unwrap_or_else(|b: Vec<u8>| panic!("{} bytes instead of {N}", b.len()))
}

// --- ECMQV ---

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MqvFile {
    curve: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    #[serde(rename = "generated_by")]
    _generated_by: Option<String>,
    vectors: Vec<MqvVector>,
    #[serde(default)]
    invalid: Vec<Invalid>,
    #[serde(default)]
    kaliski_unknown_key_share: Option<Kaliski>,
    #[serde(default)]
    ids_must_refuse: Vec<Encoding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MqvVector {
    id: serde_json::Value,
    scheme: String,
    #[serde(default)]
    note: String,
    static_priv_u: String,
    static_pub_u: String,
    eph_priv_u: String,
    eph_pub_u: String,
    static_priv_v: String,
    static_pub_v: String,
    eph_priv_v: Option<String>,
    eph_pub_v: Option<String>,
    z: String,
}

/// An input that must be refused. Which further fields there are depends on `where`; an unknown place fails.
#[derive(Deserialize)]
struct Invalid {
    id: serde_json::Value,
    #[serde(rename = "where")]
    place: String,
    why: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kaliski {
    #[serde(rename = "note")]
    _note: Option<String>,
    vectors: Vec<KaliskiVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KaliskiVector {
    #[serde(rename = "id")]
    _id: Option<serde_json::Value>,
    a_static_priv: String,
    a_static_pub: String,
    a_eph_priv: String,
    a_eph_pub: String,
    b_static_priv: String,
    b_static_pub: String,
    b_eph_priv: String,
    b_eph_pub: String,
    mallory_static_priv: String,
    mallory_static_pub: String,
    mallory_eph_pub: String,
    z_a: String,
    z_b: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoding {
    #[serde(rename = "id")]
    _id: Option<serde_json::Value>,
    why: String,
    encoding: String,
}

/// What a degenerate case says of one party, from fields such as `static_priv_u`, `eph_pub_v`, `peer_static_pub`.
#[derive(Default)]
struct Party {
    name: String,
    fields: std::collections::BTreeMap<(bool, bool), Vec<u8>>,
}

impl Party {
    fn all(fields: &serde_json::Map<String, serde_json::Value>) -> Vec<Party> {
        let mut parties: Vec<Party> = Vec::new();
        for (field, value) in fields {
            let parts: Vec<&str> = field.split('_').collect();
            let is = |word: &str| parts.contains(&word);
            let (Some(value), true, true) = (
                value.as_str(),
                is("priv") || is("pub"),
                is("static") || is("eph"),
            ) else {
                continue;
            };
            let name = parts
                .iter()
                .filter(|part| !["priv", "pub", "static", "eph"].contains(*part))
                .copied()
                .collect::<String>();
            let party = match parties.iter_mut().find(|party| party.name == name) {
                Some(party) => party,
                None => {
                    parties.push(Party {
                        name,
                        ..Party::default()
                    });
                    parties.last_mut().unwrap()
                }
            };
            party
                .fields
                .insert((is("priv"), is("static")), bytes(value));
        }
        parties
    }

    /// Static and ephemeral; one key serves as both where the file has no ephemeral.
    fn secrets(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let own = self.fields.get(&(true, true))?;
        Some((
            own.clone(),
            self.fields.get(&(true, false)).unwrap_or(own).clone(),
        ))
    }

    fn publics(&self) -> Option<(Point, Point)> {
        let public = |is_static: bool| match self.fields.get(&(false, is_static)) {
            Some(encoded) => point(encoded),
            None => self
                .fields
                .get(&(true, is_static))
                .and_then(|secret| known_answer::public(secret).ok()),
        };
        let own = public(true)?;
        Some((own, public(false).unwrap_or(own)))
    }
}

/// The program knows points in compressed form only. An uncompressed one of a file is compressed by its tag and x; that its y is the
/// right one shows when the point is compared with the one its secret gives.
fn point(encoded: &[u8]) -> Option<Point> {
    match encoded {
        [4, xy @ ..] if xy.len() == 64 => {
            let compressed: Vec<u8> = std::iter::once(2 + (xy[63] & 1))
                .chain(xy[..32].iter().copied())
                .collect();
            // Where x is a coordinate of the curve but y is not its root, the reference library says so.
            p256::PublicKey::from_sec1_bytes(encoded).ok()?;
            Point::decode(&compressed).ok()
        }
        _ => Point::decode(encoded).ok(),
    }
}

fn key_pair(secret: &str, public: &str) -> (Vec<u8>, Point) {
    let secret = bytes(secret);
    let public = point(&bytes(public)).expect("a point of a valid vector");
    assert_eq!(
        known_answer::public(&secret).unwrap(),
        public,
        "the public key belongs to the secret one"
    );
    (secret, public)
}

#[test]
fn ecmqv_gives_the_known_shared_values_in_both_roles() {
    for (path, text) in files("ecmqv_") {
        let file: MqvFile = parse(&path, &text);
        assert!(
            file.curve.starts_with("P-256"),
            "{}: curve {}",
            path.display(),
            file.curve
        );
        assert!(!file.vectors.is_empty(), "{}: no vectors", path.display());
        for v in &file.vectors {
            let at = format!("{} vector {} ({})", path.display(), v.id, v.note);
            let (a, a_public) = key_pair(&v.static_priv_u, &v.static_pub_u);
            let (x, x_public) = key_pair(&v.eph_priv_u, &v.eph_pub_u);
            let (b, b_public) = key_pair(&v.static_priv_v, &v.static_pub_v);
            let (y, y_public) = match (v.scheme.as_str(), &v.eph_priv_v, &v.eph_pub_v) {
                ("fullMqv", Some(secret), Some(public)) => key_pair(secret, public),
                ("onePassMqv", None, None) => (b.clone(), b_public),
                _ => panic!(
                    "{at}: unknown scheme {:?} or ephemerals that do not fit it",
                    v.scheme
                ),
            };
            let z: [u8; 32] = array(&v.z);
            assert_eq!(
                *known_answer::z(&a, &x, &b_public, &y_public).unwrap(),
                z,
                "{at}, initiator"
            );
            assert_eq!(
                *known_answer::z(&b, &y, &a_public, &x_public).unwrap(),
                z,
                "{at}, responder"
            );
        }
    }
}

#[test]
fn invalid_inputs_are_refused_where_they_enter() {
    for (path, text) in files("ecmqv_") {
        let file: MqvFile = parse(&path, &text);
        for case in &file.invalid {
            let at = format!("{} invalid {} ({})", path.display(), case.id, case.why);
            match (case.place.as_str(), &case.encoding) {
                ("public", Some(encoding)) if case.rest.is_empty() => {
                    let encoding = bytes(encoding);
                    assert!(
                        point(&encoding).is_none() && Point::decode(&encoding).is_err(),
                        "{at}: taken as a point"
                    );
                    assert!(
                        AccountId::decode(&encoding).is_err() && NodeId::decode(&encoding).is_err(),
                        "{at}: taken as an id"
                    );
                }
                ("private", Some(encoding)) if case.rest.is_empty() => {
                    let encoding = bytes(encoding);
                    assert!(
                        known_answer::ephemeral(&encoding).is_err(),
                        "{at}: taken as an ephemeral"
                    );
                    if let Ok(exact) = <[u8; 32]>::try_from(encoding) {
                        assert!(
                            AccountKey::from_bytes(&exact).is_err(),
                            "{at}: taken as an account key"
                        );
                    }
                }
                // Valid keys whose agreement must be refused: the result is the identity, for whichever side has secrets here.
                (_, None) => {
                    let parties = Party::all(&case.rest);
                    let mut tried = 0;
                    for (i, own) in parties.iter().enumerate() {
                        let Some((own_static, own_ephemeral)) = own.secrets() else {
                            continue;
                        };
                        for (_, peer) in parties.iter().enumerate().filter(|(j, _)| *j != i) {
                            let Some((peer_static, peer_ephemeral)) = peer.publics() else {
                                continue;
                            };
                            tried += 1;
                            assert!(
                                known_answer::z(
                                    &own_static,
                                    &own_ephemeral,
                                    &peer_static,
                                    &peer_ephemeral
                                )
                                .is_err(),
                                "{at}"
                            );
                        }
                    }
                    assert!(tried > 0, "{at}: unknown shape");
                }
                (place, _) => panic!("{at}: unknown place {place:?} or fields that do not fit it"),
            }
        }
    }
}

/// With s = e + avf(E)·d and P = s·(E' + avf(E')·S'): the identity comes out for E' = -avf(E')·S', or for s = 0.
#[test]
fn an_agreement_that_ends_at_the_identity_is_refused() {
    use p256::elliptic_curve::PrimeField;
    let scalar = |n: u64| p256::Scalar::from(n);
    let repr = |s: &p256::Scalar| -> [u8; 32] { s.to_repr().into() };
    // e = -avf(E)·d has no closed form, since avf depends on E; so choose e and solve for d.
    for n in 2..20u64 {
        let e = scalar(n);
        let public = known_answer::public(&repr(&e)).unwrap();
        let mut half = [0u8; 32];
        half[15] = 1;
        half[16..].copy_from_slice(&public.bytes()[17..]);
        let avf = p256::Scalar::from_repr(half.into()).unwrap();
        let d = -(e * avf.invert().unwrap());
        let peer = known_answer::public(&repr(&scalar(77))).unwrap();
        assert!(
            known_answer::z(&repr(&d), &repr(&e), &peer, &peer).is_err(),
            "own side, e = {n}"
        );
        let bad_static = known_answer::public(&repr(&d)).unwrap();
        assert!(
            known_answer::z(&repr(&scalar(5)), &repr(&scalar(6)), &bad_static, &public).is_err(),
            "peer's side, e = {n}"
        );
    }
}

#[test]
fn equal_raw_values_of_an_unknown_key_share_give_different_keys_and_no_confirmation() {
    let mut cases = 0;
    for (path, text) in files("ecmqv_") {
        let file: MqvFile = parse(&path, &text);
        for v in file
            .kaliski_unknown_key_share
            .iter()
            .flat_map(|kaliski| &kaliski.vectors)
        {
            cases += 1;
            let (a, a_public) = key_pair(&v.a_static_priv, &v.a_static_pub);
            let (x, x_public) = key_pair(&v.a_eph_priv, &v.a_eph_pub);
            let (b, b_public) = key_pair(&v.b_static_priv, &v.b_static_pub);
            let (y, y_public) = key_pair(&v.b_eph_priv, &v.b_eph_pub);
            let (_, mallory) = key_pair(&v.mallory_static_priv, &v.mallory_static_pub);
            let mallory_ephemeral = point(&bytes(&v.mallory_eph_pub)).unwrap();
            assert_ne!(mallory, a_public);

            let raw_a = known_answer::z(&a, &x, &b_public, &y_public).unwrap();
            let raw_b = known_answer::z(&b, &y, &mallory, &mallory_ephemeral).unwrap();
            assert_eq!((*raw_a, *raw_b), (array(&v.z_a), array(&v.z_b)));
            assert_eq!(*raw_a, *raw_b, "the attack works on raw MQV");

            let (alice, bob) = (
                AccountKey::from_bytes(&array(&v.a_static_priv)),
                AccountKey::from_bytes(&array(&v.b_static_priv)),
            );
            let (alice, bob) = (alice.unwrap(), bob.unwrap());
            let ephemeral = |secret: &[u8]| known_answer::ephemeral(secret).unwrap();
            let t = || Transcript::new("test");
            let at_a = full(
                Side::Initiator,
                &alice,
                ephemeral(&x),
                &b_public,
                &y_public,
                t(),
            )
            .unwrap();
            let at_b = full(
                Side::Responder,
                &bob,
                ephemeral(&y),
                &mallory,
                &mallory_ephemeral,
                t(),
            )
            .unwrap();
            let honest = full(
                Side::Responder,
                &bob,
                ephemeral(&y),
                &a_public,
                &x_public,
                t(),
            )
            .unwrap();
            assert!(same(&at_a, &honest), "the same keys without Mallory agree");
            assert!(
                !same(&at_a, &at_b),
                "{}: Alice and Bob have the same keys and disagree about who they talk to",
                path.display()
            );
        }
    }
    assert!(cases > 0, "no unknown-key-share case in any file");
}

/// Keys equal; the confirmations say the same.
fn same(one: &Agreed, other: &Agreed) -> bool {
    let equal = one.key("test").to_bytes() == other.key("test").to_bytes();
    for side in [Side::Initiator, Side::Responder] {
        assert_eq!(one.confirms(side, &other.confirm(side)), equal);
        assert_eq!(other.confirms(side, &one.confirm(side)), equal);
    }
    equal
}

#[test]
fn ids_refuse_second_encodings_of_a_key() {
    for (path, text) in files("ecmqv_") {
        let file: MqvFile = parse(&path, &text);
        for case in &file.ids_must_refuse {
            let encoding = bytes(&case.encoding);
            let taken = Point::decode(&encoding).is_ok()
                || AccountId::decode(&encoding).is_ok()
                || NodeId::decode(&encoding).is_ok()
                || EntryId::decode(&encoding).is_ok();
            assert!(!taken, "{}: {}", path.display(), case.why);
        }
    }
}

// --- HCTR2 ---

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hctr2File {
    cipher: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    #[serde(rename = "generated_by")]
    _generated_by: Option<String>,
    vectors: Vec<Hctr2Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hctr2Vector {
    id: serde_json::Value,
    #[serde(rename = "note")]
    _note: Option<String>,
    key: String,
    tweak: String,
    plaintext: String,
    ciphertext: String,
}

#[test]
fn hctr2_gives_the_known_ciphertexts_and_back() {
    for (path, text) in files("hctr2_") {
        let file: Hctr2File = parse(&path, &text);
        assert!(
            file.cipher.starts_with("HCTR2-AES-256"),
            "{}: cipher {}",
            path.display(),
            file.cipher
        );
        assert!(!file.vectors.is_empty(), "{}: no vectors", path.display());
        for v in &file.vectors {
            let at = format!("{} vector {}", path.display(), v.id);
            let (plain, encrypted) = (bytes(&v.plaintext), bytes(&v.ciphertext));
            assert_eq!(plain.len(), encrypted.len(), "{at}");
            let cipher = Hctr2::new(&Key::from_bytes(&array(&v.key)));
            let tweak = cipher.tweak(&bytes(&v.tweak), plain.len());
            let mut message = plain.clone();
            cipher.encrypt(&tweak, &mut message);
            assert_eq!(message, encrypted, "{at}");
            cipher.decrypt(&tweak, &mut message);
            assert_eq!(message, plain, "{at}");
        }
    }
}
