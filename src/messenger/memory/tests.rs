use super::*;

fn meta(text: &str) -> Batch {
    let mut batch = Batch::new();
    batch.push(Change::PutMeta {
        key: MetaKey::own("key"),
        value: SecretBytes::from_slice(text.as_bytes()),
    });
    batch
}

fn value(store: &mut Memory) -> Option<Vec<u8>> {
    store
        .load()
        .ok()?
        .meta
        .first()
        .map(|(_, value)| value.as_slice().to_vec())
}

#[test]
fn a_commit_that_returned_survives_a_crash() {
    let mut store = Memory::new();
    store.commit(meta("one")).unwrap();
    let mut store = store.crash(false);
    assert_eq!(value(&mut store).as_deref(), Some(&b"one"[..]));
}

#[test]
fn a_commit_that_never_returned_is_there_whole_or_not_at_all() {
    for (survived, expected) in [(false, &b"one"[..]), (true, b"two")] {
        let mut store = Memory::new();
        store.commit(meta("one")).unwrap();
        store.stop_in_next_commit();
        assert!(matches!(store.commit(meta("two")), Err(StoreError::Io(_))));
        assert!(store.load().is_err(), "a dead program reads nothing");
        let mut store = store.crash(survived);
        assert_eq!(value(&mut store).as_deref(), Some(expected));
    }
}

#[test]
fn a_full_disk_keeps_nothing_and_works_again_with_room() {
    let mut store = Memory::new();
    store.commit(meta("one")).unwrap();
    store.fail_next(1);
    assert_eq!(store.commit(meta("two")), Err(StoreError::Full));
    assert_eq!(value(&mut store).as_deref(), Some(&b"one"[..]));
    store.commit(meta("two")).unwrap();
    assert_eq!(value(&mut store).as_deref(), Some(&b"two"[..]));
}

#[test]
fn a_thief_finds_replaced_secrets_until_a_batch_erases() {
    let mut store = Memory::new();
    store.commit(meta("old key")).unwrap();
    store.commit(meta("new key")).unwrap();
    assert!(store.findable().any(|bytes| bytes == b"old key"));
    store.commit(Batch::erasing()).unwrap();
    assert!(!store.findable().any(|bytes| bytes == b"old key"));
    assert!(store.findable().any(|bytes| bytes == b"new key"));
}
