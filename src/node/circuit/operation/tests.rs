use super::*;
use crate::crypto::blind::BlindedSigner;
use crate::crypto::keys::NodeKey;
use crate::wire::descriptor;
use crate::wire::size::POINT;

const DAY_MS: u64 = 86_400_000;

/// A descriptor of nobody's, in as many revisions as are asked for.
fn descriptors<const N: usize>(
    random: &mut Stream,
    revisions: [u64; N],
) -> (Position, [Box<[u8; VALUE]>; N]) {
    let signer = BlindedSigner::throwaway(random);
    let values = revisions.map(|revision| {
        let mut value: Box<[u8; VALUE]> = Box::new(random.bytes());
        value[0] = descriptor::VERSION;
        value[1..5].copy_from_slice(&20_000_u32.to_be_bytes());
        value[5..5 + POINT].copy_from_slice(signer.id().bytes());
        value[5 + POINT..descriptor::SEALED_AT].copy_from_slice(&revision.to_be_bytes());
        let signature = signer.sign(&value[..descriptor::SIGNED]);
        value[descriptor::SIGNED..].copy_from_slice(&signature.0);
        value
    });
    (descriptor::place(&signer.id()), values)
}

/// What a replica does with every question.
#[derive(Clone)]
enum Does {
    Has(Box<[u8; VALUE]>),
    /// The first half only; the second is never answered.
    HasFirst(Box<[u8; VALUE]>),
    HasNothing,
    IsSilent,
}

fn answers(does: &Does, request: &Request) -> Option<Answer> {
    let Request::Get { query, key, index } = request else {
        return None;
    };
    let (query, key, index) = (*query, *key, *index);
    let chunk = |value: &[u8; VALUE]| Answer::Chunk {
        query,
        key,
        index,
        ttl: 1,
        revision: revision(value),
        chunk: std::array::from_fn(|n| value[usize::from(index) * CHUNK + n]),
    };
    match does {
        Does::Has(value) => Some(chunk(value)),
        Does::HasFirst(value) if index == 0 => Some(chunk(value)),
        Does::HasNothing => Some(Answer::NoValue { query, key }),
        Does::HasFirst(_) | Does::IsSilent => None,
    }
}

/// Looks up among three replicas that do this, whichever is asked first. Gives what was found and how many questions it took.
fn look_up(random: &mut Stream, key: Position, does: &[Does]) -> (Option<Box<[u8; VALUE]>>, usize) {
    let mut pool = Pool::new(NodeKey::generate(random).id());
    let replicas: Vec<NodeId> = does
        .iter()
        .map(|_| {
            let node = NodeKey::generate(random).id();
            let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
            pool.insert(Peer { node, addr }, Position(random.bytes()));
            node
        })
        .collect();
    let mut operation = Operation::new(key, Goal::Fetch, true);
    let mut questions = 0;
    while questions < 100 {
        // All that can be asked without an answer, then the answers.
        let mut asked = Vec::new();
        while let Some((kind, peer, request, half)) = operation.next(&pool, random) {
            assert_eq!(kind, Kind::Get);
            asked.push((peer.node, request, half));
        }
        if asked.is_empty() {
            break;
        }
        for (node, request, half) in asked {
            questions += 1;
            let at = replicas.iter().position(|other| *other == node);
            match at.and_then(|at| answers(&does[at], &request)) {
                Some(answer) => operation.answered(Kind::Get, &node, half, &answer, &[]),
                None => operation.unanswered(Kind::Get, &node, half),
            }
        }
        if operation.is_over() {
            break;
        }
    }
    match operation.outcome() {
        Some(Outcome::Fetched(value)) => (value, questions),
        other => panic!("not over after {questions} questions: {other:?}"),
    }
}

#[test]
fn three_questions_bring_what_all_replicas_have() {
    let mut random = Stream::from_seed([1; 32]);
    let (key, [value]) = descriptors(&mut random, [20_000 * DAY_MS]);
    let all = [(); 3].map(|()| Does::Has(value.clone()));
    assert_eq!(look_up(&mut random, key, &all), (Some(value), 3));
}

#[test]
fn an_old_value_at_one_replica_never_wins() {
    let mut random = Stream::from_seed([2; 32]);
    // The second pair lies on both sides of the wrap of a revision's low half.
    for (old, new) in [(7, 9), (u64::from(u32::MAX), (1 << 32) + 3)] {
        let (key, [old, new]) = descriptors(&mut random, [old, new]);
        for _ in 0..20 {
            let does = [
                Does::Has(old.clone()),
                Does::Has(new.clone()),
                Does::Has(new.clone()),
            ];
            let (found, questions) = look_up(&mut random, key, &does);
            assert!(found.as_ref() == Some(&new), "the old one won");
            assert!(questions <= 4);
        }
    }
}

#[test]
fn what_one_replica_of_three_has_is_found() {
    let mut random = Stream::from_seed([3; 32]);
    let (key, [value]) = descriptors(&mut random, [7]);
    for others in [Does::HasNothing, Does::IsSilent] {
        for _ in 0..20 {
            let does = [Does::Has(value.clone()), others.clone(), others.clone()];
            let (found, questions) = look_up(&mut random, key, &does);
            assert_eq!(found, Some(value.clone()));
            assert!(questions <= 6, "{questions} questions");
        }
    }
}

#[test]
fn one_replica_is_enough_in_a_network_that_has_no_other() {
    let mut random = Stream::from_seed([6; 32]);
    let (key, [value]) = descriptors(&mut random, [7]);
    let does = [Does::Has(value.clone())];
    assert_eq!(look_up(&mut random, key, &does), (Some(value), 2));
    assert_eq!(look_up(&mut random, key, &[Does::HasNothing]).0, None);
}

#[test]
fn that_there_is_nothing_is_believed_when_two_say_so_and_the_third_was_asked() {
    let mut random = Stream::from_seed([4; 32]);
    let (key, []) = descriptors(&mut random, []);
    for third in [Does::HasNothing, Does::IsSilent] {
        for _ in 0..20 {
            let does = [Does::HasNothing, Does::HasNothing, third.clone()];
            let (found, questions) = look_up(&mut random, key, &does);
            assert_eq!(found, None);
            assert!(questions <= 4, "{questions} questions");
        }
    }
}

#[test]
fn a_newer_half_whose_other_half_never_comes_hides_nothing() {
    let mut random = Stream::from_seed([5; 32]);
    let (key, [old, new]) = descriptors(&mut random, [7, 9]);
    for _ in 0..20 {
        let does = [
            Does::HasFirst(new.clone()),
            Does::Has(old.clone()),
            Does::Has(old.clone()),
        ];
        assert_eq!(look_up(&mut random, key, &does).0, Some(old.clone()));
    }
}
