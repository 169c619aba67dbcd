//! The real machines, as the driver and the client take them.

use std::net::SocketAddr;

use super::client::{PersonMachine, PersonOutput};
use super::driver::{Machine, Output};
use crate::messenger::persistence::Persistence;
use crate::messenger::{Command, CommandError, Reply};
use crate::messenger::{Messenger, MessengerOutput};
use crate::node::person::{NetworkInfo, NodeCommand, PersonEvent};
use crate::node::{Node, NodeOutput};
use crate::wire::time::{Moment, Now};

impl Machine for Node {
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) {
        Node::handle_datagram(self, now, from, bytes);
    }

    fn handle_timeout(&mut self, now: Now) {
        Node::handle_timeout(self, now);
    }

    fn stood_still(&mut self, now: Now) {
        Node::stood_still(self, now);
    }

    fn command(&mut self, now: Now, command: NodeCommand) {
        Node::command(self, now, command);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Node::poll_output(self).map(|output| match output {
            NodeOutput::Transmit { at, to, cell, .. } => Output::Transmit { at, to, cell },
            NodeOutput::Person(event) => Output::Person(event),
        })
    }

    fn next_timeout(&self) -> Moment {
        Node::next_timeout(self)
    }

    fn info(&self, now: Now) -> NetworkInfo {
        Node::info(self, now)
    }
}

impl<P: Persistence + Send + 'static> PersonMachine for Messenger<P> {
    type Command = Command;
    type Answer = Result<Reply, CommandError>;

    fn handle_node(&mut self, now: Now, event: PersonEvent) {
        Messenger::handle_node(self, now, event);
    }

    fn handle_timeout(&mut self, now: Now) {
        Messenger::handle_timeout(self, now);
    }

    fn command(&mut self, now: Now, command: Command) -> Result<Reply, CommandError> {
        Messenger::command(self, now, command)
    }

    fn poll_output(&mut self) -> Option<PersonOutput> {
        Messenger::poll_output(self).map(|output| match output {
            MessengerOutput::Node(command) => PersonOutput::Node(command),
            MessengerOutput::Event(event) => PersonOutput::Event(event),
        })
    }

    fn next_timeout(&self, now: Now) -> Moment {
        Messenger::next_timeout(self, now)
    }
}
