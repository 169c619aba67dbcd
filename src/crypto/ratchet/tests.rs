//! What a network may do to a ratchet, and what it must bear.

use super::*;

fn pair(seed: u8) -> (Ratchet, Ratchet, Stream) {
    let mut random = Stream::from_seed([seed; 32]);
    let root: [u8; 32] = random.bytes();
    let key = Ephemeral::generate(&mut random);
    let initiator =
        Ratchet::initiator(Key::from_bytes(&root), [1; 16], key.public(), &mut random).unwrap();
    (
        initiator,
        Ratchet::responder(Key::from_bytes(&root), [1; 16], key),
        random,
    )
}

fn send(from: &mut Ratchet, text: u64, random: &mut Stream) -> [u8; PARCEL] {
    let mut body = [0; BODY];
    body[..8].copy_from_slice(&text.to_be_bytes());
    let (parcel, secrecy) = from.encrypt(&body, random).unwrap();
    assert_eq!(secrecy, Secrecy::OnceOpened);
    parcel
}

fn receive(at: &mut Ratchet, parcel: &[u8; PARCEL], random: &mut Stream) -> Result<u64, Rejected> {
    let step = at.decrypt(parcel, random)?;
    let text = u64::from_be_bytes(*step.body.first_chunk().unwrap());
    let stored = step.next_state();
    assert_eq!(step.commit(at), Secrecy::ForwardSecret);
    assert_eq!(*stored, *at.to_bytes());
    Ok(text)
}

#[test]
fn the_responder_says_nothing_before_the_initiator_proved_itself() {
    let (mut a, mut b, mut random) = pair(1);
    assert!(a.confirmed() && !b.confirmed());
    assert_eq!(b.encrypt(&[0; BODY], &mut random).err(), Some(Unconfirmed));
    let parcel = send(&mut a, 1, &mut random);
    let step = b.decrypt(&parcel, &mut random).unwrap();
    assert!(
        !b.confirmed(),
        "a step that is not committed confirms nothing"
    );
    let _ = step.commit(&mut b);
    assert!(b.confirmed());
    let back = send(&mut b, 2, &mut random);
    assert_eq!(receive(&mut a, &back, &mut random), Ok(2));
}

/// Two ends, a network that loses, reorders, doubles and forges, restarts in between. The model: what was sent opens once, unless
/// its chain gave way to too many newer ones.
#[test]
fn a_ratchet_opens_what_was_sent_once_each_whatever_the_network_does() {
    let mut late = 0;
    for seed in 10..20 {
        let (a, b, mut random) = pair(seed);
        let mut ends = [a, b];
        let mut wire: [Vec<(u64, u32, [u8; PARCEL])>; 2] = [Vec::new(), Vec::new()];
        // The sending chain of each end, and the newest of the peer's it has seen.
        let (mut chain, mut seen) = ([1u32, 0], [0u32; 2]);
        let (mut text, mut opened) = (0u64, std::collections::BTreeSet::new());
        for _ in 0..500 {
            let who = random.below(2) as usize;
            match random.below(10) {
                0..=3 if ends[who].confirmed() => {
                    text += 1;
                    let parcel = send(&mut ends[who], text, &mut random);
                    wire[1 - who].push((text, chain[who], parcel));
                }
                4..=7 if !wire[who].is_empty() => {
                    let at = random.below(wire[who].len() as u64) as usize;
                    let (text, of_chain, parcel) = match random.below(5) {
                        0 => wire[who][at],
                        _ => wire[who].swap_remove(at),
                    };
                    let before = ends[who].to_bytes();
                    match receive(&mut ends[who], &parcel, &mut random) {
                        Ok(got) => {
                            assert!(got == text && opened.insert(text), "{text} twice");
                            if of_chain > seen[who] {
                                seen[who] = of_chain;
                                chain[who] += 1;
                            }
                        }
                        Err(Rejected) => {
                            let old = seen[who].saturating_sub(of_chain) > OLD_CHAINS as u32;
                            late += u32::from(old);
                            assert!(
                                old || opened.contains(&text),
                                "seed {seed}: {text} was lost"
                            );
                            assert_eq!(*before, *ends[who].to_bytes());
                        }
                    }
                }
                8 if !wire[who].is_empty() => {
                    let mut forged = wire[who][0].2;
                    forged[random.below(PARCEL as u64) as usize] ^= 1 << random.below(8);
                    let before = ends[who].to_bytes();
                    assert!(ends[who].decrypt(&forged, &mut random).is_err());
                    assert_eq!(*before, *ends[who].to_bytes());
                }
                9 => ends[who] = Ratchet::from_bytes(&ends[who].to_bytes()).unwrap(),
                _ => {}
            }
        }
        assert!(opened.len() > 50);
    }
    assert!(late < 50, "{late} were too late");
}

