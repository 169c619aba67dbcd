//! `paratox id`: the own AccountID, for scripts and for showing to somebody.

use std::io::{IsTerminal, Write};

use qrcode::{Color, EcLevel, QrCode};

use super::account;
use super::args::Options;
use super::exit::Failure;
use super::place;
use crate::app::add_contact::groups;
use crate::messenger::Messenger;
use crate::net::clock::Clock;
use crate::store::Profile;

/// Light modules around the code. The standard asks for four.
const MARGIN: i32 = 4;
/// Groups on a line.
const ROW: usize = 8;

pub fn run(options: &Options) -> Result<(), Failure> {
    let directory = place::data_dir(options)?;
    let passphrase = place::passphrase(options, &directory, false)?;
    let profile = Profile::open(&directory, &passphrase)?;
    drop(passphrase);
    account::tell_rights(&profile);
    let id = Messenger::open(profile, account::random("messenger")?, Clock::start().now())?.id();
    let mut out = std::io::stdout();
    let mut text = format!("{id}\n");
    if out.is_terminal() {
        text.push('\n');
        text.push_str(&rows(&id.to_string()));
        text.push('\n');
        text.push_str(&picture(&id.qr_text()));
    }
    // A reader who has gone has read enough.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// The id in rows of groups, for reading it aloud. Its last six characters are a checksum, so that a misheard one is found.
fn rows(id: &str) -> String {
    groups(id)
        .chunks(ROW)
        .map(|row| row.join(" ") + "\n")
        .collect()
}

/// The QR code in half blocks: two rows of modules to a line, light ones drawn, so that it reads on a dark terminal and on a light one.
fn picture(text: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L) else {
        return String::new();
    };
    let modules = i32::try_from(code.width()).unwrap_or(0);
    let colours = code.to_colors();
    let light = |x: i32, y: i32| {
        let inside = (0..modules).contains(&x) && (0..modules).contains(&y);
        !inside
            || usize::try_from(y * modules + x)
                .ok()
                .and_then(|at| colours.get(at))
                != Some(&Color::Dark)
    };
    let mut drawn = String::new();
    for y in (-MARGIN..modules + MARGIN).step_by(2) {
        for x in -MARGIN..modules + MARGIN {
            drawn.push(match (light(x, y), light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawn.push('\n');
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_of_an_id_is_29_modules_wide_and_framed_in_light() {
        let id = "PX1".to_owned() + &"Q".repeat(59);
        let drawn = picture(&id);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0].chars().count(), 29 + 8);
        assert_eq!(lines.len(), (29 + 8usize).div_ceil(2));
        assert!(lines[0].chars().all(|c| c == '█') && lines[1].chars().all(|c| c == '█'));
        assert!(lines.iter().any(|line| line.contains(' ')));
    }

    #[test]
    fn rows_lose_no_letter() {
        let id: String = ('a'..='z').cycle().take(62).collect();
        let text = rows(&id);
        assert_eq!(text.split_whitespace().collect::<String>(), id);
        assert_eq!(text.lines().count(), 2);
    }
}
