//! Where things stand on a screen of a given size. Shared by `update`, which scrolls by what fits, and by the views, which draw there.

/// Below this the program says what size it needs, and nothing else.
pub const MIN_WIDTH: u16 = 48;
pub const MIN_HEIGHT: u16 = 12;
/// Rows the composer grows to.
pub const COMPOSER_ROWS_MAX: u16 = 8;
/// A longer line is harder to read.
pub const BODY_MAX: u16 = 80;
pub const BOX_MAX: u16 = 80;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    pub fn new(x: u16, y: u16, width: u16, height: u16) -> Area {
        Area {
            x,
            y,
            width,
            height,
        }
    }
}

/// How much of everything there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breadth {
    /// 48 to 71 columns: no contact list, marks on their own row above the text.
    Narrow,
    /// 72 to 109: contact list, secrecy in words, delivery as a symbol.
    Middle,
    /// From 110: everything in words.
    Wide,
}

pub fn breadth(width: u16) -> Breadth {
    match width {
        0..=71 => Breadth::Narrow,
        72..=109 => Breadth::Middle,
        _ => Breadth::Wide,
    }
}

pub fn too_small(width: u16, height: u16) -> bool {
    width < MIN_WIDTH || height < MIN_HEIGHT
}

/// The main screen, top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainLayout {
    pub breadth: Breadth,
    pub header: Area,
    /// Not in `Narrow`.
    pub contacts: Option<Area>,
    /// Who this is and how the next message will be protected. In `Narrow` it is the header.
    pub contact_line: Option<Area>,
    pub history: Area,
    /// One row: to whom, how secret, how long.
    pub promise: Area,
    pub composer: Area,
    /// One row, or as many as what lasts needs to be said.
    pub hints: Area,
}

/// `rows`: how many rows the composer's text would like to have. `lasting`: how many a trouble that lasts would.
pub fn main(width: u16, height: u16, rows: u16, lasting: u16) -> MainLayout {
    let breadth = breadth(width);
    let tight = breadth == Breadth::Narrow;
    let said = lasting.clamp(1, if tight { 4 } else { 2 });
    // rules: below the header; below the contact line; above the promise; above the hints
    let frame = said
        + if tight {
            1 + 1 + 1 + 1
        } else {
            1 + 1 + 2 + 1 + 1 + 1
        };
    let spare = height.saturating_sub(frame + 3);
    let composer_rows = rows.clamp(1, COMPOSER_ROWS_MAX).min(spare.max(1));
    let header = Area::new(0, 0, width, 1);
    let hints = Area::new(0, height.saturating_sub(said), width, said);
    let rule = u16::from(!tight);
    let composer_y = height.saturating_sub(said + rule + composer_rows);
    let composer = Area::new(0, composer_y, width, composer_rows);
    let promise = Area::new(0, composer_y.saturating_sub(1), width, 1);
    let bottom = promise.y.saturating_sub(1);
    if tight {
        return MainLayout {
            breadth,
            header,
            contacts: None,
            contact_line: None,
            history: Area::new(0, 2, width, bottom.saturating_sub(2)),
            promise,
            composer,
            hints,
        };
    }
    let list = if breadth == Breadth::Wide { 26 } else { 17 };
    let left = list + 1;
    MainLayout {
        breadth,
        header,
        contacts: Some(Area::new(0, 2, list, bottom.saturating_sub(2))),
        contact_line: Some(Area::new(left, 2, width - left, 1)),
        history: Area::new(left, 4, width - left, bottom.saturating_sub(4)),
        promise,
        composer,
        hints,
    }
}

/// A box over the main screen: centred, at most [`BOX_MAX`] wide, the whole screen where it is narrow.
pub fn centred(width: u16, height: u16, want_width: u16, want_height: u16) -> Area {
    if breadth(width) == Breadth::Narrow {
        return Area::new(0, 0, width, height);
    }
    let w = want_width.min(BOX_MAX).min(width);
    let h = want_height.min(height);
    Area::new((width - w) / 2, (height - h) / 2, w, h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_history_that_fits_and_a_composer() {
        for width in MIN_WIDTH..=200 {
            for height in MIN_HEIGHT..=60 {
                for (rows, lasting) in [(0, 0), (1, 1), (5, 2), (90, 9), (1, 4)] {
                    let l = main(width, height, rows, lasting);
                    assert!(
                        l.history.height >= 2 && l.composer.height >= 1,
                        "{width}x{height}: {l:?}"
                    );
                    assert!(l.history.y + l.history.height < l.promise.y + 1);
                    assert!(l.composer.y + l.composer.height <= l.hints.y);
                    assert!(l.history.x + l.history.width <= width);
                }
            }
        }
    }
}
