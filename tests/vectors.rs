//! Every file of known answers in `tests/vectors` holds, and files that are damaged, empty or of unknown shape are noticed.
//!
//! `ecmqv_*.json` and `hctr2_*.json` that are put there run without a change here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use p256::elliptic_curve::sec1::ToSec1Point;
use paratox::crypto::aead::Key;
use paratox::crypto::blind::BlindedId;
use paratox::crypto::curve::Point;
use paratox::crypto::hctr2::Hctr2;
use paratox::crypto::id::{AccountId, EntryId, NodeId};
use paratox::crypto::keys::{AccountKey, CookieKey, EntryKey, NodeKey};
use paratox::crypto::mqv::{Agreed, Side, Transcript, full, known_answer};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How many cases held, or what did not.
type Checked = Result<usize, String>;

/// Text of each file whose name begins with `start`, in order of their names.
fn files(start: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(start) && name.ends_with(".json"))
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

/// Runs a check over all files of a kind; each must be whole, and there must be a case in one of them.
fn in_all_files<F: for<'a> Deserialize<'a>>(start: &str, check: impl Fn(&F) -> Checked) {
    let mut cases = 0;
    for (path, text) in files(start) {
        let checked = parse(&text).and_then(|file| check(&file));
        cases += checked.unwrap_or_else(|what| panic!("{}: {what}", path.display()));
    }
    assert!(cases > 0, "no such case in any {start}*.json");
}

