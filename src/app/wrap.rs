//! How wide a text is, and where its lines break: by graphemes and terminal columns, never by bytes.
//!
//! Scrolling is decided in `update`, so the breaking of lines belongs here and not to the views.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns a grapheme takes, counted as the screen's cells count them.
pub fn grapheme_width(grapheme: &str) -> usize {
    UnicodeWidthStr::width(grapheme)
}

/// Columns a line takes.
pub fn width(line: &str) -> usize {
    line.graphemes(true).map(grapheme_width).sum()
}

/// Breaks a text into lines of at most `columns` columns: at spaces where it can, inside words where it must.
/// An empty text is one empty line; a grapheme wider than `columns` becomes `?`.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut out = Vec::new();
    for line in text.split('\n') {
        wrap_line(line, columns, &mut out);
    }
    out
}

fn wrap_line(line: &str, columns: usize, out: &mut Vec<String>) {
    let mut current = String::new();
    let mut used = 0;
    // byte index in `current` after the last space, where the line may be broken
    let mut breakable: Option<usize> = None;
    for grapheme in line.graphemes(true) {
        let (grapheme, wide) = match grapheme_width(grapheme) {
            wide if wide > columns => ("?", 1),
            wide => (grapheme, wide),
        };
        if used + wide > columns {
            if grapheme == " " {
                // a space at the margin is the break itself
                out.push(std::mem::take(&mut current).trim_end().to_owned());
                used = 0;
                breakable = None;
                continue;
            }
            let rest = match breakable {
                Some(at) if at > 0 && at <= current.len() => current.split_off(at),
                _ => String::new(),
            };
            out.push(std::mem::take(&mut current).trim_end().to_owned());
            used = width(&rest);
            current = rest;
            breakable = None;
            if used + wide > columns {
                out.push(std::mem::take(&mut current));
                used = 0;
            }
        }
        current.push_str(grapheme);
        used += wide;
        if grapheme == " " {
            breakable = Some(current.len());
        }
    }
    out.push(current);
}

/// Cuts a line to `columns` columns; `mark` (one column) stands where something is missing.
pub fn cut(line: &str, columns: usize, mark: &str) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    let room = columns.saturating_sub(width(mark));
    for grapheme in line.graphemes(true) {
        let wide = grapheme_width(grapheme);
        if used + wide > room {
            break;
        }
        out.push_str(grapheme);
        used += wide;
    }
    if columns > 0 {
        out.push_str(mark);
    }
    out
}

/// Cuts or fills a line to exactly `columns` columns.
pub fn fit(line: &str, columns: usize, mark: &str) -> String {
    let mut out = cut(line, columns, mark);
    out.extend(std::iter::repeat_n(
        ' ',
        columns.saturating_sub(width(&out)),
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_at_spaces_and_inside_long_words() {
        assert_eq!(wrap("take the side door", 10), ["take the", "side door"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("a\n\nb", 4), ["a", "", "b"]);
    }

    #[test]
    fn wide_letters_never_cross_the_margin() {
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("漢", 1), ["?"]);
        assert_eq!(cut("漢字漢字", 5, "…"), "漢字…");
        assert_eq!(width(&fit("漢字漢字", 6, "…")), 6);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked_and_no_word_is_lost(text in "[a-z漢é 👩\n]{0,200}", columns in 1usize..40) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            if columns >= 2 {
                let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(letters(&lines.concat()), letters(&text));
            }
        }
    }
}
