//! What roles look like: styles by meaning, symbols in Unicode and ASCII. Words come from `app::words` and are the same everywhere.
//!
//! Every mark is a symbol and a word and a weight; colour comes last and may be missing.

use ratatui::style::{Color, Modifier, Style};

use crate::crypto::secrecy::Secrecy;
use crate::messenger::view::Delivery;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Text,
    /// Quiet: present, not asking for attention.
    Muted,
    Heading,
    Accent,
    Good,
    Warn,
    Danger,
    /// The chosen row; always with `>` beside it.
    Selection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    Unicode,
    Ascii,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub colour: bool,
    pub glyphs: Glyphs,
    /// The terminal shows ASCII only: everything else that people write becomes `?`.
    pub ascii_only: bool,
}

/// Symbols that are one column wide also where ambiguous ones take two.
pub struct Symbols {
    pub horizontal: &'static str,
    pub vertical: &'static str,
    pub corners: [&'static str; 4],
    pub tee_down: &'static str,
    pub tee_up: &'static str,
    pub more: &'static str,
    pub mask: &'static str,
    pub wrong: &'static str,
    pub right: &'static str,
}

const UNICODE: Symbols = Symbols {
    horizontal: "─",
    vertical: "│",
    corners: ["┌", "┐", "└", "┘"],
    tee_down: "┬",
    tee_up: "┴",
    more: "…",
    mask: "•",
    wrong: "✗",
    right: "✓",
};

const ASCII: Symbols = Symbols {
    horizontal: "-",
    vertical: "|",
    corners: ["+", "+", "+", "+"],
    tee_down: "+",
    tee_up: "+",
    more: "~",
    mask: "*",
    wrong: "x",
    right: "+",
};

impl Theme {
    pub const COLOUR: Theme = Theme {
        colour: true,
        glyphs: Glyphs::Unicode,
        ascii_only: false,
    };
    pub const MONO: Theme = Theme {
        colour: false,
        glyphs: Glyphs::Unicode,
        ascii_only: false,
    };
    pub const ASCII: Theme = Theme {
        colour: false,
        glyphs: Glyphs::Ascii,
        ascii_only: true,
    };

    /// From the environment: `NO_COLOR` (set and not empty) means no colour; `TERM=linux` and locales without UTF-8 mean ASCII symbols.
    /// `get` reads a variable.
    pub fn detect(get: impl Fn(&str) -> Option<String>) -> Theme {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"))
            .unwrap_or_default()
            .to_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let linux = set("TERM").is_some_and(|term| term == "linux");
        Theme {
            colour: set("NO_COLOR").is_none(),
            glyphs: if utf8 && !linux {
                Glyphs::Unicode
            } else {
                Glyphs::Ascii
            },
            ascii_only: !utf8,
        }
    }

    pub fn symbols(&self) -> &'static Symbols {
        match self.glyphs {
            Glyphs::Unicode => &UNICODE,
            Glyphs::Ascii => &ASCII,
        }
    }

    fn tint(&self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }

    pub fn style(&self, role: Role) -> Style {
        let s = Style::new();
        match role {
            Role::Text => s,
            Role::Muted => s.add_modifier(Modifier::DIM),
            Role::Heading => s.add_modifier(Modifier::BOLD),
            Role::Accent => self.tint(s.add_modifier(Modifier::BOLD), Color::Cyan),
            Role::Good => self.tint(s, Color::Green),
            Role::Warn => self.tint(s.add_modifier(Modifier::BOLD), Color::Yellow),
            Role::Danger => self.tint(
                s.add_modifier(Modifier::BOLD | Modifier::REVERSED),
                Color::Red,
            ),
            Role::Selection => s.add_modifier(Modifier::REVERSED),
        }
    }

    /// Level 3 is quiet, 2 and 1 are bold, 0 is bold and reversed.
    pub fn secrecy_role(&self, level: Secrecy) -> Role {
        match level {
            Secrecy::Sealed => Role::Danger,
            Secrecy::EpochPrekey { .. } | Secrecy::OnceOpened => Role::Warn,
            Secrecy::ForwardSecret => Role::Muted,
        }
    }

    pub fn secrecy_symbol(&self, level: Secrecy) -> &'static str {
        match (self.glyphs, level) {
            (Glyphs::Unicode, Secrecy::Sealed) => "∅",
            (Glyphs::Unicode, Secrecy::EpochPrekey { .. } | Secrecy::OnceOpened) => "⧗",
            (Glyphs::Unicode, Secrecy::ForwardSecret) => "⬢",
            (Glyphs::Ascii, Secrecy::Sealed) => "!",
            (Glyphs::Ascii, Secrecy::EpochPrekey { .. } | Secrecy::OnceOpened) => "~",
            (Glyphs::Ascii, Secrecy::ForwardSecret) => "F",
        }
    }

    pub fn delivery_role(&self, state: Delivery) -> Role {
        match state {
            Delivery::Queued | Delivery::Sent => Role::Text,
            Delivery::Delivered => Role::Muted,
            Delivery::Failed | Delivery::Expired => Role::Danger,
        }
    }

    pub fn delivery_symbol(&self, state: Delivery) -> &'static str {
        match (self.glyphs, state) {
            (Glyphs::Unicode, Delivery::Queued) => "◌",
            (Glyphs::Unicode, Delivery::Sent) => "›",
            (Glyphs::Unicode, Delivery::Delivered) => "✓",
            (Glyphs::Unicode, Delivery::Failed | Delivery::Expired) => "✗",
            (Glyphs::Ascii, Delivery::Queued) => ".",
            (Glyphs::Ascii, Delivery::Sent) => ">",
            (Glyphs::Ascii, Delivery::Delivered) => "+",
            (Glyphs::Ascii, Delivery::Failed | Delivery::Expired) => "x",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn the_environment_decides_colour_and_symbols() {
        assert_eq!(
            Theme::detect(env(&[("LANG", "en_US.UTF-8"), ("TERM", "xterm")])),
            Theme::COLOUR
        );
        assert_eq!(
            Theme::detect(env(&[("LANG", "en_US.UTF-8"), ("NO_COLOR", "1")])),
            Theme::MONO
        );
        assert!(Theme::detect(env(&[("LANG", "C.UTF-8"), ("NO_COLOR", "")])).colour);
        assert_eq!(
            Theme::detect(env(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")])).glyphs,
            Glyphs::Ascii
        );
        assert_eq!(
            Theme::detect(env(&[("LANG", "de_DE.utf8"), ("TERM", "linux")])).glyphs,
            Glyphs::Ascii
        );
    }

    #[test]
    fn without_colour_the_weights_stay() {
        for theme in [Theme::COLOUR, Theme::MONO, Theme::ASCII] {
            let of = |level| theme.style(theme.secrecy_role(level)).add_modifier;
            assert_eq!(of(Secrecy::Sealed), Modifier::BOLD | Modifier::REVERSED);
            assert_eq!(of(Secrecy::OnceOpened), Modifier::BOLD);
            assert_eq!(of(Secrecy::EpochPrekey { erase_day: 1 }), Modifier::BOLD);
            assert_eq!(of(Secrecy::ForwardSecret), Modifier::DIM);
        }
        assert_eq!(Theme::MONO.style(Role::Danger).fg, None);
    }
}