fn parse<F: for<'a> Deserialize<'a>>(text: &str) -> Result<F, String> {
    serde_json::from_str(text).map_err(|e| format!("not the shape of such a file: {e}"))
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn bytes(hexadecimal: &str) -> Result<Vec<u8>, String> {
    hex::decode(hexadecimal).map_err(|e| format!("{hexadecimal:?} is not hexadecimal: {e}"))
}

fn array<const N: usize>(hexadecimal: &str) -> Result<[u8; N], String> {
    let bytes = bytes(hexadecimal)?;
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| format!("{length} bytes instead of {N}"))
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
    #[serde(default)]
    vectors: Vec<MqvVector>,
    #[serde(default)]
    invalid: Vec<Invalid>,
    kaliski_unknown_key_share: Option<Kaliski>,
    #[serde(default)]
    ids_must_refuse: Vec<Encoding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MqvVector {
    id: Value,
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
    id: Value,
    #[serde(rename = "where")]
    place: String,
    why: String,
    encoding: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
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
    _id: Option<Value>,
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
    _id: Option<Value>,
    why: String,
    encoding: String,
}

/// The program knows points in compressed form only. An uncompressed one of a file is compressed by its tag and x, and must be what the
/// compressed one stands for.
fn point(encoded: &[u8]) -> Result<Point, String> {
    match compressed(encoded) {
        Some(compressed) => {
            let point = Point::decode(&compressed).map_err(|e| e.to_string())?;
            ensure(uncompressed(&point) == encoded, || {
                "not on the curve".to_owned()
            })?;
            Ok(point)
        }
        None => Point::decode(encoded).map_err(|e| e.to_string()),
    }
}

fn compressed(encoded: &[u8]) -> Option<Vec<u8>> {
    match encoded {
        [4, xy @ ..] if xy.len() == 64 => Some([&[2 + (xy[63] & 1)], &xy[..32]].concat()),
        _ => None,
    }
}

fn uncompressed(point: &Point) -> Vec<u8> {
    let key = p256::PublicKey::from_sec1_bytes(point.bytes()).unwrap();
    key.to_sec1_point(false).as_bytes().to_vec()
}

/// A secret key and the public one that stands beside it.
fn key_pair(secret: &str, public: &str) -> Result<(Vec<u8>, Point), String> {
    let secret = bytes(secret)?;
    let public = point(&bytes(public)?)?;
    let computed = known_answer::public(&secret).map_err(|e| format!("secret key: {e}"))?;
    ensure(computed == public, || {
        "the public key is not that of the secret one".to_owned()
    })?;
    Ok((secret, public))
}

fn z(own: (&[u8], &[u8]), peer: (&Point, &Point)) -> Result<[u8; 32], String> {
    known_answer::z(own.0, own.1, peer.0, peer.1)
        .map(|z| *z)
        .map_err(|e| e.to_string())
}

fn shared_values(file: &MqvFile) -> Checked {
    for v in &file.vectors {
        shared_value(v).map_err(|what| format!("vector {} ({}): {what}", v.id, v.note))?;
    }
    Ok(file.vectors.len())
}

fn shared_value(v: &MqvVector) -> Result<(), String> {
    let (a, a_public) = key_pair(&v.static_priv_u, &v.static_pub_u)?;
    let (x, x_public) = key_pair(&v.eph_priv_u, &v.eph_pub_u)?;
    let (b, b_public) = key_pair(&v.static_priv_v, &v.static_pub_v)?;
    let (y, y_public) = match (v.scheme.as_str(), &v.eph_priv_v, &v.eph_pub_v) {
        ("fullMqv", Some(secret), Some(public)) => key_pair(secret, public)?,
        ("onePassMqv", None, None) => (b.clone(), b_public),
        (scheme, ..) => return Err(format!("scheme {scheme:?} and its ephemerals do not fit")),
    };
    let expected = array(&v.z)?;
    let at_u = z((&a, &x), (&b_public, &y_public))?;
    let at_v = z((&b, &y), (&a_public, &x_public))?;
    ensure(at_u == expected && at_v == expected, || {
        format!("z is {} and {}", hex::encode(at_u), hex::encode(at_v))
    })
}

fn invalid_inputs(file: &MqvFile) -> Checked {
    for case in &file.invalid {
        invalid_input(case)
            .map_err(|what| format!("invalid input {} ({}): {what}", case.id, case.why))?;
    }
    Ok(file.invalid.len())
}

fn invalid_input(case: &Invalid) -> Result<(), String> {
    match (case.place.as_str(), &case.encoding) {
        ("public", Some(encoding)) if case.rest.is_empty() => {
            let encoding = bytes(encoding)?;
            ensure(point(&encoding).is_err() && !is_taken(&encoding), || {
                "taken as a key".to_owned()
            })
        }
        ("private", Some(encoding)) if case.rest.is_empty() => {
            let encoding = bytes(encoding)?;
            ensure(known_answer::ephemeral(&encoding).is_err(), || {
                "taken as an ephemeral".to_owned()
            })?;
            let Ok(exact) = <[u8; 32]>::try_from(encoding) else {
                return Ok(());
            };
            let taken = AccountKey::from_bytes(&exact).is_ok()
                || NodeKey::from_bytes(&exact).is_ok()
                || EntryKey::from_bytes(&exact).is_ok()
                || CookieKey::from_bytes(&exact).is_ok();
            ensure(!taken, || "taken as a static key".to_owned())
        }
        // Valid keys whose agreement must be refused: the result is the identity, for whichever side has secrets here.
        (_, None) => degenerate(&Party::all(&case.rest)?),
        (place, _) => Err(format!(
            "unknown place {place:?}, or fields that do not fit it"
        )),
    }
}

/// Whether any door of the program takes these bytes for a public key.
fn is_taken(encoding: &[u8]) -> bool {
    Point::decode(encoding).is_ok()
        || AccountId::decode(encoding).is_ok()
        || NodeId::decode(encoding).is_ok()
        || EntryId::decode(encoding).is_ok()
        || BlindedId::decode(encoding).is_ok()
}

/// What a degenerate case says of one party, from fields such as `static_priv_u`, `eph_pub_v`, `peer_static_pub`.
#[derive(Default)]
struct Party {
    /// By: secret, static.
    fields: BTreeMap<(bool, bool), Vec<u8>>,
}

/// Static and ephemeral.
type Secrets = (Vec<u8>, Vec<u8>);

impl Party {
    fn all(fields: &Map<String, Value>) -> Result<Vec<Party>, String> {
        let mut parties: BTreeMap<String, Party> = BTreeMap::new();
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
            let words = ["priv", "pub", "static", "eph"];
            let name: String = parts
                .iter()
                .filter(|part| !words.contains(*part))
                .copied()
                .collect();
            let party = parties.entry(name).or_default();
            party
                .fields
                .insert((is("priv"), is("static")), bytes(value)?);
        }
        Ok(parties.into_values().collect())
    }

    /// Static and ephemeral; one key serves as both where the file has no ephemeral. They must be keys, or nothing was shown.
    fn secrets(&self) -> Option<Result<Secrets, String>> {
        let own = self.fields.get(&(true, true))?;
        let ephemeral = self.fields.get(&(true, false)).unwrap_or(own);
        let good = |secret: &[u8]| known_answer::public(secret).is_ok();
        Some(match good(own) && good(ephemeral) {
            true => Ok((own.clone(), ephemeral.clone())),
            false => Err("its secret keys are none".to_owned()),
        })
    }

    fn publics(&self) -> Option<Result<(Point, Point), String>> {
        let public = |is_static: bool| -> Option<Result<Point, String>> {
            match self.fields.get(&(false, is_static)) {
                Some(encoded) => Some(point(encoded)),
                None => {
                    let secret = self.fields.get(&(true, is_static))?;
                    Some(known_answer::public(secret).map_err(|e| e.to_string()))
                }
            }
        };
        let own = public(true)?;
        let ephemeral = public(false).unwrap_or(own.clone());
        Some(own.and_then(|own| Ok((own, ephemeral?))))
    }
}