#[test]
fn a_gap_of_a_thousand_is_bridged_and_one_more_is_refused() {
    let (mut a, mut b, mut random) = pair(20);
    let parcels: Vec<_> = (0..=u64::from(SKIP) + 1)
        .map(|i| send(&mut a, i, &mut random))
        .collect();
    assert_eq!(
        receive(&mut b, &parcels[SKIP as usize + 1], &mut random),
        Err(Rejected)
    );
    assert_eq!(
        receive(&mut b, &parcels[SKIP as usize], &mut random),
        Ok(u64::from(SKIP))
    );
    assert_eq!(receive(&mut b, &parcels[0], &mut random), Ok(0));
    assert_eq!(receive(&mut b, &parcels[0], &mut random), Err(Rejected));
    assert_eq!(
        receive(&mut b, &parcels[SKIP as usize + 1], &mut random),
        Ok(u64::from(SKIP) + 1)
    );
}

#[test]
fn stored_keys_stay_within_their_bound_and_the_oldest_go_first() {
    let (mut a, mut b, mut random) = pair(21);
    let parcels: Vec<_> = (0..3003).map(|i| send(&mut a, i, &mut random)).collect();
    for at in [1000, 2001, 3002] {
        receive(&mut b, &parcels[at], &mut random).unwrap();
    }
    let stored = b.receiving.as_ref().unwrap().skipped.len();
    assert_eq!(stored, STORED);
    assert_eq!(
        receive(&mut b, &parcels[999], &mut random),
        Err(Rejected),
        "among the oldest thousand"
    );
    assert_eq!(receive(&mut b, &parcels[1001], &mut random), Ok(1001));
    assert_eq!(
        *Ratchet::from_bytes(&b.to_bytes()).unwrap().to_bytes(),
        *b.to_bytes()
    );
}

/// Both ends answer each other without a pause, and every other turn leaves a gap.
#[test]
fn a_late_parcel_opens_until_too_many_chains_with_gaps_came_after_its_own() {
    let (mut a, mut b, mut random) = pair(30);
    let first = send(&mut a, 0, &mut random);
    receive(&mut b, &first, &mut random).unwrap();
    let turn = |a: &mut Ratchet, b: &mut Ratchet, random: &mut Stream| {
        let back = send(b, 1, random);
        receive(a, &back, random).unwrap();
        let forth = send(a, 2, random);
        receive(b, &forth, random).unwrap();
    };
    let late: Vec<_> = (0..=OLD_CHAINS as u64)
        .map(|i| {
            let late = send(&mut a, 100 + i, &mut random);
            turn(&mut a, &mut b, &mut random);
            turn(&mut a, &mut b, &mut random);
            late
        })
        .collect();
    assert_eq!(
        b.old.len(),
        OLD_CHAINS,
        "chains without a gap are forgotten"
    );
    assert_eq!(receive(&mut b, &late[0], &mut random), Err(Rejected));
    for (i, late) in late.iter().enumerate().skip(1) {
        assert_eq!(receive(&mut b, late, &mut random), Ok(100 + i as u64));
    }
    assert!(b.old.is_empty());
}

