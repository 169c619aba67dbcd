//! Pictures of the real screens for the README, as SVG. `PARATOX_SHOT=1 cargo test --test screens pictures` draws them again.

use std::fmt::Write as _;
use std::path::Path;

use paratox::app::keymap::{Key, alt, plain};
use paratox::tui::theme::Theme;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::scene::Person;

const CELL: (f32, f32) = (8.4, 18.0);
const BACK: &str = "#15181c";
const FORE: &str = "#d7dae0";

fn colour(colour: Color, otherwise: &'static str) -> &'static str {
    match colour {
        Color::Red => "#e06c75",
        Color::Green => "#8fbf7f",
        Color::Yellow => "#e5c07b",
        Color::Cyan => "#6fc3d0",
        Color::White => "#f2f2f2",
        Color::Black => "#000000",
        _ => otherwise,
    }
}

fn paint(cell: &Cell) -> (&'static str, &'static str) {
    let (fore, back) = (colour(cell.fg, FORE), colour(cell.bg, BACK));
    if cell.modifier.contains(Modifier::REVERSED) {
        (back, fore)
    } else {
        (fore, back)
    }
}

/// Letters that look alike and stand side by side, from `x` on.
struct Run {
    x: u16,
    columns: u16,
    text: String,
    look: (&'static str, &'static str, bool, bool),
}

/// Letters that are not plain stand alone: other fonts give them other widths.
fn runs(buffer: &Buffer, y: u16) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    let mut x = 0;
    while x < buffer.area.width {
        let cell = &buffer[(x, y)];
        let columns = u16::try_from(cell.symbol().width().max(1)).unwrap_or(1);
        let (fore, back) = paint(cell);
        let look = (
            fore,
            back,
            cell.modifier.contains(Modifier::BOLD),
            cell.modifier.contains(Modifier::DIM),
        );
        let plain = cell.symbol().is_ascii();
        match out.last_mut() {
            // what stands behind a gap stands in a column of its own
            Some(run)
                if run.look == look
                    && plain
                    && run.text.is_ascii()
                    && !(run.text.ends_with("  ") && cell.symbol() != " ") =>
            {
                run.text.push_str(cell.symbol());
                run.columns += columns;
            }
            _ => out.push(Run {
                x,
                columns,
                text: cell.symbol().to_owned(),
                look,
            }),
        }
        x += columns;
    }
    out
}

fn svg(buffer: &Buffer) -> String {
    let (width, height) = (
        f32::from(buffer.area.width) * CELL.0,
        f32::from(buffer.area.height) * CELL.1,
    );
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, \
         monospace\" font-size=\"14\"><rect width=\"100%\" height=\"100%\" fill=\"{BACK}\"/>"
    );
    for y in 0..buffer.area.height {
        for run in runs(buffer, y) {
            let (fore, back, bold, dim) = run.look;
            let (left, top) = (f32::from(run.x) * CELL.0, f32::from(y) * CELL.1);
            if back != BACK {
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{top:.0}\" width=\"{:.1}\" height=\"{}\" fill=\"{back}\"/>",
                    f32::from(run.columns) * CELL.0 + 0.1,
                    CELL.1
                );
            }
            let text = run.text.trim_start();
            let skipped = u16::try_from(run.text.len() - text.len()).unwrap_or(0);
            let (left, text) = (left + f32::from(skipped) * CELL.0, text.trim_end());
            if text.is_empty() {
                continue;
            }
            let length = f32::from(u16::try_from(text.width().max(1)).unwrap_or(1)) * CELL.0;
            let weight = if bold { " font-weight=\"bold\"" } else { "" };
            let quiet = if dim { " opacity=\"0.55\"" } else { "" };
            let text = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" \
                 fill=\"{fore}\"{weight}{quiet}>{text}</text>",
                top + 13.5
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

/// The pictures of `assets`, by name.
fn scenes() -> [(&'static str, Person); 3] {
    let mut chat = Person::chatting(120, 36);
    chat.type_letters("I will be there at");
    let mut details = Person::chatting(80, 35);
    for _ in 0..8 {
        details.press(alt(Key::Up));
    }
    details.press(plain(Key::Enter));
    let mut network = Person::chatting(100, 35);
    network.press(plain(Key::F(4)));
    [("chat", chat), ("details", details), ("network", network)]
}

#[test]
fn pictures_of_the_readme_are_what_the_program_draws() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    for (name, mut person) in scenes() {
        let picture = person.picture(Theme::COLOUR);
        let drawn = svg(&picture);
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        let letters: usize = picture.content.iter().map(|c| visible(c.symbol())).sum();
        let written: usize = drawn
            .lines()
            .filter_map(|line| line.strip_suffix("</text>")?.rsplit_once('>'))
            .map(|(_, text)| {
                visible(text)
                    - 3 * (text.matches("&lt;").count() + text.matches("&gt;").count())
                    - 4 * text.matches("&amp;").count()
            })
            .sum();
        assert_eq!(written, letters, "every visible letter of {name}");
        let file = assets.join(format!("{name}.svg"));
        if std::env::var_os("PARATOX_SHOT").is_some() {
            std::fs::write(&file, &drawn).expect("the directory takes a file");
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            kept == drawn,
            "assets/{name}.svg shows another screen: PARATOX_SHOT=1 cargo test --test screens pictures draws it again"
        );
    }
}
