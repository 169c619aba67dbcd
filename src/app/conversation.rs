//! One conversation: the messages loaded, the reading place, and the rows that stand on the screen.
//!
//! The reading place is an anchor (message, row in it), so neither a new size nor a new message moves what is being read. Rows are
//! broken only for the messages in sight; nothing is kept that could go stale.

use jiff::tz::TimeZone;

use crate::messenger::view::{Delivery, MessageView};
use crate::wire::time::UnixMs;

use super::clock;
use super::wrap::wrap;

/// Messages of one conversation kept in memory. When full, the oldest leave; scrolling up loads them again.
pub const LOADED_MAX: usize = 20_000;

/// How messages are broken into rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Columns of the text.
    pub body: usize,
    /// Marks stand on a row of their own above the text.
    pub marks_above: bool,
    /// Rows of the pane that show messages.
    pub height: usize,
    /// Rows of the pane; above the newest the last one says how to get back.
    pub pane: usize,
}

/// A row of the history pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Day(String),
    /// So many new messages from here on.
    Unread(usize),
    /// So many messages are missing here.
    Gap(u32),
    /// Marks of a message, on their own row.
    Marks {
        number: u64,
    },
    /// First row of a text, with the marks beside it unless they stand above.
    First {
        number: u64,
        line: String,
    },
    More {
        number: u64,
        line: String,
    },
}

impl Row {
    /// The message it belongs to, if it shows a part of one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Row::Marks { number } | Row::First { number, .. } | Row::More { number, .. } => {
                Some(*number)
            }
            Row::Day(_) | Row::Unread(_) | Row::Gap(_) => None,
        }
    }
}

/// What the top of the pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The newest message is at the bottom, and new ones appear.
    #[default]
    Newest,
    /// This row of this message's block is at the top. Nothing that arrives moves it.
    At { number: u64, row: usize },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// Ordered by number.
    messages: Vec<MessageView>,
    /// The newest page came.
    pub loaded: bool,
    /// There are messages before the first one here.
    pub older: bool,
    /// A page was asked for and has not come.
    pub loading: bool,
    pub place: Place,
    pub selected: Option<u64>,
    /// The first new message at the time of this visit.
    pub unread_from: Option<u64>,
    /// New messages since the reader left the bottom.
    pub below: usize,
}

impl Conversation {
    pub fn messages(&self) -> &[MessageView] {
        &self.messages
    }

    pub fn message(&self, number: u64) -> Option<&MessageView> {
        self.index(number).map(|i| &self.messages[i])
    }

    fn index(&self, number: u64) -> Option<usize> {
        self.messages
            .binary_search_by_key(&number, |m| m.number)
            .ok()
    }

    /// Puts a message in its place. Returns true if it was not there before.
    pub fn put(&mut self, message: MessageView) -> bool {
        match self
            .messages
            .binary_search_by_key(&message.number, |m| m.number)
        {
            Ok(i) => {
                self.messages[i] = message;
                false
            }
            Err(i) => {
                self.messages.insert(i, message);
                if self.messages.len() > LOADED_MAX {
                    self.messages.remove(0);
                    self.older = true;
                }
                true
            }
        }
    }

    pub fn update_message(&mut self, number: u64, change: impl FnOnce(&mut MessageView)) -> bool {
        match self.index(number) {
            Some(i) => {
                change(&mut self.messages[i]);
                true
            }
            None => false,
        }
    }

    pub fn at_newest(&self) -> bool {
        self.place == Place::Newest
    }

    pub fn to_newest(&mut self) {
        self.place = Place::Newest;
        self.below = 0;
    }

    /// Marks the last `count` messages of the contact as new.
    pub fn mark_unread(&mut self, count: usize) {
        self.unread_from = if count == 0 {
            None
        } else {
            self.messages
                .iter()
                .rev()
                .filter(|m| !m.mine)
                .take(count)
                .last()
                .map(|m| m.number)
        };
    }

    pub fn newest_own(&self) -> Option<&MessageView> {
        self.messages.iter().rev().find(|m| m.mine)
    }

    pub fn has_dates(&self) -> bool {
        self.messages.iter().any(|m| m.secrecy.level() == 1)
    }

    pub fn unfinished(&self) -> usize {
        self.messages
            .iter()
            .filter(|m| m.mine && m.delivery == Delivery::Queued)
            .count()
    }

    /// All rows of one message, with the separators that stand before it.
    fn block(&self, index: usize, measure: Measure, today: UnixMs, zone: &TimeZone) -> Vec<Row> {
        let message = &self.messages[index];
        let mut rows = Vec::new();
        let day = clock::day_number(message.time, zone);
        let before = self.messages[..index]
            .iter()
            .rev()
            .find(|m| !m.damaged)
            .map(|m| clock::day_number(m.time, zone));
        // a damaged row has lost its day
        if before != Some(day) && !message.damaged {
            rows.push(Row::Day(clock::day(message.time, today, zone)));
        }
        if self.unread_from == Some(message.number) {
            rows.push(Row::Unread(
                self.messages[index..].iter().filter(|m| !m.mine).count(),
            ));
        }
        if message.gap_before > 0 {
            rows.push(Row::Gap(message.gap_before));
        }
        let number = message.number;
        if measure.marks_above {
            rows.push(Row::Marks { number });
        }
        for (i, line) in wrap(&message.text, measure.body).into_iter().enumerate() {
            rows.push(if i == 0 {
                Row::First { number, line }
            } else {
                Row::More { number, line }
            });
        }
        rows
    }