fn degenerate(parties: &[Party]) -> Result<(), String> {
    let mut tried = 0;
    for (i, own) in parties.iter().enumerate() {
        let Some(own) = own.secrets() else { continue };
        let (own_static, own_ephemeral) = own?;
        for (_, peer) in parties.iter().enumerate().filter(|(j, _)| *j != i) {
            let Some(peer) = peer.publics() else { continue };
            let (peer_static, peer_ephemeral) = peer?;
            tried += 1;
            let result = z(
                (&own_static, &own_ephemeral),
                (&peer_static, &peer_ephemeral),
            );
            ensure(result.is_err(), || "the agreement gives a value".to_owned())?;
        }
    }
    ensure(tried > 0, || "unknown shape".to_owned())
}

fn unknown_key_shares(file: &MqvFile) -> Checked {
    let Some(kaliski) = &file.kaliski_unknown_key_share else {
        return Ok(0);
    };
    ensure(!kaliski.vectors.is_empty(), || {
        "a section of unknown key shares without any".to_owned()
    })?;
    for (n, v) in kaliski.vectors.iter().enumerate() {
        unknown_key_share(v).map_err(|what| format!("unknown key share {n}: {what}"))?;
    }
    Ok(kaliski.vectors.len())
}

fn unknown_key_share(v: &KaliskiVector) -> Result<(), String> {
    let (a, a_public) = key_pair(&v.a_static_priv, &v.a_static_pub)?;
    let (x, x_public) = key_pair(&v.a_eph_priv, &v.a_eph_pub)?;
    let (b, b_public) = key_pair(&v.b_static_priv, &v.b_static_pub)?;
    let (y, y_public) = key_pair(&v.b_eph_priv, &v.b_eph_pub)?;
    let (_, mallory) = key_pair(&v.mallory_static_priv, &v.mallory_static_pub)?;
    let mallory_ephemeral = point(&bytes(&v.mallory_eph_pub)?)?;
    ensure(mallory != a_public, || "Mallory is Alice".to_owned())?;

    let raw_a = z((&a, &x), (&b_public, &y_public))?;
    let raw_b = z((&b, &y), (&mallory, &mallory_ephemeral))?;
    ensure(raw_a == array(&v.z_a)? && raw_b == array(&v.z_b)?, || {
        format!("z is {} and {}", hex::encode(raw_a), hex::encode(raw_b))
    })?;
    ensure(raw_a == raw_b, || "no attack on raw MQV".to_owned())?;

    let account = |secret: &[u8]| AccountKey::from_bytes(secret.try_into().unwrap()).unwrap();
    let (alice, bob) = (account(&a), account(&b));
    let agree =
        |side, own: &AccountKey, own_ephemeral: &[u8], peer: &Point, peer_ephemeral: &Point| {
            let own_ephemeral = known_answer::ephemeral(own_ephemeral).unwrap();
            full(
                side,
                own,
                own_ephemeral,
                peer,
                peer_ephemeral,
                Transcript::new("test"),
            )
            .unwrap()
        };
    let at_a = agree(Side::Initiator, &alice, &x, &b_public, &y_public);
    let at_b = agree(Side::Responder, &bob, &y, &mallory, &mallory_ephemeral);
    let honest = agree(Side::Responder, &bob, &y, &a_public, &x_public);
    ensure(same(&at_a, &honest), || {
        "Alice and Bob do not agree without Mallory".to_owned()
    })?;
    ensure(!same(&at_a, &at_b), || {
        "Alice and Bob have the same keys and disagree about who they talk to".to_owned()
    })
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

fn second_encodings(file: &MqvFile) -> Checked {
    for case in &file.ids_must_refuse {
        let encoding = bytes(&case.encoding)?;
        ensure(!is_taken(&encoding), || {
            format!("taken as an id: {}", case.why)
        })?;
    }
    Ok(file.ids_must_refuse.len())
}

/// Everything a file has. A file without a case is not one.
fn whole_ecmqv_file(file: &MqvFile) -> Checked {
    ensure(file.curve.starts_with("P-256"), || {
        format!("curve {}", file.curve)
    })?;
    let cases = shared_values(file)?
        + invalid_inputs(file)?
        + unknown_key_shares(file)?
        + second_encodings(file)?;
    ensure(cases > 0, || "no case in it".to_owned())?;
    Ok(cases)
}

#[test]
fn ecmqv_gives_the_known_shared_values_in_both_roles() {
    in_all_files("ecmqv_", shared_values);
}

#[test]
fn invalid_inputs_are_refused_where_they_enter() {
    in_all_files("ecmqv_", invalid_inputs);
}

#[test]
fn equal_raw_values_of_an_unknown_key_share_give_different_keys_and_no_confirmation() {
    in_all_files("ecmqv_", unknown_key_shares);
}

#[test]
fn ids_refuse_second_encodings_of_a_key() {
    in_all_files("ecmqv_", second_encodings);
}

#[test]
fn every_ecmqv_file_has_something_to_say() {
    in_all_files("ecmqv_", whole_ecmqv_file);
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
            z((&repr(&d), &repr(&e)), (&peer, &peer)).is_err(),
            "own side, e = {n}"
        );
        let bad_static = known_answer::public(&repr(&d)).unwrap();
        assert!(
            z(
                (&repr(&scalar(5)), &repr(&scalar(6))),
                (&bad_static, &public)
            )
            .is_err(),
            "peer's side, e = {n}"
        );
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
    id: Value,
    #[serde(rename = "note")]
    _note: Option<String>,
    key: String,
    tweak: String,
    plaintext: String,
    ciphertext: String,
}

