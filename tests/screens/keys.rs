//! The key table: complete, documented, and free of keys that terminals cannot tell apart.

use paratox::app::field::Edit;
use paratox::app::keymap::{Action, Binding, Context, KEYS, Key, help_lines, hints, lookup};

/// Every action there is. A new one does not compile away unnoticed: `listed` matches them all.
fn all_actions() -> Vec<Action> {
    use Action as A;
    use Edit as E;
    let mut all = vec![
        A::Quit,
        A::ClearOrQuit,
        A::Suspend,
        A::Help,
        A::Contacts,
        A::Details,
        A::Network,
        A::MyId,
        A::Requests,
        A::AddContact,
        A::Back,
        A::Send,
        A::NewLine,
        A::PageUp,
        A::PageDown,
        A::Newest,
        A::Oldest,
        A::SelectUp,
        A::SelectDown,
        A::NextUnread,
        A::Decide,
        A::Copy,
        A::SendAgain,
        A::Up,
        A::Down,
        A::Confirm,
        A::NextField,
        A::PreviousField,
        A::Reveal,
        A::Accept,
        A::Decline,
        A::Block,
        A::Rename,
        A::Remove,
        A::Policy,
        A::Compare,
        A::SendWithout,
        A::KeepWaiting,
    ];
    all.extend((1..=9).map(A::Switch));
    all.extend(
        [
            E::Left,
            E::Right,
            E::WordLeft,
            E::WordRight,
            E::Up,
            E::Down,
            E::Head,
            E::End,
            E::Backspace,
            E::Delete,
            E::DeleteWord,
            E::DeleteToHead,
            E::DeleteToEnd,
            E::Undo,
            E::Redo,
        ]
        .map(A::Edit),
    );
    for action in &all {
        listed(*action);
    }
    all
}

fn listed(action: Action) {
    match action {
        Action::Quit
        | Action::ClearOrQuit
        | Action::Suspend
        | Action::Help
        | Action::Contacts
        | Action::Details
        | Action::Network
        | Action::MyId
        | Action::Requests
        | Action::AddContact
        | Action::Back
        | Action::Send
        | Action::NewLine
        | Action::PageUp
        | Action::PageDown
        | Action::Newest
        | Action::Oldest
        | Action::SelectUp
        | Action::SelectDown
        | Action::NextUnread
        | Action::Switch(_)
        | Action::Decide
        | Action::Copy
        | Action::SendAgain
        | Action::Up
        | Action::Down
        | Action::Confirm
        | Action::NextField
        | Action::PreviousField
        | Action::Reveal
        | Action::Accept
        | Action::Decline
        | Action::Block
        | Action::Rename
        | Action::Remove
        | Action::Policy
        | Action::Compare
        | Action::SendWithout
        | Action::KeepWaiting => {}
        Action::Edit(edit) => match edit {
            Edit::Left
            | Edit::Right
            | Edit::WordLeft
            | Edit::WordRight
            | Edit::Up
            | Edit::Down
            | Edit::Head
            | Edit::End
            | Edit::Backspace
            | Edit::Delete
            | Edit::DeleteWord
            | Edit::DeleteToHead
            | Edit::DeleteToEnd
            | Edit::Undo
            | Edit::Redo => {}
        },
    }
}

#[test]
fn every_action_has_a_key() {
    for action in all_actions() {
        assert!(KEYS.iter().any(|b| b.action == action), "{action:?}");
    }
}

#[test]
fn every_key_is_in_the_help() {
    let help = help_lines();
    for Binding {
        context,
        chord,
        action,
        ..
    } in KEYS
    {
        let shown = help.iter().any(|line| {
            line.context == *context && line.keys.split(", ").any(|key| key == chord.name())
        });
        assert!(
            shown || matches!(action, Action::Switch(2..=9)),
            "{} in {context:?}",
            chord.name()
        );
    }
    assert!(help.iter().all(|line| !line.help.is_empty()));
}

#[test]
fn no_key_means_two_things_in_one_place() {
    for (i, binding) in KEYS.iter().enumerate() {
        let again = KEYS[..i]
            .iter()
            .any(|b| b.context == binding.context && b.chord == binding.chord);
        assert!(!again, "{} in {:?}", binding.chord.name(), binding.context);
    }
}

#[test]
fn no_key_is_one_that_terminals_take_for_another() {
    for binding in KEYS {
        let ambiguous =
            binding.chord.ctrl && matches!(binding.chord.key, Key::Char('h' | 'i' | 'm' | '['));
        assert!(!ambiguous, "{}", binding.chord.name());
    }
}

#[test]
fn every_context_is_in_the_help_and_every_box_can_be_left() {
    for binding in KEYS {
        assert!(Context::ALL.contains(&binding.context));
    }
    for context in Context::ALL {
        let leaves = KEYS
            .iter()
            .any(|b| b.context == context && matches!(b.action, Action::Back | Action::Quit));
        assert!(
            leaves || matches!(context, Context::Main | Context::Idle | Context::Text),
            "{context:?}"
        );
    }
}

#[test]
fn every_box_says_how_to_leave_it_at_the_smallest_width() {
    for context in Context::ALL {
        if let Some((keys, word)) = hints(context).last() {
            assert!(keys.len() + word.len() < 40, "{context:?}");
        }
    }
}

#[test]
fn a_special_context_wins_over_a_general_one() {
    let enter = paratox::app::keymap::plain(Key::Enter);
    assert_eq!(
        lookup(&[Context::Selected, Context::Main], enter),
        Some(Action::Details)
    );
    assert_eq!(lookup(&[Context::Main], enter), Some(Action::Send));
    assert_eq!(lookup(&[Context::Network], enter), None);
}
