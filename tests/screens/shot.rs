//! Pictures of the real screens for the README, cell by cell as SVG: `PARATOX_SHOT=assets cargo test --test screens pictures`.

use std::fmt::Write as _;
use std::path::Path;

use paratox::app::Event;
use paratox::app::keymap::{Key, alt, plain};
use paratox::tui::theme::Theme;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::scene::{Person, account};

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
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let (fore, back) = paint(cell);
            let (left, top) = (f32::from(x) * CELL.0, f32::from(y) * CELL.1);
            if back != BACK {
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{top:.0}\" width=\"{:.1}\" height=\"{}\" fill=\"{back}\"/>",
                    CELL.0 + 0.1,
                    CELL.1
                );
            }
            if cell.symbol().trim().is_empty() {
                continue;
            }
            let length =
                f32::from(u16::try_from(cell.symbol().width().max(1)).unwrap_or(1)) * CELL.0;
            let weight = if cell.modifier.contains(Modifier::BOLD) {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let quiet = if cell.modifier.contains(Modifier::DIM) {
                " opacity=\"0.55\""
            } else {
                ""
            };
            let symbol = cell
                .symbol()
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fore}\"{weight}{quiet}>{symbol}</text>",
                top + 13.5
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

fn scenes() -> Vec<(&'static str, Person)> {
    let mut main = Person::chatting(120, 36);
    main.type_letters("I will be there at");
    let mut details = Person::chatting(120, 36);
    for _ in 0..7 {
        details.press(alt(Key::Up));
    }
    details.press(plain(Key::Enter));
    let mut network = Person::chatting(120, 36);
    network.press(plain(Key::F(4)));
    let mut add = Person::chatting(80, 24);
    add.press(plain(Key::F(7)));
    let mut id: Vec<char> = account(9).to_string().chars().collect();
    id[45] = if id[45] == 'q' { 'p' } else { 'q' };
    add.event(Event::Paste(id.into_iter().collect()));
    vec![
        ("main", main),
        ("details", details),
        ("network", network),
        ("add", add),
    ]
}

#[test]
fn pictures_hold_every_visible_letter_of_the_screen() {
    for (name, mut person) in scenes() {
        let picture = person.picture(Theme::COLOUR);
        let drawn = svg(&picture);
        let visible = picture
            .content
            .iter()
            .filter(|cell| !cell.symbol().trim().is_empty())
            .count();
        assert_eq!(drawn.matches("<text ").count(), visible, "{name}");
        if let Some(directory) = std::env::var_os("PARATOX_SHOT") {
            std::fs::write(Path::new(&directory).join(format!("{name}.svg")), drawn)
                .expect("the directory takes a file");
        }
    }
}
