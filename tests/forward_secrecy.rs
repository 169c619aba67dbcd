//! What a thief of keys can read later, level by level, and that no path lowers a level.

use paratox::crypto::Rejected;
use paratox::crypto::keys::AccountKey;
use paratox::crypto::prekey::{self, EpochPrekey};
use paratox::crypto::random::Stream;
use paratox::crypto::ratchet::{self, Ratchet};
use paratox::crypto::sealed;
use paratox::crypto::secrecy::Secrecy;
use paratox::crypto::session::{ANSWER, OFFER, PARCEL, SessionOffer, SessionStart};

struct Pair {
    alice: AccountKey,
    bob: AccountKey,
    random: Stream,
}

fn pair(seed: u8) -> Pair {
    let mut random = Stream::from_seed([seed; 32]);
    Pair {
        alice: AccountKey::generate(&mut random),
        bob: AccountKey::generate(&mut random),
        random,
    }
}

fn stolen(key: &AccountKey) -> AccountKey {
    AccountKey::from_bytes(&key.to_bytes()).unwrap()
}

/// Two ratchets and the two parcels that made them, as Eve recorded them.
fn session(p: &mut Pair) -> (Ratchet, Ratchet, [[u8; PARCEL]; 2]) {
    let (start, first) = SessionStart::new(&p.alice, &p.bob.id(), &[0; OFFER], &mut p.random);
    let offer = SessionOffer::read(&p.bob, &first).unwrap();
    let (theirs, second) = offer
        .answer(&p.bob, &[0x55; ANSWER], &mut p.random)
        .unwrap();
    let (ours, _) = start.finish(&p.alice, &second, &mut p.random).unwrap();
    (ours, theirs, [first, second])
}

fn text(n: u8) -> [u8; ratchet::BODY] {
    [n; ratchet::BODY]
}

/// Sends one parcel and lets it arrive; gives what Eve recorded.
fn pass(from: &mut Ratchet, to: &mut Ratchet, n: u8, random: &mut Stream) -> [u8; PARCEL] {
    let (parcel, level) = from.encrypt(&text(n), random).unwrap();
    assert_eq!(level, Secrecy::OnceOpened);
    let step = to.decrypt(&parcel, random).unwrap();
    assert_eq!(*step.body, text(n));
    assert_eq!(step.commit(to), Secrecy::ForwardSecret);
    parcel
}

/// Everything the two account keys open of a recorded parcel, with every way in that there is.
fn opens_with_account_keys(p: &mut Pair, parcel: &[u8; PARCEL]) -> bool {
    let thieves = [stolen(&p.alice), stolen(&p.bob)];
    thieves
        .iter()
        .any(|key| sealed::open(key, parcel).is_ok() || SessionOffer::read(key, parcel).is_ok())
}

#[test]
fn a_sealed_message_opens_with_a_stolen_account_key() {
    let mut p = pair(1);
    let (parcel, level) = sealed::seal(&p.alice, &p.bob.id(), &[7; sealed::BODY], &mut p.random);
    assert_eq!(level, Secrecy::Sealed);
    let opened = sealed::open(&stolen(&p.bob), &parcel).unwrap();
    assert_eq!(
        (opened.sender, *opened.body, opened.secrecy),
        (p.alice.id(), [7; sealed::BODY], Secrecy::Sealed)
    );
    assert_eq!(
        level.acknowledged().prekey_erased(),
        Secrecy::Sealed,
        "and it stays so for ever"
    );
    assert!(
        sealed::open(&stolen(&p.alice), &parcel).is_err(),
        "the sender's key does not open it: her ephemeral is gone"
    );
}