fn ciphertexts(file: &Hctr2File) -> Checked {
    ensure(file.cipher.starts_with("HCTR2-AES-256"), || {
        format!("cipher {}", file.cipher)
    })?;
    ensure(!file.vectors.is_empty(), || "no case in it".to_owned())?;
    for v in &file.vectors {
        ciphertext(v).map_err(|what| format!("vector {}: {what}", v.id))?;
    }
    Ok(file.vectors.len())
}

fn ciphertext(v: &Hctr2Vector) -> Result<(), String> {
    let (plain, encrypted) = (bytes(&v.plaintext)?, bytes(&v.ciphertext)?);
    ensure(plain.len() == encrypted.len() && plain.len() >= 16, || {
        format!("{} and {} bytes", plain.len(), encrypted.len())
    })?;
    let cipher = Hctr2::new(&Key::from_bytes(&array(&v.key)?));
    let tweak = cipher.tweak(&bytes(&v.tweak)?, plain.len());
    let mut message = plain.clone();
    cipher.encrypt(&tweak, &mut message);
    ensure(message == encrypted, || {
        format!("encrypts to {}", hex::encode(&message))
    })?;
    cipher.decrypt(&tweak, &mut message);
    ensure(message == plain, || {
        format!("decrypts to {}", hex::encode(&message))
    })
}

