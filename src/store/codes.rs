//! Numbers of the closed lists in the database. A number that was published is never given to anything else.

use crate::messenger::view::{ContactState, Delivery, Policy};

pub fn of_state(state: ContactState) -> u8 {
    match state {
        ContactState::Asked => 0,
        ContactState::Asking => 1,
        ContactState::Accepted => 2,
        ContactState::Declined => 3,
        ContactState::Blocked => 4,
    }
}

pub fn state(code: i64) -> Option<ContactState> {
    Some(match code {
        0 => ContactState::Asked,
        1 => ContactState::Asking,
        2 => ContactState::Accepted,
        3 => ContactState::Declined,
        4 => ContactState::Blocked,
        _ => return None,
    })
}

pub fn of_policy(policy: Policy) -> u8 {
    match policy {
        Policy::Ask => 0,
        Policy::Wait => 1,
        Policy::ForwardSecretOnly => 2,
    }
}

pub fn policy(code: i64) -> Option<Policy> {
    Some(match code {
        0 => Policy::Ask,
        1 => Policy::Wait,
        2 => Policy::ForwardSecretOnly,
        _ => return None,
    })
}

pub fn of_delivery(delivery: Delivery) -> u8 {
    match delivery {
        Delivery::Queued => 0,
        Delivery::Sent => 1,
        Delivery::Delivered => 2,
        Delivery::Failed => 3,
        Delivery::Expired => 4,
    }
}

pub fn delivery(code: i64) -> Option<Delivery> {
    Some(match code {
        0 => Delivery::Queued,
        1 => Delivery::Sent,
        2 => Delivery::Delivered,
        3 => Delivery::Failed,
        4 => Delivery::Expired,
        _ => return None,
    })
}
