//! Texts of keys: bech32m (BIP-350), and finding the place of a typo.
//!
//! People dictate and retype these texts, so a wrong one is refused with a sentence and the place of the mistake, counted in
//! characters of the text as it was given. Not here: which bytes a kind of key holds (`id`, and tickets in `wire`).

use bech32::primitives::checksum::Engine;
use bech32::{Bech32m, Checksum, Fe32, Hrp};

/// Why a text is not a key, and where (character offset in the text as given, counted from 0).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadId {
    /// One sentence for the person who typed it.
    pub reason: String,
    /// Where the mistake probably is.
    pub position: Option<usize>,
}

/// A kind of text.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// In front of the separator `1`, lower case.
    pub prefix: &'static str,
    /// With its article, for sentences: "an AccountID".
    pub name: &'static str,
    /// Lengths of the payload in bytes that it may have.
    pub payloads: &'static [usize],
}

/// The kinds there are, so that one pasted for another is called by its name.
const KINDS: [(&str, &str); 3] = [
    ("px", "an AccountID"),
    ("pxn", "a NodeId"),
    ("pxe", "an entry node's key"),
];

/// Symbols of the checksum.
const CHECKSUM: usize = 6;

/// A text is at most this long before anything is looked at: the longest form has 89 characters, the rest is white space.
const LONGEST: usize = 1000;

const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Lower-case text of `payload`.
pub fn encode(form: &Form, payload: &[u8]) -> String {
    let hrp = Hrp::parse(form.prefix).expect("prefixes are short lower-case words");
    bech32::encode_lower::<Bech32m>(hrp, payload)
        .expect("payloads are far shorter than bech32m's limit")
}

/// Reads a text of this form: either case, white space and zero-width characters ignored, also behind `paratox:`.
pub fn decode(form: &Form, text: &str) -> Result<Vec<u8>, BadId> {
    let letters = letters(form, text)?;
    let end = text.chars().count();
    let at = |i: usize| letters.get(i).map_or(end, |letter| letter.1);

    let expected = format!("{}1", form.prefix);
    for (i, want) in expected.chars().enumerate() {
        if letters.get(i).map(|letter| letter.0) != Some(want) {
            return Err(wrong_prefix(form, &letters, at(i)));
        }
    }
    let data = &letters[expected.len()..];
    let lengths: Vec<usize> = form
        .payloads
        .iter()
        .map(|bytes| (bytes * 8).div_ceil(5) + CHECKSUM)
        .collect();
    let place = |i: usize| at(i + expected.len());
    // One letter too many or too few is looked for below; more than that is no typo.
    if lengths.iter().all(|length| length.abs_diff(data.len()) > 1) {
        return Err(bad(
            count(form, &lengths, letters.len()),
            Some(place(
                data.len().min(lengths.iter().max().copied().unwrap_or(0)),
            )),
        ));
    }
    let mut symbols = Vec::with_capacity(data.len());
    for &(letter, place) in data {
        match Fe32::from_char(letter) {
            Ok(symbol) => symbols.push(symbol),
            Err(_) => {
                return Err(bad(
                    format!(
                        "the character “{letter}” never occurs in {} here",
                        form.name
                    ),
                    Some(place),
                ));
            }
        }
    }
    if !lengths.contains(&symbols.len()) {
        return Err(wrong_length(form, &symbols, &lengths, letters.len(), place));
    }
    if !checks(form, &symbols) {
        return Err(match find_typo(form, &symbols) {
            Some(i) => {
                let place = at(i + expected.len());
                bad(
                    format!("there is a typo at character {}", place + 1),
                    Some(place),
                )
            }
            None => bad(
                "there are several typos in it: please copy it again".to_owned(),
                None,
            ),
        });
    }
    bytes(&symbols[..symbols.len() - CHECKSUM])
        .ok_or_else(|| bad("its last bits are not what they must be".to_owned(), None))
}

/// The characters that count, in lower case, each with its offset in the text as given.
fn letters(form: &Form, text: &str) -> Result<Vec<(char, usize)>, BadId> {
    let mut letters = Vec::new();
    for (place, c) in text.chars().enumerate() {
        if c.is_whitespace() || is_zero_width(c) {
            continue;
        }
        letters.push((c, place));
        if letters.len() > LONGEST {
            return Err(bad(
                format!("this is far too long for {}", form.name),
                Some(place),
            ));
        }
    }
    const SCHEME: &str = "paratox:";
    if letters.len() >= SCHEME.len()
        && letters
            .iter()
            .zip(SCHEME.chars())
            .all(|(letter, c)| letter.0.to_ascii_lowercase() == c)
    {
        letters.drain(..SCHEME.len());
    }
    if letters.is_empty() {
        return Err(bad(
            format!(
                "there is no text: {} begins with {}1",
                form.name, form.prefix
            ),
            None,
        ));
    }
    let mut upper = None;
    for (c, place) in &mut letters {
        if !c.is_ascii() {
            return Err(bad(
                format!(
                    "“{c}” is not a letter of the plain Latin alphabet, though it may look like one"
                ),
                Some(*place),
            ));
        }
        if c.is_ascii_alphabetic()
            && *upper.get_or_insert(c.is_ascii_uppercase()) != c.is_ascii_uppercase()
        {
            return Err(bad(
                "capital and small letters are mixed: use one kind throughout".to_owned(),
                Some(*place),
            ));
        }
        *c = c.to_ascii_lowercase();
    }
    Ok(letters)
}