#[test]
fn hctr2_gives_the_known_ciphertexts_and_back() {
    in_all_files("hctr2_", ciphertexts);
}

// --- What must not pass ---

fn ecmqv(file: &Value) -> Checked {
    parse(&file.to_string()).and_then(|file| whole_ecmqv_file(&file))
}

fn hctr2(file: &Value) -> Checked {
    parse(&file.to_string()).and_then(|file| ciphertexts(&file))
}

/// Changes the last digit.
fn changed(hexadecimal: &str) -> String {
    let (head, last) = hexadecimal.split_at(hexadecimal.len() - 1);
    let digit = u8::from_str_radix(last, 16).unwrap();
    format!("{head}{:x}", digit ^ 1)
}

/// Files with one case each, and the path of that case in them: `file["vectors"][0]`, and so on.
fn one_case_each(file: &Value, section: &str) -> Vec<Value> {
    let cases = file.pointer(section).and_then(Value::as_array);
    let one = |case: &Value| {
        let mut small = file.clone();
        for list in ["/vectors", "/invalid", "/ids_must_refuse"] {
            if let Some(list) = small.pointer_mut(list) {
                *list = Value::Array(Vec::new());
            }
        }
        if !section.starts_with("/kaliski") {
            small
                .as_object_mut()
                .unwrap()
                .remove("kaliski_unknown_key_share");
        }
        *small.pointer_mut(section).unwrap() = Value::Array(vec![case.clone()]);
        small
    };
    cases.into_iter().flatten().map(one).collect()
}

/// Every figure of every case counts: with one changed digit, one field missing or one too many the file does not pass.
fn every_figure_counts(start: &str, section: &str, notes: &[&str], check: fn(&Value) -> Checked) {
    for (path, text) in files(start) {
        let file: Value = serde_json::from_str(&text).unwrap();
        for small in one_case_each(&file, section) {
            let case = format!("{section}/0");
            let at = || format!("{} {case}", path.display());
            check(&small).unwrap_or_else(|what| panic!("{}: {what}", at()));
            let fields = small.pointer(&case).and_then(Value::as_object).unwrap();
            for (field, value) in fields {
                if notes.contains(&field.as_str()) {
                    continue;
                }
                let with = |value: Option<Value>| {
                    let mut other = small.clone();
                    let case = other.pointer_mut(&case).and_then(Value::as_object_mut);
                    match value {
                        Some(value) => case.unwrap().insert(field.clone(), value),
                        None => case.unwrap().remove(field),
                    };
                    other
                };
                if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
                    let other = match hex::decode(text) {
                        Ok(_) => changed(text),
                        Err(_) => format!("{text}?"),
                    };
                    assert!(
                        check(&with(Some(other.into()))).is_err(),
                        "{} {field}",
                        at()
                    );
                }
                if !value.is_null() {
                    assert!(check(&with(None)).is_err(), "{} without {field}", at());
                }
            }
            let mut more = small.clone();
            more.pointer_mut(&case).unwrap()["unheard_of"] = "00".into();
            assert!(check(&more).is_err(), "{} with a field nobody knows", at());
        }
    }
}

