//! Text from other people, cleaned once at the door: before it is stored, shown, logged, copied or put into a title.
//!
//! A terminal obeys some characters instead of showing them. Escape sequences and C1 codes can move the cursor, change the title or
//! write the clipboard; direction overrides can make a line read differently from what it says; invisible characters can hide
//! a mark or a link. None of them survives here. What is left is text that only looks like itself.
//!
//! Not here: wrapping and widths, see `app::wrap`.

use unicode_segmentation::UnicodeSegmentation;

/// Code points of one grapheme that are kept. Two people holding hands with skin tones need 7; a tower of accents has hundreds.
pub const GRAPHEME_MAX: usize = 8;
/// Graphemes of a name that are kept: longer ones fit no column and serve only to hide something behind them.
pub const NAME_MAX: usize = 64;
/// A tab becomes this many spaces, because its width would depend on the column it stands in.
const TAB: &str = "    ";
/// The marks of the two columns, which no name may imitate.
const MARKS: [char; 8] = ['⬢', '⧗', '∅', '◌', '›', '⤓', '✓', '✗'];

/// A message body: keeps line breaks (as `\n`) and everything that can be read. Cleaning twice changes nothing.
pub fn clean(text: &str) -> String {
    settle(unify_breaks(text))
}

/// A name, or anything else that has to stay on one line: no line breaks, single spaces, no marks of ours, at most
/// [`NAME_MAX`] graphemes. May come out empty. Cleaning twice changes nothing.
pub fn clean_line(text: &str) -> String {
    let mut line = settle(unify_breaks(text));
    loop {
        let visible: String = line
            .chars()
            .map(|c| if c == '\n' { ' ' } else { c })
            .filter(|c| !MARKS.contains(c))
            .collect();
        let single = visible
            .split(' ')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let cut: String = single.graphemes(true).take(NAME_MAX).collect();
        let next = settle(cut.trim().to_owned());
        if next == line {
            return line;
        }
        line = next;
    }
}

/// Line breaks of all systems become `\n`, tabs become spaces.
fn unify_breaks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() == Some(&'\n') {
                    chars.next();
                }
                out.push('\n');
            }
            '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            '\t' => out.push_str(TAB),
            _ => out.push(c),
        }
    }
    out
}

/// Removes until nothing is left to remove. Each round only shortens, so it ends.
fn settle(mut text: String) -> String {
    loop {
        let shown: String = text
            .chars()
            .filter(|c| *c == '\n' || is_shown(*c))
            .collect();
        let next = cap_graphemes(&drop_loose_joiners(&shown));
        if next == text {
            return text;
        }
        text = next;
    }
}

/// May this code point reach a cell of the screen?
fn is_shown(c: char) -> bool {
    if c.is_control() {
        return false; // C0, DEL and C1: the only characters a terminal obeys
    }
    !matches!(c,
        '\u{00AD}'                     // soft hyphen
        | '\u{034F}'                   // grapheme joiner
        | '\u{061C}'                   // Arabic letter mark
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' // fillers: letters that look like nothing
        | '\u{17B4}' | '\u{17B5}'      // inherent vowels, invisible
        | '\u{180B}'..='\u{180F}'      // Mongolian selectors and vowel separator
        | '\u{200B}'                   // zero-width space
        | '\u{200E}' | '\u{200F}'      // direction marks
        | '\u{2028}'..='\u{202E}'      // separators, embeddings and overrides
        | '\u{2060}'..='\u{206F}'      // word joiner, invisible operators, isolates, deprecated format characters
        | '\u{2800}'                   // blank Braille
        | '\u{FE00}'..='\u{FE0E}'      // variation selectors but the one that asks for an emoji
        | '\u{FEFF}'                   // byte order mark
        | '\u{FFF9}'..='\u{FFFB}'      // interlinear annotation
        | '\u{FFFE}' | '\u{FFFF}'
        | '\u{1D173}'..='\u{1D17A}'    // invisible musical format characters
        | '\u{E0000}'..='\u{E0FFF}'    // tags and further selectors: a whole hidden alphabet
    )
}