    /// The rows in sight, top to bottom: at most `measure.height`.
    pub fn rows(&self, measure: Measure, today: UnixMs, zone: &TimeZone) -> Vec<Row> {
        let (mut index, mut skip) = match self.top(measure, today, zone) {
            Some(top) => top,
            None => return Vec::new(),
        };
        let mut rows = Vec::new();
        while rows.len() < measure.height && index < self.messages.len() {
            rows.extend(
                self.block(index, measure, today, zone)
                    .into_iter()
                    .skip(skip),
            );
            skip = 0;
            index += 1;
        }
        rows.truncate(measure.height);
        rows
    }

    /// Index of the message at the top and the row of its block.
    fn top(&self, measure: Measure, today: UnixMs, zone: &TimeZone) -> Option<(usize, usize)> {
        if self.messages.is_empty() {
            return None;
        }
        match self.place {
            Place::Newest => {
                Some(self.back_from(self.messages.len(), 0, measure.height, measure, today, zone))
            }
            Place::At { number, row } => {
                let index = self
                    .messages
                    .partition_point(|m| m.number < number)
                    .min(self.messages.len() - 1);
                let rows = self.block(index, measure, today, zone).len();
                Some((index, row.min(rows.saturating_sub(1))))
            }
        }
    }

    /// The place `rows` rows above row `row` of message `index` (which may be one past the end); the first row of all if there are fewer.
    fn back_from(
        &self,
        index: usize,
        row: usize,
        rows: usize,
        measure: Measure,
        today: UnixMs,
        zone: &TimeZone,
    ) -> (usize, usize) {
        let (mut index, mut row, mut left) = (index, row, rows);
        loop {
            if row >= left {
                return (index, row - left);
            }
            left -= row;
            match index.checked_sub(1) {
                None => return (0, 0),
                Some(i) => {
                    index = i;
                    row = self.block(i, measure, today, zone).len();
                }
            }
        }
    }

    /// Moves up. Returns true if the first message loaded came into sight.
    pub fn scroll_up(
        &mut self,
        rows: usize,
        measure: Measure,
        today: UnixMs,
        zone: &TimeZone,
    ) -> bool {
        let Some((index, row)) = self.top(measure, today, zone) else {
            return true;
        };
        let (index, row) = self.back_from(index, row, rows, measure, today, zone);
        let fits = {
            let newest = self.back_from(self.messages.len(), 0, measure.pane, measure, today, zone);
            newest == (0, 0) && (index, row) == (0, 0)
        };
        if !fits {
            self.place = Place::At {
                number: self.messages[index].number,
                row,
            };
        }
        (index, row) == (0, 0)
    }

    pub fn scroll_down(&mut self, rows: usize, measure: Measure, today: UnixMs, zone: &TimeZone) {
        if self.at_newest() {
            return;
        }
        let Some((mut index, mut row)) = self.top(measure, today, zone) else {
            return;
        };
        let last = self.back_from(self.messages.len(), 0, measure.pane, measure, today, zone);
        let mut left = rows;
        while left > 0 && (index, row) < last {
            let here = self.block(index, measure, today, zone).len();
            let step = left.min(here - row);
            row += step;
            left -= step;
            if row >= here {
                index += 1;
                row = 0;
            }
        }
        if (index, row) >= last {
            self.to_newest();
        } else {
            self.place = Place::At {
                number: self.messages[index].number,
                row,
            };
        }
    }

    pub fn to_oldest(&mut self) {
        if let Some(first) = self.messages.first() {
            self.place = Place::At {
                number: first.number,
                row: 0,
            };
        }
    }

    /// Selects the message above (or the last one in sight) and brings it into sight.
    pub fn select(&mut self, up: bool, measure: Measure, today: UnixMs, zone: &TimeZone) {
        let in_sight = self
            .rows(measure, today, zone)
            .iter()
            .rev()
            .find_map(Row::number);
        let index = match self.selected.and_then(|n| self.index(n)) {
            Some(i) if up => i.saturating_sub(1),
            Some(i) => i + 1,
            None if up => match in_sight.and_then(|n| self.index(n)) {
                Some(i) => i,
                None => return,
            },
            None => return,
        };
        if index >= self.messages.len() {
            self.selected = None;
            self.to_newest();
            return;
        }
        self.selected = Some(self.messages[index].number);
        self.show(index, measure, today, zone);
    }

    /// Scrolls as little as needed for all of a message to be in sight (its first rows, if it is taller than the pane).
    fn show(&mut self, index: usize, measure: Measure, today: UnixMs, zone: &TimeZone) {
        let Some(top) = self.top(measure, today, zone) else {
            return;
        };
        let end = self.back_from(index + 1, 0, measure.height, measure, today, zone);
        if (index, 0) < top {
            self.place = Place::At {
                number: self.messages[index].number,
                row: 0,
            };
        } else if end > top {
            let end = end.min((index, 0));
            self.place = Place::At {
                number: self.messages[end.0].number,
                row: end.1,
            };
        }
        let last = self.back_from(self.messages.len(), 0, measure.pane, measure, today, zone);
        if self
            .top(measure, today, zone)
            .is_some_and(|top| top >= last)
        {
            self.to_newest();
        }
    }
}
