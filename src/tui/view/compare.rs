//! A contact's AccountID, and the numbers by which two people find out whether each has the other's true one.

use super::super::pen::Pen;
use super::super::theme::Role;
use super::{paragraph, scrolled};
use crate::app::App;
use crate::app::add_contact::groups;
use crate::app::keymap::{Action, Context, key_of};
use crate::app::layout::{BOX_MAX, centred};
use crate::app::wrap::cut;
use crate::crypto::id::AccountId;
use crate::crypto::pairing::PairCode;

/// Groups in a row: what fits the narrowest box.
const LETTERS_IN_ROW: usize = 8;
const NUMBERS_IN_ROW: usize = 6;

pub fn draw(app: &App, id: &AccountId, code: Option<&PairCode>, scroll: usize, pen: &mut Pen<'_>) {
    let whole = pen.area();
    let name = app.contact(id).map_or("this contact", |c| c.name.as_str());
    let name = &cut(name, 24, pen.theme.symbols().more);
    let columns = usize::from(whole.width.min(BOX_MAX)).saturating_sub(4);
    let mut lines = vec![vec![("AccountID".to_owned(), Role::Heading)]];
    let rows = |all: &[String], in_row: usize, role| -> Vec<_> {
        all.chunks(in_row)
            .map(|row| vec![(format!("  {}", row.join(" ")), role)])
            .collect()
    };
    lines.extend(rows(&groups(&id.to_string()), LETTERS_IN_ROW, Role::Text));
    lines.push(Vec::new());
    lines.push(vec![("To compare".to_owned(), Role::Heading)]);
    if let Some(code) = code {
        let numbers = code.groups().map(|number| format!("{number:05}"));
        lines.extend(rows(&numbers, NUMBERS_IN_ROW, Role::Heading));
        lines.push(Vec::new());
    }
    let how = format!(
        "{name} sees the same twelve numbers ({}, {}) if each of you has the true AccountID of the other. Compare all of them face to face or by \
         voice, not in writing. If one differs, one of the two AccountIDs is false: somebody may stand between you.",
        key_of(Context::Anywhere, Action::Contacts),
        key_of(Context::Contacts, Action::Compare),
    );
    lines.extend(paragraph(&how, columns, "", Role::Text));
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4);
    let area = centred(whole.width, whole.height, BOX_MAX, height);
    let inner = pen.frame(area, &format!("AccountID of {name}"));
    scrolled(pen, inner, &lines, scroll, Context::Compare);
}
