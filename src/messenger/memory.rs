//! The simulated store: one disk in memory, with crashes, full disks and what a thief would find.
//!
//! A commit is first written and then synced, as on a real disk; what was written and not synced is kept apart, so that a crash can
//! be played on either side of it. Bytes that were removed stay findable until a batch erases, as they do in the log of a database.
//! Not here: SQL and files (`store`); both stores keep the same promises, and the same tests hold them to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::persistence::{
    AccountBytes, Batch, Change, ContactRow, IncomingPart, MAX_PAGE, MessageRow, MetaKey,
    OutgoingRow, Persistence, ProfileRow, SecretBytes, SessionRow, Snapshot, StoreError,
};

/// Removed secrets that are kept for the thief; the oldest go first. Far above what a simulated day removes between two erasures.
const MAX_REMAINS: usize = 4096;

#[derive(Default)]
struct Tables {
    profile: Option<ProfileRow>,
    contacts: BTreeMap<AccountBytes, ContactRow>,
    sessions: BTreeMap<(AccountBytes, u8), SecretBytes>,
    messages: BTreeMap<u64, MessageRow>,
    /// Numbers of each conversation.
    history: BTreeMap<AccountBytes, BTreeSet<u64>>,
    outgoing: BTreeMap<(AccountBytes, u32), OutgoingRow>,
    incoming: BTreeMap<(AccountBytes, u32), IncomingPart>,
    meta: BTreeMap<MetaKey, SecretBytes>,
    seen: BTreeMap<[u8; 16], u32>,
    highest_number: u64,
    remains: VecDeque<SecretBytes>,
}

/// A store in memory that can fail, crash and be searched.
#[derive(Default)]
pub struct Memory {
    synced: Tables,
    /// Written by a commit that never returned.
    unsynced: Option<Batch>,
    stop_next: bool,
    fail_next: u32,
    commits: u64,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    /// The next `n` commits find the disk full.
    pub fn fail_next(&mut self, n: u32) {
        self.fail_next = n;
    }

    /// The program dies in the next commit, after writing and before syncing: the commit and everything after it answers `Io` until
    /// [`Memory::crash`].
    pub fn stop_in_next_commit(&mut self) {
        self.stop_next = true;
    }

    /// The store as a restart finds it. `survived`: whether what was written and never synced reached the disk.
    pub fn crash(self, survived: bool) -> Memory {
        let mut synced = self.synced;
        if let (Some(batch), true) = (self.unsynced, survived) {
            synced.apply(batch);
        }
        Memory {
            synced,
            commits: self.commits,
            ..Memory::default()
        }
    }

    /// Commits that returned `Ok`.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Every secret that someone with the disk and the passphrase finds: current ones, and removed ones that no batch erased.
    pub fn findable(&self) -> impl Iterator<Item = &[u8]> {
        let tables = &self.synced;
        let current = (tables.profile.iter().map(|row| &row.account_key))
            .chain(tables.sessions.values())
            .chain(
                tables
                    .outgoing
                    .values()
                    .flat_map(|row| [&row.body, &row.parcel]),
            )
            .chain(tables.incoming.values().map(|row| &row.body))
            .chain(tables.meta.values());
        current.chain(&tables.remains).map(SecretBytes::as_slice)
    }

    fn alive(&self) -> Result<(), StoreError> {
        match self.unsynced {
            None => Ok(()),
            Some(_) => Err(StoreError::Io("the program was killed".into())),
        }
    }
}

impl Tables {
    /// Whether every change that needs a contact has one at its turn.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut changed: BTreeMap<AccountBytes, bool> = BTreeMap::new();
        for change in &batch.changes {
            let needed = match change {
                Change::PutContact(row) => {
                    changed.insert(row.account, true);
                    continue;
                }
                Change::RemoveContact(account) => {
                    changed.insert(*account, false);
                    continue;
                }
                Change::PutSession(row) => row.contact,
                Change::PutMessage(row) => row.contact,
                Change::PutOutgoing(row) => row.contact,
                Change::PutIncomingPart(row) => row.contact,
                Change::PutMeta {
                    key:
                        MetaKey {
                            contact: Some(contact),
                            ..
                        },
                    ..
                } => *contact,
                _ => continue,
            };
            if !changed
                .get(&needed)
                .copied()
                .unwrap_or_else(|| self.contacts.contains_key(&needed))
            {
                return Err(StoreError::Refused("there is no such contact"));
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: Batch) {
        for change in batch.changes {
            self.change(change);
        }
        if batch.erase {
            self.remains.clear();
        }
    }

    fn left_behind(&mut self, removed: Option<SecretBytes>) {
        let Some(removed) = removed.filter(|bytes| !bytes.as_slice().is_empty()) else {
            return;
        };
        if self.remains.len() == MAX_REMAINS {
            self.remains.pop_front();
        }
        self.remains.push_back(removed);
    }

    fn remove_message(&mut self, number: u64) {
        if let Some(row) = self.messages.remove(&number)
            && let Some(numbers) = self.history.get_mut(&row.contact)
        {
            numbers.remove(&number);
        }
    }

    fn remove_outgoing(&mut self, key: (AccountBytes, u32)) {
        if let Some(row) = self.outgoing.remove(&key) {
            self.left_behind(Some(row.body));
            self.left_behind(Some(row.parcel));
        }
    }

    fn remove_incoming(&mut self, contact: AccountBytes, from: u32, to: u32) {
        if from > to {
            return;
        }
        let keys: Vec<_> = self
            .incoming
            .range((contact, from)..=(contact, to))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            let removed = self.incoming.remove(&key).map(|row| row.body);
            self.left_behind(removed);
        }
    }

