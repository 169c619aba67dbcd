//! An AccountID is a text that people copy, dictate and retype: there is one text per key, and a mistake is refused with its place.

use paratox::crypto::id::{AccountId, BadId, EntryId, NodeId};
use paratox::crypto::keys::{AccountKey, EntryKey, NodeKey, Static};
use paratox::crypto::random::Stream;

const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

fn ids(count: usize, seed: u8) -> Vec<AccountId> {
    let mut random = Stream::from_seed([seed; 32]);
    (0..count)
        .map(|_| AccountKey::generate(&mut random).id())
        .collect()
}

fn refused(text: &str) -> BadId {
    match text.parse::<AccountId>() {
        Ok(_) => panic!("{text:?} was taken"),
        Err(bad) => {
            assert!(!bad.reason.is_empty() && !bad.reason.contains('\n'));
            assert!(bad.position.is_none_or(|at| at <= text.chars().count()));
            bad
        }
    }
}

fn with(text: &str, at: usize, c: char) -> String {
    text.chars()
        .enumerate()
        .map(|(i, old)| if i == at { c } else { old })
        .collect()
}

#[test]
fn one_text_per_key_of_62_characters_in_either_case() {
    for id in ids(50, 1) {
        let text = id.to_string();
        assert!(text.starts_with("px1") && text.len() == 62 && text.is_ascii());
        assert_eq!(text.parse::<AccountId>().unwrap(), id);
        assert_eq!(id.qr_text().len(), 62);
        assert_eq!(id.qr_text().parse::<AccountId>().unwrap(), id);
        assert!(id.qr_text().chars().all(|c| !c.is_ascii_lowercase()));
        assert_eq!(AccountId::decode(id.bytes()).unwrap(), id);
        assert!(
            format!("{id:?}").chars().count() < 12,
            "a trace does not hold the whole name"
        );
    }
}