#[test]
fn a_forward_secret_message_does_not_open_with_both_stolen_account_keys() {
    let mut p = pair(2);
    let (mut ours, mut theirs, [first, second]) = session(&mut p);
    let recorded = [
        pass(&mut ours, &mut theirs, 1, &mut Stream::from_seed([9; 32])),
        pass(&mut theirs, &mut ours, 2, &mut p.random),
    ];
    for parcel in recorded.iter().chain([&second]) {
        assert!(!opens_with_account_keys(&mut p, parcel));
    }

    // The first parcel opens, as documented: it carries no text.
    let bob = stolen(&p.bob);
    let offer = SessionOffer::read(&bob, &first).unwrap();
    assert_eq!(offer.payload, [0; OFFER]);
    // Answering it again as Bob, or starting again as Alice, leads to other keys.
    let (replayed, _) = offer.answer(&bob, &[0; ANSWER], &mut p.random).unwrap();
    let alice = stolen(&p.alice);
    let (start, _) = SessionStart::new(&alice, &bob.id(), &[0; OFFER], &mut p.random);
    assert!(start.finish(&alice, &second, &mut p.random).is_err());
    for parcel in &recorded {
        assert!(replayed.decrypt(parcel, &mut p.random).is_err());
    }
}

#[test]
fn an_opened_message_does_not_open_with_the_stolen_state_of_either_device() {
    let mut p = pair(3);
    let (mut ours, mut theirs, _) = session(&mut p);
    let mut recorded = Vec::new();
    for n in 0..4 {
        recorded.push(pass(&mut ours, &mut theirs, n, &mut p.random));
        recorded.push(pass(&mut theirs, &mut ours, n, &mut p.random));
    }
    for state in [ours.to_bytes(), theirs.to_bytes()] {
        let thief = Ratchet::from_bytes(&state).unwrap();
        for parcel in &recorded {
            assert_eq!(thief.decrypt(parcel, &mut p.random).err(), Some(Rejected));
        }
    }
}

#[test]
fn a_waiting_message_opens_with_the_stolen_state_of_the_receiver_only() {
    let mut p = pair(4);
    let (mut ours, mut theirs, _) = session(&mut p);
    pass(&mut ours, &mut theirs, 1, &mut p.random);
    let (waiting, level) = ours.encrypt(&text(2), &mut p.random).unwrap();
    assert_eq!(level, Secrecy::OnceOpened, "so it is marked");
    assert!(
        Ratchet::from_bytes(&theirs.to_bytes())
            .unwrap()
            .decrypt(&waiting, &mut p.random)
            .is_ok()
    );
    assert!(
        Ratchet::from_bytes(&ours.to_bytes())
            .unwrap()
            .decrypt(&waiting, &mut p.random)
            .is_err()
    );
    assert!(!opens_with_account_keys(&mut p, &waiting));
}

#[test]
fn a_session_heals_after_a_round_trip_past_the_theft() {
    let mut p = pair(5);
    let (mut ours, mut theirs, _) = session(&mut p);
    pass(&mut ours, &mut theirs, 1, &mut p.random);
    pass(&mut theirs, &mut ours, 2, &mut p.random);

    let mut thief = Ratchet::from_bytes(&theirs.to_bytes()).unwrap();
    let (next, _) = ours.encrypt(&text(3), &mut p.random).unwrap();
    let step = thief.decrypt(&next, &mut p.random).unwrap();
    assert_eq!(
        *step.body,
        text(3),
        "directly after the theft the thief reads along"
    );
    let _ = step.commit(&mut thief);
    let step = theirs.decrypt(&next, &mut p.random).unwrap();
    let _ = step.commit(&mut theirs);

    pass(&mut theirs, &mut ours, 4, &mut p.random);
    let after = pass(&mut ours, &mut theirs, 5, &mut p.random);
    assert!(
        thief.decrypt(&after, &mut p.random).is_err(),
        "a turn with keys the thief never saw"
    );
    assert!(
        Ratchet::from_bytes(&thief.to_bytes())
            .unwrap()
            .decrypt(&after, &mut p.random)
            .is_err()
    );
}

