//! `paratox headless`: the chat without a screen, for bots and tests.

use serde_json::Value;
use tokio::sync::mpsc;

use super::account::{self, Person};
use super::args::Options;
use super::exit::Failure;
use super::json::{
    self, Contact, Entry, Line, Message, Network, Out, Refusal, Reply as ReplyLine, Request,
};
use super::pipes::{self, Input, Output};
use super::place;
use super::signals::Signals;
use crate::crypto::id::AccountId;
use crate::messenger::view::ChatEvent;
use crate::messenger::{Command, CommandError, Reply, Status};
use crate::net::client::Client;
use crate::net::clock::Clock;
use crate::net::front::FrontEvent;
use crate::node::person::NetworkInfo;
use crate::wire::ticket::Ticket;

pub fn run(options: &Options, name: Option<&str>) -> Result<(), Failure> {
    let directory = place::data_dir(options)?;
    let passphrase = place::passphrase(options, &directory, name.is_some())?;
    let runtime = super::runtime()?;
    // From here on a signal ends the program in order, also while the passphrase is being tried.
    let signals = super::watch_signals_in(&runtime)?;
    let profile = account::open(&directory, &passphrase, name)?;
    drop(passphrase);
    account::tell_rights(&profile);
    let started = account::start(runtime.handle(), Clock::start(), profile, options)?;
    let result = runtime.block_on(serve_until(signals, &started.client, &started.entries));
    drop(started);
    runtime.shutdown_background();
    result
}

/// Why the conversation with the script ends.
enum End {
    /// End of input, a signal, or nobody reads any more.
    Clean,
    Defect,
}

/// Answers commands and tells events until the input ends. The demo without a screen uses it too.
pub async fn serve(client: &Client<Person>, entries: &[Ticket]) -> Result<(), Failure> {
    serve_until(super::watch_signals()?, client, entries).await
}

/// The same, until a signal that may have come already.
async fn serve_until(
    mut signals: Signals,
    client: &Client<Person>,
    entries: &[Ticket],
) -> Result<(), Failure> {
    let output = Output::start();
    let mut session = Session {
        client,
        entries,
        out: output.lines().clone(),
        own: None,
        network: None,
        snapshot: None,
    };
    // One future for all of it, so that a signal ends it wherever it waits: at a full pipe, for the disk, for input.
    let end = tokio::select! {
        end = session.run(pipes::input()) => end,
        () = signals.wait() => End::Clean,
    };
    drop(session);
    output.finish().await;
    match end {
        End::Clean => Ok(()),
        End::Defect => Err(Failure::failed(super::DEFECT)),
    }
}

struct Session<'a> {
    client: &'a Client<Person>,
    entries: &'a [Ticket],
    out: mpsc::Sender<String>,
    own: Option<AccountId>,
    /// As told last.
    network: Option<Network>,
    /// As heard last.
    snapshot: Option<Box<NetworkInfo>>,
}