#[test]
fn no_figure_of_a_shared_value_can_change_unnoticed() {
    every_figure_counts("ecmqv_", "/vectors", &["id", "note"], ecmqv);
}

#[test]
fn no_figure_of_an_unknown_key_share_can_change_unnoticed() {
    every_figure_counts(
        "ecmqv_",
        "/kaliski_unknown_key_share/vectors",
        &["id"],
        ecmqv,
    );
}

#[test]
fn no_figure_of_a_ciphertext_can_change_unnoticed() {
    every_figure_counts("hctr2_", "/vectors", &["id", "note"], hctr2);
}

#[test]
fn an_input_said_to_be_invalid_that_is_a_good_key_is_noticed() {
    let secret = [7; 32];
    let public = known_answer::public(&secret).unwrap();
    let file = |section: &str, case: Value| {
        let mut file = serde_json::json!({ "curve": "P-256" });
        file[section] = Value::Array(vec![case]);
        file
    };
    let invalid = |place: &str, encoding: Vec<u8>| {
        let encoding = hex::encode(encoding);
        let case = serde_json::json!({ "id": 0, "where": place, "why": "", "encoding": encoding });
        ecmqv(&file("invalid", case)).is_ok()
    };
    assert!(invalid("public", vec![0]) && invalid("private", vec![0; 32]));
    assert!(invalid("private", vec![1; 31]) && invalid("private", vec![1; 33]));
    assert!(!invalid("elsewhere", vec![0]));
    for encoding in [public.bytes().to_vec(), uncompressed(&public)] {
        assert!(!invalid("public", encoding));
    }
    assert!(!invalid("private", secret.to_vec()));
    let encoding = hex::encode(public.bytes());
    let second = serde_json::json!({ "why": "", "encoding": encoding });
    assert!(ecmqv(&file("ids_must_refuse", second)).is_err());
    // Keys that agree, keys that are none, and nothing to try.
    for (field, value) in [
        ("static_pub_v", hex::encode(public.bytes())),
        ("static_pub_v", "00".repeat(33)),
        ("static_priv_v", "00".repeat(32)),
        ("colour", "00".to_owned()),
    ] {
        let own = hex::encode([9; 32]);
        let case = serde_json::json!({ "id": 0, "where": "result", "why": "", "static_priv_u": own, field: value });
        assert!(ecmqv(&file("invalid", case)).is_err(), "{field} {value}");
    }
}

#[test]
fn a_file_that_is_empty_or_of_unknown_shape_is_noticed() {
    let shapes = [
        "",
        "[]",
        "{}",
        r#"{ "curve": "P-256" }"#,
        r#"{ "curve": "P-256", "vectors": [] }"#,
        r#"{ "curve": "P-256", "kaliski_unknown_key_share": { "vectors": [] } }"#,
        r#"{ "cipher": "HCTR2-AES-256" }"#,
        r#"{ "cipher": "HCTR2-AES-256", "vectors": [] }"#,
    ];
    for text in shapes {
        assert!(
            parse(text)
                .and_then(|file| whole_ecmqv_file(&file))
                .is_err(),
            "{text:?}"
        );
        assert!(
            parse(text).and_then(|file| ciphertexts(&file)).is_err(),
            "{text:?}"
        );
    }
    for (start, check) in [
        ("ecmqv_", ecmqv as fn(&Value) -> Checked),
        ("hctr2_", hctr2),
    ] {
        for (_, text) in files(start) {
            let mut file: Value = serde_json::from_str(&text).unwrap();
            file["unheard_of"] = Value::Array(Vec::new());
            assert!(check(&file).is_err());
        }
    }
    let other = |key: &str, value: &str| {
        let mut file: Value = serde_json::from_str(&files("ecmqv_")[0].1).unwrap();
        file[key] = value.into();
        ecmqv(&file)
    };
    assert!(other("curve", "P-384").is_err());
}
