//! What goes wrong in a world when a test says so: cells lost, programs killed, started again, standing still.

use std::time::Duration;

use super::World;
use crate::messenger::Messenger;
use crate::wire::time::Moment;

impl World {
    /// Cells that this node sends vanish from now on, or no longer.
    pub fn set_mute(&mut self, index: usize, mute: bool) {
        self.inhabitants[index].mute = mute;
    }

    /// From now on the node has no network, or has it again.
    pub fn set_cut(&mut self, index: usize, cut: bool) {
        self.inhabitants[index].cut = cut;
    }

    pub fn set_loss(&mut self, loss: f64) {
        self.wires.set_loss(loss);
    }

    /// The program stops as if its computer had lost power. Nothing is said to anybody; a person keeps what the disk has.
    pub fn kill(&mut self, index: usize) {
        let inhabitant = &mut self.inhabitants[index];
        inhabitant.node = None;
        inhabitant.stands_until = Moment(0);
        inhabitant.stood = Duration::ZERO;
        inhabitant.resumes = false;
        if let Some(person) = &mut inhabitant.person
            && let Some(messenger) = person.messenger.take()
        {
            person.disk = Some(messenger.into_store().crash(false));
        }
    }

    /// A program that was killed starts again: another NodeId, the same address, the same person.
    pub fn restart(&mut self, index: usize) {
        let now = self.now();
        let context = [(index as u64).to_be_bytes(), self.now.0.to_be_bytes()].concat();
        let random = self.root.fork("person again", &context);
        if let Some(person) = &mut self.inhabitants[index].person
            && let Some(disk) = person.disk.take()
        {
            let messenger = Messenger::open(disk, random, now).expect("the disk has the account");
            person.messenger = Some(messenger);
        }
        self.start_node(index as u32);
        self.settle(index as u32);
    }

    /// The program stands still for `span`, as one that was stopped and is to be continued, or a computer with its lid shut: its clock of moments
    /// does as well (`net::clock`), and what comes for it waits as long as there is room.
    pub fn stand_still(&mut self, index: usize, span: Duration) {
        let inhabitant = &mut self.inhabitants[index];
        let from = inhabitant.stands_until.max(self.now);
        let until = from.max(self.now + span);
        inhabitant.stands_until = until;
        inhabitant.stood += until.since(from);
        inhabitant.resumes = true;
    }
}