/// Characters that have no width and come along when a text is copied: joiners, direction marks, byte order mark, soft hyphen.
fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn bad(reason: String, position: Option<usize>) -> BadId {
    BadId { reason, position }
}

fn wrong_prefix(form: &Form, letters: &[(char, usize)], place: usize) -> BadId {
    let head: String = letters.iter().take(4).map(|letter| letter.0).collect();
    let other = KINDS
        .iter()
        .find(|(prefix, _)| *prefix != form.prefix && head.starts_with(&format!("{prefix}1")));
    let reason = match other {
        Some((prefix, name)) => format!(
            "this is {name} ({prefix}1…), not {} ({}1…)",
            form.name, form.prefix
        ),
        None => format!("{} begins with {}1", capital(form.name), form.prefix),
    };
    bad(reason, Some(place))
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

fn count(form: &Form, lengths: &[usize], given: usize) -> String {
    let head = form.prefix.len() + 1;
    let wanted = lengths
        .iter()
        .map(|n| (n + head).to_string())
        .collect::<Vec<_>>()
        .join(" or ");
    format!(
        "{} has {wanted} characters, this has {given}",
        capital(form.name)
    )
}

/// Wrong number of symbols. One too many or too few is looked for, so that its place can be told.
fn wrong_length(
    form: &Form,
    symbols: &[Fe32],
    lengths: &[usize],
    given: usize,
    place: impl Fn(usize) -> usize,
) -> BadId {
    let count = count(form, lengths, given);
    let mut trial = symbols.to_vec();
    if lengths.contains(&(symbols.len() + 1)) {
        for i in 0..=symbols.len() {
            trial.insert(i, Fe32::Q);
            for symbol in all_symbols() {
                trial[i] = symbol;
                if checks(form, &trial) {
                    return bad(
                        format!("{count}: one is missing at character {}", place(i) + 1),
                        Some(place(i)),
                    );
                }
            }
            trial.remove(i);
        }
    }
    if symbols.len() > 1 && lengths.contains(&(symbols.len() - 1)) {
        for i in 0..symbols.len() {
            let taken = trial.remove(i);
            if checks(form, &trial) {
                return bad(
                    format!(
                        "{count}: there is one too many at character {}",
                        place(i) + 1
                    ),
                    Some(place(i)),
                );
            }
            trial.insert(i, taken);
        }
    }
    let longest = lengths.iter().max().copied().unwrap_or(0);
    bad(count, Some(place(symbols.len().min(longest))))
}

fn all_symbols() -> impl Iterator<Item = Fe32> {
    ALPHABET
        .chars()
        .map(|c| Fe32::from_char(c).expect("the alphabet is bech32's"))
}

/// The checksum after the prefix.
fn start(form: &Form) -> Engine<Bech32m> {
    let mut engine = Engine::new();
    engine.input_hrp(Hrp::parse(form.prefix).expect("prefixes are short lower-case words"));
    engine
}

fn ends_right(mut engine: Engine<Bech32m>, rest: &[Fe32]) -> bool {
    rest.iter().for_each(|&symbol| engine.input_fe(symbol));
    *engine.residue() == Bech32m::TARGET_RESIDUE
}

fn checks(form: &Form, symbols: &[Fe32]) -> bool {
    ends_right(start(form), symbols)
}

/// The one symbol, or the first of two neighbours changed round, whose repair makes the checksum right. Bech32m tells any two texts
/// apart that differ in up to four symbols, so a single repair found is the only one.
fn find_typo(form: &Form, symbols: &[Fe32]) -> Option<usize> {
    let mut before = start(form);
    for (i, &given) in symbols.iter().enumerate() {
        for symbol in all_symbols().filter(|symbol| *symbol != given) {
            let mut repaired = before;
            repaired.input_fe(symbol);
            if ends_right(repaired, &symbols[i + 1..]) {
                return Some(i);
            }
        }
        before.input_fe(given);
    }
    let mut trial = symbols.to_vec();
    for i in 1..trial.len() {
        trial.swap(i - 1, i);
        if checks(form, &trial) {
            return Some(i - 1);
        }
        trial.swap(i - 1, i);
    }
    None
}

/// Groups of five bits to bytes. The bits that fill the last group must be zero, else one key had two texts.
fn bytes(symbols: &[Fe32]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(symbols.len() * 5 / 8);
    let (mut bits, mut held) = (0u32, 0u32);
    for symbol in symbols {
        bits = bits << 5 | u32::from(symbol.to_u8());
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}
