//! What the terminal reports, as chords and letters of the key table.

use ratatui::crossterm::event::{Event as Report, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::keymap::{Chord, Key};

/// One input, translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Something the key table may know. A chord that is a plain character is a letter where the table does not.
    Chord(Chord),
    Paste(String),
    Resize(u16, u16),
    Focus(bool),
}

impl Input {
    /// The letter, if it is one.
    pub fn letter(&self) -> Option<char> {
        match self {
            Input::Chord(Chord {
                key: Key::Char(c),
                ctrl: false,
                alt: false,
                ..
            }) => Some(*c),
            _ => None,
        }
    }

    fn is_enter(&self) -> bool {
        matches!(
            self,
            Input::Chord(Chord {
                key: Key::Enter,
                ctrl: false,
                alt: false,
                shift: false
            })
        )
    }

    fn is_new_line(&self) -> bool {
        self.is_enter()
            || matches!(
                self,
                Input::Chord(Chord {
                    key: Key::Char('j'),
                    ctrl: true,
                    alt: false,
                    ..
                })
            )
    }
}

/// `None` for what no screen wants (key releases, mouse).
pub fn translate(report: Report) -> Option<Input> {
    match report {
        Report::Key(key) => chord(key).map(Input::Chord),
        Report::Paste(text) => Some(Input::Paste(text)),
        Report::Resize(width, height) => Some(Input::Resize(width, height)),
        Report::FocusGained => Some(Input::Focus(true)),
        Report::FocusLost => Some(Input::Focus(false)),
        Report::Mouse(_) => None,
    }
}

fn chord(event: KeyEvent) -> Option<Chord> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let mut ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let mut alt = event.modifiers.contains(KeyModifiers::ALT);
    let mut shift = event.modifiers.contains(KeyModifiers::SHIFT);
    let key = match event.code {
        // many terminals send Ctrl+H for Backspace
        KeyCode::Char('h' | 'H') if ctrl && !alt => {
            ctrl = false;
            Key::Backspace
        }
        KeyCode::Char(c) if c.is_control() => return None,
        KeyCode::Char(c) => {
            shift = false;
            if ctrl && alt {
                // AltGr, which some systems report like this: the letter itself was meant
                (ctrl, alt) = (false, false);
            }
            Key::Char(if ctrl || alt {
                c.to_ascii_lowercase()
            } else {
                c
            })
        }
        KeyCode::Enter => Key::Enter,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => {
            shift = false;
            Key::BackTab
        }
        KeyCode::Backspace => {
            shift = false;
            Key::Backspace
        }
        KeyCode::Delete => Key::Delete,
        KeyCode::Esc => Key::Esc,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::F(n) => Key::F(n),
        _ => return None,
    };
    Some(Chord {
        key,
        ctrl,
        alt,
        shift,
    })
}

/// Terminals without bracketed paste deliver pasted text as a burst of keys, with Enter between its lines. A run of letters and Enters
/// that came at once and goes on behind an Enter is therefore a paste: its Enters break lines and do not send.
///
/// A burst that ends with its only Enter stays as it is, because a quick program that types a line and sends it looks the same.
pub fn gather_pastes(burst: Vec<Input>) -> Vec<Input> {
    let mut out = Vec::with_capacity(burst.len());
    let mut run: Vec<Input> = Vec::new();
    for input in burst {
        if input.letter().is_some()
            || input.is_new_line()
            || matches!(input, Input::Chord(Chord { key: Key::Tab, .. }))
        {
            run.push(input);
        } else {
            end_run(&mut run, &mut out);
            out.push(input);
        }
    }
    end_run(&mut run, &mut out);
    out
}

fn end_run(run: &mut Vec<Input>, out: &mut Vec<Input>) {
    let first_enter = run.iter().position(Input::is_enter);
    let pasted =
        first_enter.is_some_and(|at| run[at..].iter().any(|input| input.letter().is_some()));
    if !pasted {
        out.append(run);
        return;
    }
    let text = run
        .drain(..)
        .map(|input| {
            input
                .letter()
                .unwrap_or(if input.is_new_line() { '\n' } else { '\t' })
        })
        .collect();
    out.push(Input::Paste(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::keymap::{alt, ctrl, plain};

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Option<Input> {
        translate(Report::Key(KeyEvent::new(code, modifiers)))
    }

    fn burst(text: &str) -> Vec<Input> {
        text.chars()
            .map(|c| Input::Chord(plain(if c == '\r' { Key::Enter } else { Key::Char(c) })))
            .collect()
    }

    #[test]
    fn keys_become_chords_of_the_table() {
        assert_eq!(
            press(KeyCode::Char('K'), KeyModifiers::CONTROL),
            Some(Input::Chord(ctrl(Key::Char('k'))))
        );
        assert_eq!(
            press(KeyCode::Char('h'), KeyModifiers::CONTROL),
            Some(Input::Chord(plain(Key::Backspace)))
        );
        assert_eq!(
            press(KeyCode::Char('A'), KeyModifiers::SHIFT),
            Some(Input::Chord(plain(Key::Char('A'))))
        );
        assert_eq!(
            press(
                KeyCode::Char('@'),
                KeyModifiers::CONTROL | KeyModifiers::ALT
            )
            .and_then(|i| i.letter()),
            Some('@')
        );
        assert_eq!(
            press(KeyCode::Up, KeyModifiers::ALT),
            Some(Input::Chord(alt(Key::Up)))
        );
        assert_eq!(press(KeyCode::Char('\u{9b}'), KeyModifiers::NONE), None);
    }

    #[test]
    fn an_unmarked_paste_of_lines_never_sends() {
        assert_eq!(
            gather_pastes(burst("one\rtwo\r")),
            [Input::Paste("one\ntwo\n".into())]
        );
        assert_eq!(gather_pastes(burst("\rx")), [Input::Paste("\nx".into())]);
    }

    #[test]
    fn a_line_typed_at_once_and_sent_stays_keys() {
        assert_eq!(gather_pastes(burst("hello\r")), burst("hello\r"));
        let mut keys = burst("a\r");
        keys.push(Input::Chord(plain(Key::F(1))));
        keys.extend(burst("b\r"));
        assert_eq!(gather_pastes(keys.clone()), keys);
    }
}