#[test]
fn every_changed_letter_is_refused_with_its_place() {
    for id in ids(3, 2) {
        let text = id.to_string();
        for at in 0..text.len() {
            for letter in LETTERS.chars().chain("b1io".chars()) {
                let wrong = with(&text, at, letter);
                if wrong != text {
                    assert_eq!(
                        refused(&wrong).position,
                        Some(at),
                        "{letter} at {at} of {text}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_pair_of_neighbours_changed_round_is_refused_with_its_place() {
    for id in ids(20, 3) {
        let text: Vec<char> = id.to_string().chars().collect();
        for at in 0..text.len() - 1 {
            let mut wrong = text.clone();
            wrong.swap(at, at + 1);
            if wrong != text {
                let wrong: String = wrong.into_iter().collect();
                assert_eq!(refused(&wrong).position, Some(at), "{wrong}");
            }
        }
    }
}

#[test]
fn up_to_four_random_mistakes_are_never_taken() {
    let mut random = Stream::from_seed([4; 32]);
    let letters: Vec<char> = LETTERS.chars().collect();
    let texts: Vec<Vec<char>> = ids(20, 4)
        .iter()
        .map(|id| id.to_string().chars().collect())
        .collect();
    for _ in 0..10_000 {
        let text = &texts[random.below(20) as usize];
        let mut wrong = text.clone();
        for _ in 0..1 + random.below(4) {
            wrong[3 + random.below(59) as usize] = letters[random.below(32) as usize];
        }
        if wrong != *text {
            refused(&wrong.into_iter().collect::<String>());
        }
    }
}

#[test]
fn white_space_zero_width_characters_and_the_scheme_are_ignored_and_counted() {
    let id = ids(1, 5)[0];
    let text = id.to_string();
    let groups: Vec<String> = text
        .as_bytes()
        .chunks(6)
        .map(|group| String::from_utf8(group.to_vec()).unwrap())
        .collect();
    let written = [
        groups.join(" "),
        format!("  {}\r\n", groups.join("\n\t")),
        format!("paratox:{text}"),
        format!("PARATOX:{}", id.qr_text()),
        format!("paratox: {text}"),
        format!("\u{feff}{}\u{200b}", groups.join("\u{200b}")),
        format!("{}\u{a0}{}", &text[..20], &text[20..]),
    ];
    for text in &written {
        assert_eq!(text.parse::<AccountId>().unwrap(), id, "{text:?}");
    }
    // Character 40 of the text stands behind seven characters more in groups of six (6 spaces before group 7) and behind the scheme.
    let wrong = if &text[40..41] == "q" { 'p' } else { 'q' };
    let spaced = with(&groups.join(" "), 40 + 40 / 6, wrong);
    assert_eq!(refused(&spaced).position, Some(40 + 40 / 6));
    assert_eq!(
        refused(&format!("paratox:{}", with(&text, 40, wrong))).position,
        Some(48)
    );
    assert_eq!(
        refused(&format!("\u{200b}{}", with(&text, 40, wrong))).position,
        Some(41)
    );
}

#[test]
fn mixed_case_is_refused_at_the_first_letter_that_differs() {
    let text = ids(1, 6)[0].to_string();
    for (at, c) in text
        .char_indices()
        .filter(|(at, c)| *at > 0 && c.is_ascii_alphabetic())
    {
        let bad = refused(&with(&text, at, c.to_ascii_uppercase()));
        assert_eq!(bad.position, Some(at));
        assert!(bad.reason.contains("mixed"), "{}", bad.reason);
    }
    assert_eq!(refused(&with(&text, 0, 'P')).position, Some(1));
}

#[test]
fn look_alikes_from_other_alphabets_are_refused_at_their_place() {
    let text = ids(1, 7)[0].to_string();
    for (look_alike, at) in [
        ('а', 10),
        ('е', 20),
        ('х', 1),
        ('р', 0),
        ('ｐ', 0),
        ('ｑ', 33),
        ('１', 2),
        ('٣', 61),
        ('ß', 5),
        ('é', 40),
    ] {
        let bad = refused(&with(&text, at, look_alike));
        assert_eq!(bad.position, Some(at), "{look_alike}");
        assert!(bad.reason.contains(look_alike), "{}", bad.reason);
    }
    let wide: String = text
        .chars()
        .map(|c| char::from_u32(c as u32 + 0xfee0).unwrap())
        .collect();
    assert_eq!(refused(&wide).position, Some(0));
}

#[test]
fn a_wrong_length_is_told_with_both_counts_and_where_one_is_missing_or_too_many() {
    let text = ids(1, 8)[0].to_string();
    for cut in 3..62 {
        let bad = refused(&text[..cut]);
        assert!(
            bad.reason.contains("62") && bad.reason.contains(&cut.to_string()),
            "{}",
            bad.reason
        );
    }
    for at in 3..62 {
        let mut missing = text.clone();
        let gone = missing.remove(at);
        let bad = refused(&missing);
        assert!(
            bad.reason.contains("62") && bad.reason.contains("61"),
            "{}",
            bad.reason
        );
        let place = bad.position.expect("one missing letter is found");
        let mut repaired = missing.clone();
        repaired.insert(place, gone);
        assert_eq!(repaired, text, "a letter is missing at {at}, told {place}");

        let mut doubled = text.clone();
        doubled.insert(at, 'z');
        let bad = refused(&doubled);
        assert!(
            bad.reason.contains("62") && bad.reason.contains("63"),
            "{}",
            bad.reason
        );
        let mut repaired = doubled.clone();
        repaired.remove(bad.position.expect("one letter too many is found"));
        assert_eq!(repaired, text);
    }
    let bad = refused(&format!("{text}{text}"));
    assert!(
        bad.reason.contains("62") && bad.reason.contains("124"),
        "{}",
        bad.reason
    );
    refused(&"px1q".repeat(100_000));
    for empty in ["", " ", "\n\u{200b}", "paratox:"] {
        refused(empty);
    }
}

#[test]
fn the_three_kinds_of_keys_are_never_taken_for_one_another() {
    let mut random = Stream::from_seed([9; 32]);
    let node = NodeKey::generate(&mut random).id();
    let entry = EntryKey::generate(&mut random).id();
    let account = AccountKey::generate(&mut random).id();
    assert_eq!(node.to_string().parse::<NodeId>().unwrap(), node);
    assert_eq!(entry.to_string().parse::<EntryId>().unwrap(), entry);
    let bad = refused(&node.to_string());
    assert!(
        bad.reason.contains("NodeId") && bad.position == Some(2),
        "{}",
        bad.reason
    );
    assert!(refused(&entry.to_string()).reason.contains("entry"));
    assert!(
        account
            .to_string()
            .parse::<NodeId>()
            .unwrap_err()
            .reason
            .contains("AccountID")
    );
    // The same data behind the other prefix: the checksum covers the prefix too.
    let (prefix, data) = (&node.to_string()[..4], &node.to_string()[4..]);
    assert_eq!(prefix, "pxn1");
    refused(&format!("px1{data}"));
    assert_ne!(node.bytes(), account.bytes());
}

#[test]
fn only_bytes_of_a_key_in_its_one_form_are_an_id() {
    let mut random = Stream::from_seed([10; 32]);
    for _ in 0..50 {
        let key = AccountKey::generate(&mut random);
        let bytes = *key.public_point().bytes();
        for tag in 0..=255u8 {
            let mut other = bytes;
            other[0] = tag;
            assert_eq!(
                AccountId::decode(&other).is_ok(),
                tag == 2 || tag == 3,
                "tag {tag:02x}"
            );
        }
        for length in [0, 1, 32, 34, 64, 65] {
            let other: Vec<u8> = bytes.iter().copied().cycle().take(length).collect();
            assert!(AccountId::decode(&other).is_err());
        }
    }
    let prime = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    for (tag, x) in [
        ("02", prime),
        ("02", &"ff".repeat(32)),
        ("03", &"00".repeat(31)),
    ] {
        assert!(AccountId::decode(&hex::decode(format!("{tag}{x}")).unwrap()).is_err());
    }
}

/// Well-formed texts around payloads that are no key: another version, an x without a point, bits where padding must be.
#[test]
fn a_right_checksum_around_a_wrong_payload_is_refused() {
    use bech32::{Bech32m, Fe32, Hrp};
    let hrp = Hrp::parse("px").unwrap();
    let id = ids(1, 11)[0];
    let mut payload = *id.bytes();
    payload[0] &= 1;
    let encode = |payload: &[u8]| bech32::encode::<Bech32m>(hrp, payload).unwrap();
    assert_eq!(encode(&payload), id.to_string());
    let mut newer = payload;
    newer[0] |= 2;
    assert!(refused(&encode(&newer)).reason.contains("newer"));
    let off_curve = (0..=255u8).map(|last| {
        let mut other = payload;
        other[32] = last;
        other
    });
    let (taken, not): (Vec<_>, Vec<_>) =
        off_curve.partition(|other| encode(other).parse::<AccountId>().is_ok());
    assert!(
        taken.len() > 80 && not.len() > 80,
        "half of all x have a point"
    );
    refused(&encode(&payload[..32]));

    use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
    let mut symbols: Vec<Fe32> = payload.iter().copied().bytes_to_fes().collect();
    let last = symbols.pop().unwrap();
    symbols.push(Fe32::try_from(last.to_u8() | 1).unwrap());
    let text: String = symbols
        .into_iter()
        .with_checksum::<Bech32m>(&hrp)
        .chars()
        .collect();
    assert_eq!(text.len(), 62);
    refused(&text);
    assert!(
        bech32::encode::<bech32::Bech32>(hrp, &payload)
            .unwrap()
            .parse::<AccountId>()
            .is_err(),
        "the older checksum"
    );
}