impl Session<'_> {
    async fn run(&mut self, mut input: mpsc::Receiver<Input>) -> End {
        match self.talk(&mut input).await {
            Ok(()) => End::Clean,
            Err(end) => end,
        }
    }

    async fn talk(&mut self, input: &mut mpsc::Receiver<Input>) -> Result<(), End> {
        if let Ok(Reply::Status(status)) = self.ask(Command::Status).await? {
            self.own = Some(status.id);
            self.tell(Out::Ready {
                id: status.id.to_string(),
                name: status.name,
            })
            .await?;
        }
        loop {
            tokio::select! {
                line = input.recv() => match line {
                    None => return Ok(()),
                    Some(line) => if self.answer(line).await? { return Ok(()) },
                },
                event = self.client.front().next() => match event {
                    FrontEvent::Ended => return Err(End::Defect),
                    FrontEvent::Network(info) => self.network(info).await?,
                    FrontEvent::Chat(event) => if let Some(out) = self.event(event) { self.tell(out).await? },
                },
            }
        }
    }

    async fn tell(&self, out: Out) -> Result<(), End> {
        self.out.send(out.line()).await.map_err(|_| End::Clean)
    }

    async fn ask(&self, command: Command) -> Result<Result<Reply, CommandError>, End> {
        match self.client.command(command) {
            Err(full) => Ok(Err(CommandError {
                code: "busy",
                text: full.to_string(),
                position: None,
            })),
            Ok(answer) => answer.await.map_err(|_| End::Defect),
        }
    }

    /// Whether it was the last line.
    async fn answer(&mut self, input: Input) -> Result<bool, End> {
        let Line { tag, request } = match input {
            Input::Line(line) => json::parse(&line),
            Input::TooLong => json::too_long(),
        };
        let request = match request {
            Ok(request) => request,
            Err(refusal) => {
                self.tell(Out::refusal(tag, refusal)).await?;
                return Ok(false);
            }
        };
        let Request::Chat(command) = request else {
            self.tell(Out::Reply(ReplyLine {
                tag,
                ok: true,
                ..ReplyLine::default()
            }))
            .await?;
            return Ok(true);
        };
        let out = match self.ask(command).await? {
            Ok(reply) => Out::Reply(self.reply(tag, reply)),
            Err(CommandError {
                code,
                text,
                position,
            }) => Out::refusal(
                tag,
                Refusal {
                    code,
                    text,
                    position,
                },
            ),
        };
        self.tell(out).await?;
        Ok(false)
    }

    fn reply(&self, tag: Option<Value>, reply: Reply) -> ReplyLine {
        let mut line = ReplyLine {
            tag,
            ok: true,
            ..ReplyLine::default()
        };
        match reply {
            Reply::Done => {}
            Reply::Saved(number) => line.msg = Some(number),
            Reply::Messages { messages, older } => {
                line.messages = self.own.map(|own| {
                    messages
                        .iter()
                        .map(|view| Message::of(view, &own))
                        .collect()
                });
                line.older = Some(older);
            }
            Reply::Contacts(contacts) => {
                line.contacts = Some(contacts.iter().map(Contact::of).collect())
            }
            Reply::Status(Status {
                id,
                name,
                contacts,
                requests,
                queued,
                unread,
            }) => {
                line.status = Some(json::Status {
                    id: id.to_string(),
                    name,
                    contacts,
                    requests,
                    queued,
                    unread,
                });
                line.network = Some(
                    self.network_line(self.snapshot.as_deref().unwrap_or(&NetworkInfo::default())),
                );
            }
        }
        line
    }

    fn network_line(&self, info: &NetworkInfo) -> Network {
        let entry = |ticket: &Ticket| Entry {
            ticket: ticket.to_string(),
            verdict: "unknown",
        };
        Network::of(info, self.entries.iter().map(entry).collect())
    }

    async fn network(&mut self, info: Box<NetworkInfo>) -> Result<(), End> {
        let line = self.network_line(&info);
        self.snapshot = Some(info);
        if self.network.as_ref() != Some(&line) {
            self.network = Some(line.clone());
            self.tell(Out::Network(line)).await?;
        }
        Ok(())
    }

    fn event(&self, event: ChatEvent) -> Option<Out> {
        Some(match event {
            ChatEvent::Contact(view) => Out::Contact(Contact::of(&view)),
            ChatEvent::ContactGone(id) => Out::Removed { id: id.to_string() },
            ChatEvent::Request(view) => Out::Request {
                id: view.id.to_string(),
                name: view.name,
                text: view.request_text,
            },
            ChatEvent::Message(view) => Out::Message(Message::of(&view, &self.own?)),
            ChatEvent::Delivery {
                number,
                contact,
                delivery,
                secrecy,
            } => Out::Delivery {
                msg: number,
                id: contact.to_string(),
                delivery: json::delivery(delivery),
                secrecy: secrecy.level(),
            },
            ChatEvent::Question {
                number,
                contact,
                reason,
            } => Out::Question {
                msg: number,
                id: contact.to_string(),
                reason,
            },
            ChatEvent::Notice(text) => Out::Notice { text },
            // said once when it begins; a notice follows when it is over
            ChatEvent::Trouble(why) => Out::Notice { text: why? },
        })
    }
}