#[test]
fn a_message_to_a_prekey_needs_account_key_and_prekey_and_is_safe_once_that_is_erased() {
    let mut p = pair(6);
    let prekey = EpochPrekey::generate(20_016, &mut p.random);
    let public = prekey.public();
    let (parcel, level) = prekey::seal(
        &p.alice,
        &p.bob.id(),
        &public,
        &[3; prekey::BODY],
        &mut p.random,
    )
    .unwrap();
    assert_eq!(level, Secrecy::EpochPrekey { erase_day: 20_016 });
    assert_eq!(prekey::id_of(&p.bob, &parcel), Some(public.id));
    let kept = prekey.to_bytes();

    let opened = prekey.open(&p.bob, &parcel).unwrap();
    assert_eq!(
        (opened.sender, *opened.body, opened.secrecy),
        (p.alice.id(), [3; prekey::BODY], level)
    );
    let thief = EpochPrekey::from_bytes(&kept).unwrap();
    assert!(
        thief.open(&stolen(&p.bob), &parcel).is_ok(),
        "exposed while the device keeps the prekey"
    );
    assert!(
        thief.open(&p.alice, &parcel).is_err(),
        "the prekey alone is not enough"
    );
    assert!(
        !opens_with_account_keys(&mut p, &parcel),
        "the account key alone is not enough"
    );
    let mut forged = EpochPrekey::generate(20_016, &mut p.random).to_bytes();
    forged[32..36].copy_from_slice(&public.id.to_be_bytes());
    assert!(
        EpochPrekey::from_bytes(&forged)
            .unwrap()
            .open(&p.bob, &parcel)
            .is_err(),
        "nor is another prekey of the same number"
    );
    assert_eq!(level.prekey_erased(), Secrecy::ForwardSecret);
    assert_eq!(
        level.acknowledged(),
        level,
        "that it was opened says nothing about the prekey"
    );
}

#[test]
fn parcels_of_one_kind_are_never_taken_for_another() {
    let mut p = pair(7);
    let prekey = EpochPrekey::generate(1, &mut p.random);
    let (_, offer) = SessionStart::new(&p.alice, &p.bob.id(), &[0; OFFER], &mut p.random);
    let (sealed, _) = sealed::seal(&p.alice, &p.bob.id(), &[0; sealed::BODY], &mut p.random);
    let (to_prekey, _) = prekey::seal(
        &p.alice,
        &p.bob.id(),
        &prekey.public(),
        &[0; prekey::BODY],
        &mut p.random,
    )
    .unwrap();
    let kinds = |parcel: &[u8; PARCEL]| {
        [
            SessionOffer::read(&p.bob, parcel).is_ok(),
            sealed::open(&p.bob, parcel).is_ok(),
            prekey.open(&p.bob, parcel).is_ok(),
        ]
    };
    assert_eq!(kinds(&offer), [true, false, false]);
    assert_eq!(kinds(&sealed), [false, true, false]);
    assert_eq!(kinds(&to_prekey), [false, false, true]);
    assert_eq!(
        (
            prekey::id_of(&p.bob, &offer),
            prekey::id_of(&p.bob, &sealed)
        ),
        (None, None)
    );
}

#[test]
fn no_event_lowers_a_level_and_only_its_own_event_raises_it() {
    let epoch = Secrecy::EpochPrekey { erase_day: 5 };
    let all = [
        Secrecy::Sealed,
        epoch,
        Secrecy::OnceOpened,
        Secrecy::ForwardSecret,
    ];
    let expected = [
        (Secrecy::Sealed, Secrecy::Sealed),
        (epoch, Secrecy::ForwardSecret),
        (Secrecy::ForwardSecret, Secrecy::OnceOpened),
        (Secrecy::ForwardSecret, Secrecy::ForwardSecret),
    ];
    for (level, (acknowledged, erased)) in all.into_iter().zip(expected) {
        assert_eq!(
            (level.acknowledged(), level.prekey_erased()),
            (acknowledged, erased)
        );
        assert!(level.acknowledged() >= level && level.prekey_erased() >= level);
        assert_eq!(Secrecy::from_level(level.level(), 5), Some(level));
    }
    assert!(
        all.windows(2)
            .all(|pair| pair[0] < pair[1] && pair[0].level() < pair[1].level())
    );
    assert_eq!(Secrecy::from_level(4, 0), None);
}