    fn remove_contact(&mut self, account: AccountBytes) {
        self.contacts.remove(&account);
        for number in self.history.remove(&account).unwrap_or_default() {
            self.messages.remove(&number);
        }
        for slot in 0..=u8::MAX {
            let removed = self.sessions.remove(&(account, slot));
            self.left_behind(removed);
        }
        let outgoing: Vec<_> = self
            .outgoing
            .range((account, 0)..=(account, u32::MAX))
            .map(|(key, _)| *key)
            .collect();
        for key in outgoing {
            self.remove_outgoing(key);
        }
        self.remove_incoming(account, 0, u32::MAX);
        let names: Vec<_> = self
            .meta
            .keys()
            .filter(|key| key.contact == Some(account))
            .cloned()
            .collect();
        for key in names {
            let removed = self.meta.remove(&key);
            self.left_behind(removed);
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::PutProfile(row) => {
                let replaced = self.profile.replace(row).map(|row| row.account_key);
                self.left_behind(replaced);
            }
            Change::PutContact(row) => {
                self.contacts.insert(row.account, row);
            }
            Change::RemoveContact(account) => self.remove_contact(account),
            Change::PutSession(row) => {
                let replaced = self.sessions.insert((row.contact, row.slot), row.state);
                self.left_behind(replaced);
            }
            Change::RemoveSession { contact, slot } => {
                let removed = self.sessions.remove(&(contact, slot));
                self.left_behind(removed);
            }
            Change::PutMessage(row) => {
                self.remove_message(row.number);
                self.highest_number = self.highest_number.max(row.number);
                self.history
                    .entry(row.contact)
                    .or_default()
                    .insert(row.number);
                self.messages.insert(row.number, row);
            }
            Change::RemoveMessage { number } => self.remove_message(number),
            Change::SetDelivery { number, delivery } => {
                if let Some(row) = self.messages.get_mut(&number) {
                    row.delivery = delivery;
                }
            }
            Change::SetSecrecy { number, secrecy } => {
                if let Some(row) = self.messages.get_mut(&number) {
                    row.secrecy = secrecy;
                }
            }
            Change::PutOutgoing(row) => {
                self.remove_outgoing((row.contact, row.sequence));
                self.outgoing.insert((row.contact, row.sequence), row);
            }
            Change::RemoveOutgoing { contact, sequence } => {
                self.remove_outgoing((contact, sequence))
            }
            Change::PutIncomingPart(row) => {
                let replaced = self
                    .incoming
                    .insert((row.contact, row.sequence), row)
                    .map(|row| row.body);
                self.left_behind(replaced);
            }
            Change::RemoveIncomingParts { contact, from, to } => {
                self.remove_incoming(contact, from, to)
            }
            Change::PutMeta { key, value } => {
                let replaced = self.meta.insert(key, value);
                self.left_behind(replaced);
            }
            Change::RemoveMeta(key) => {
                let removed = self.meta.remove(&key);
                self.left_behind(removed);
            }
            Change::PutSeen { id, day } => {
                self.seen.insert(id, day);
            }
            Change::ForgetSeen { before_day } => self.seen.retain(|_, day| *day >= before_day),
        }
    }

    fn unread(&self) -> Vec<(AccountBytes, u32)> {
        let mut unread = Vec::new();
        for (account, numbers) in &self.history {
            let read_up_to = self.contacts.get(account).map_or(0, |row| row.read_up_to);
            let count = numbers
                .range(read_up_to.saturating_add(1)..)
                .filter(|n| self.messages.get(n).is_some_and(|m| !m.mine))
                .count();
            if count > 0 {
                unread.push((*account, u32::try_from(count).unwrap_or(u32::MAX)));
            }
        }
        unread
    }
}

impl Persistence for Memory {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.alive()?;
        let tables = &self.synced;
        Ok(Snapshot {
            profile: tables.profile.as_ref().map(ProfileRow::copy),
            contacts: tables.contacts.values().cloned().collect(),
            unread: tables.unread(),
            sessions: (tables.sessions.iter())
                .map(|((contact, slot), state)| SessionRow {
                    contact: *contact,
                    slot: *slot,
                    state: state.copy(),
                })
                .collect(),
            outgoing: tables.outgoing.values().map(OutgoingRow::copy).collect(),
            incoming: tables.incoming.values().map(IncomingPart::copy).collect(),
            meta: tables
                .meta
                .iter()
                .map(|(key, value)| (key.clone(), value.copy()))
                .collect(),
            seen: tables.seen.iter().map(|(id, day)| (*id, *day)).collect(),
            next_number: tables.highest_number + 1,
        })
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.alive()?;
        batch.check()?;
        self.synced.check(&batch)?;
        if self.fail_next > 0 {
            self.fail_next -= 1;
            return Err(StoreError::Full);
        }
        if self.stop_next {
            self.unsynced = Some(batch);
            return self.alive();
        }
        self.synced.apply(batch);
        self.commits += 1;
        Ok(())
    }

    fn messages(
        &mut self,
        contact: &AccountBytes,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.alive()?;
        let tables = &self.synced;
        let Some(numbers) = tables.history.get(contact) else {
            return Ok(Vec::new());
        };
        let newest = numbers
            .range(..before.unwrap_or(u64::MAX))
            .rev()
            .take(limit.min(MAX_PAGE));
        let mut rows: Vec<_> = newest
            .filter_map(|number| tables.messages.get(number).cloned())
            .collect();
        rows.reverse();
        Ok(rows)
    }

    fn message(&mut self, number: u64) -> Result<Option<MessageRow>, StoreError> {
        self.alive()?;
        Ok(self.synced.messages.get(&number).cloned())
    }
}

#[cfg(test)]
mod tests;