/// Zero-width joiners and non-joiners are needed inside emoji and in several scripts; they stay only between two visible characters
/// beyond ASCII, where they change how letters join and cannot hide anything.
fn drop_loose_joiners(text: &str) -> String {
    let joiner = |c: char| matches!(c, '\u{200C}' | '\u{200D}');
    let beyond = |c: char| !c.is_ascii() && !joiner(c);
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let keep =
            !joiner(c) || (before.is_some_and(beyond) && chars.peek().copied().is_some_and(beyond));
        if keep {
            out.push(c);
            before = Some(c);
        }
    }
    out
}

fn cap_graphemes(text: &str) -> String {
    text.graphemes(true)
        .flat_map(|g| g.chars().take(GRAPHEME_MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_lose_what_makes_them_obeyed() {
        assert_eq!(clean("a\u{1b}[31mb\u{7}c"), "a[31mbc");
        assert_eq!(clean("\u{1b}]52;c;aGk=\u{1b}\\x"), "]52;c;aGk=\\x");
        assert_eq!(clean("\u{9b}2Jx\u{90}y\u{9c}"), "2Jxy");
    }

    #[test]
    fn direction_overrides_and_isolates_are_removed() {
        assert_eq!(
            clean("pay \u{202E}eno\u{202C} \u{2066}two\u{2069}"),
            "pay eno two"
        );
        assert_eq!(clean("a\u{200E}\u{200F}\u{061C}b"), "ab");
    }

    #[test]
    fn invisible_alphabets_are_removed() {
        assert_eq!(clean("hi\u{E0041}\u{E0042}\u{E007F}"), "hi");
        assert_eq!(clean("p\u{200B}x\u{2060}1\u{FEFF}\u{3164}"), "px1");
        assert_eq!(clean("a\u{FFF9}b\u{FFFA}c\u{FFFB}"), "abc");
    }

    #[test]
    fn line_breaks_of_all_systems_stay_as_one_kind() {
        assert_eq!(
            clean("a\r\nb\rc\nd\u{2028}e\u{2029}f\u{85}g"),
            "a\nb\nc\nd\ne\nf\ng"
        );
        assert_eq!(clean("a\tb"), "a    b");
    }

    #[test]
    fn emoji_families_and_persian_survive() {
        for text in [
            "👩\u{200D}👧\u{200D}👦",
            "❤\u{FE0F}",
            "می\u{200C}خواهم",
            "漢字",
            "é",
            "e\u{301}",
        ] {
            assert_eq!(clean(text), text);
        }
        assert_eq!(clean("a\u{200D}b\u{200C}"), "ab");
    }

    #[test]
    fn a_tower_of_accents_is_cut() {
        let zalgo = format!("e{}x", "\u{301}".repeat(500));
        let cleaned = clean(&zalgo);
        assert_eq!(cleaned.chars().count(), GRAPHEME_MAX + 1);
        assert!(cleaned.ends_with('x'));
    }

    #[test]
    fn a_name_stays_on_its_line_and_cannot_wear_our_marks() {
        assert_eq!(clean_line("  Bob\n\u{1b}[2J ⬢ fs \t x "), "Bob [2J fs x");
        assert_eq!(clean_line("\u{200B}\n\t"), "");
        assert_eq!(
            clean_line(&"界".repeat(1000)).graphemes(true).count(),
            NAME_MAX
        );
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in any::<String>()) {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
            let line = clean_line(&text);
            prop_assert_eq!(clean_line(&line), line.clone());
        }

        /// Drawn from the dangerous and the joining characters, which random strings seldom hold next to each other.
        #[test]
        fn nothing_dangerous_survives_any_mixture(picks in proptest::collection::vec(0usize..16, 0..60)) {
            let alphabet = ['a', ' ', '\u{1b}', '\u{200D}', '\u{200C}', '\u{301}', '👩', '\u{202E}', '\r', '\n', '\u{9b}', '\u{FE0F}',
                '\u{E0041}', 'م', '⬢', '\u{1F3FB}'];
            let text: String = picks.iter().map(|i| alphabet[*i]).collect();
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(once.chars().all(|c| c == '\n' || is_shown(c)));
            prop_assert!(once.graphemes(true).all(|g| g.chars().count() <= GRAPHEME_MAX));
            let line = clean_line(&text);
            prop_assert_eq!(clean_line(&line), line.clone());
            prop_assert!(!line.contains(['\n', '⬢']));
        }
    }
}