/// Both ends write and answer without a pause, a third of all parcels is lost, others overtake each other, and what is lost is sent
/// again six times with growing pauses: as long as a session is believed in.
#[test]
fn no_copy_comes_too_late_in_a_talk_with_loss_and_delays() {
    struct Sent {
        text: u64,
        parcel: [u8; PARCEL],
        tries: usize,
        due: u32,
    }
    const PAUSES: [u32; 6] = [2, 3, 5, 8, 13, u32::MAX / 2];
    let (mut opened, mut lost) = (0, 0);
    for seed in 50..54 {
        let (mut a, mut b, mut random) = pair(seed);
        let first = send(&mut a, 0, &mut random);
        receive(&mut b, &first, &mut random).unwrap();
        let mut ends = [a, b];
        let mut sent: [Vec<Sent>; 2] = [Vec::new(), Vec::new()];
        let mut wire: Vec<(u32, usize, u64, [u8; PARCEL])> = Vec::new();
        for round in 0..400 {
            for from in 0..2 {
                // A receipt is never sent again: its gap stays.
                let receipt = send(&mut ends[from], 0, &mut random);
                if random.unit() > 0.3 {
                    receive(&mut ends[1 - from], &receipt, &mut random).unwrap();
                }
                let text = u64::from(round) + 1;
                let parcel = send(&mut ends[from], text, &mut random);
                sent[from].push(Sent {
                    text,
                    parcel,
                    tries: 0,
                    due: round,
                });
                for item in sent[from].iter_mut().filter(|item| item.due <= round) {
                    item.due = round + PAUSES[item.tries];
                    item.tries += 1;
                    if random.unit() > 0.3 {
                        let at = round + random.below(2) as u32;
                        wire.push((at, from, item.text, item.parcel));
                    }
                }
            }
            let (here, later): (Vec<_>, Vec<_>) = wire.into_iter().partition(|w| w.0 <= round);
            wire = later;
            for (_, from, text, parcel) in here {
                let Some(at) = sent[from].iter().position(|item| item.text == text) else {
                    continue;
                };
                assert_eq!(
                    receive(&mut ends[1 - from], &parcel, &mut random),
                    Ok(text),
                    "seed {seed}, round {round}"
                );
                sent[from].swap_remove(at);
                opened += 1;
            }
        }
        let given_up = |item: &&Sent| item.tries == PAUSES.len();
        lost += sent.iter().flatten().filter(given_up).count();
    }
    assert!(opened > 3000 && lost < 10, "{opened} {lost}");
}

#[test]
#[should_panic(expected = "a step belongs to the state it was made from")]
fn a_step_never_overwrites_a_newer_state() {
    let (mut a, mut b, mut random) = pair(40);
    let first = send(&mut a, 0, &mut random);
    receive(&mut b, &first, &mut random).unwrap();
    let second = send(&mut a, 1, &mut random);
    let step = b.decrypt(&second, &mut random).unwrap();
    let _ = send(&mut b, 2, &mut random);
    let _ = step.commit(&mut b);
}

/// AES-GCM with one key and one nonce gives away the difference of two texts, and its authentication key.
#[test]
fn a_restored_copy_never_seals_two_texts_under_one_key() {
    let (mut a, mut b, mut random) = pair(42);
    let copy = a.to_bytes();
    let mut restored = Ratchet::from_bytes(&copy).unwrap();
    let (first, second) = (
        send(&mut a, 1, &mut random),
        send(&mut restored, 2, &mut random),
    );
    let difference: Vec<u8> = (HEADER + COMMITMENT..PARCEL - TAG)
        .map(|i| first[i] ^ second[i])
        .collect();
    let same = difference.iter().filter(|byte| **byte == 0).count();
    assert!(
        same < 20,
        "{same} of {BODY} bytes are sealed with one key stream"
    );
    assert_ne!(
        first[HEADER..HEADER + COMMITMENT],
        second[HEADER..HEADER + COMMITMENT],
        "nor can it be told that they stand in one place of the chain"
    );
    let mut other = Ratchet::from_bytes(&b.to_bytes()).unwrap();
    assert_eq!(receive(&mut b, &second, &mut random), Ok(2));
    assert_eq!(receive(&mut b, &first, &mut random), Err(Rejected));
    assert_eq!(receive(&mut other, &first, &mut random), Ok(1));
}

#[test]
fn damaged_states_are_refused() {
    let (mut a, mut b, mut random) = pair(41);
    for i in 0..5 {
        let parcel = send(&mut a, i, &mut random);
        if i % 2 == 0 {
            receive(&mut b, &parcel, &mut random).unwrap();
        }
    }
    let bytes = b.to_bytes();
    assert!((0..bytes.len()).all(|n| Ratchet::from_bytes(&bytes[..n]).is_err()));
    assert!(Ratchet::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

/// Only who has the message key can make such a parcel: it opens under another key, too, which the commitment is there against.
#[test]
fn a_parcel_without_the_commitment_to_its_key_is_refused() {
    let (mut a, mut b, mut random) = pair(43);
    let before = a.to_bytes();
    let good = send(&mut a, 1, &mut random);
    let sending = Ratchet::from_bytes(&before).unwrap().sending.unwrap();
    let (message, _) = step_chain(&sending.chain);
    let header = good.first_chunk::<HEADER>().unwrap();
    let (key, _) = body_key(&message, &a.name, header);
    let mut forged = good;
    forged[HEADER] ^= 1;
    let mut sealed = [7; BODY].to_vec();
    key.seal(&forged[..HEADER + COMMITMENT], &mut sealed);
    forged[HEADER + COMMITMENT..].copy_from_slice(&sealed);
    assert_eq!(receive(&mut b, &forged, &mut random), Err(Rejected));
    assert_eq!(receive(&mut b, &good, &mut random), Ok(1));
}
