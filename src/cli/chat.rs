//! `paratox`: the screen, wired to a person.
//!
//! The screen never waits for the person and the person never for the screen: between them runs one task that carries commands one way and
//! events the other. Not here: what a key does (`app`), what a command does (`messenger`).

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::account::{self, Person, Settings, Started};
use super::args::Options;
use super::demo::{Cast, Demo};
use super::exit::{Failure, WRONG_PASSPHRASE};
use super::place;
use crate::app::first_run::{FirstRun, Unlock};
use crate::app::{App, Command as Wish, Event, Stage};
use crate::messenger::{Command, CommandError, Reply};
use crate::net::client::Client;
use crate::net::clock::Clock;
use crate::net::front::FrontEvent;
use crate::store::{OpenError, Profile};
use crate::tui::terminal::Screen;
use crate::tui::theme::Theme;
use crate::tui::{self, ExitReason};
use crate::wire::ticket::Ticket;

/// Commands on their way from the screen; when full the screen says that the program is busy.
const WISHES: usize = 64;
/// Events on their way to the screen; when full they wait in the person's own queue.
const EVENTS: usize = 256;
/// Messages loaded at once.
const PAGE: usize = 100;

pub fn run(options: &Options) -> Result<(), Failure> {
    need_terminal("paratox headless")?;
    let directory = place::data_dir(options)?;
    let runtime = super::runtime()?;
    let clock = Clock::start();
    let mut open = None;
    let stage = match (Profile::look(&directory), &options.passphrase_file) {
        (Ok(()), Some(file)) => {
            let profile = account::open(&directory, &place::passphrase_from(file)?, None)?;
            open = Some(Open::from(account::start(
                runtime.handle(),
                clock,
                profile,
                options,
            )?));
            Stage::Chat
        }
        (Ok(()), None) => Stage::Unlock(Unlock::default()),
        (Err(OpenError::NoProfile(_)), _) => {
            Stage::FirstRun(FirstRun::new("", options.class(), options.entries.len()))
        }
        (Err(error), _) => return Err(error.into()),
    };
    let app = App::new(
        stage,
        &directory.display().to_string(),
        TimeZone::system(),
        clock.now(),
    );
    let opener = Opener {
        options: options.clone(),
        directory,
        runtime: runtime.handle().clone(),
        clock,
    };
    let source = match open {
        Some(open) => Source::Opened(open),
        None => Source::Profile(Box::new(opener)),
    };
    let result = show(&runtime, clock, app, source);
    runtime.shutdown_background();
    result
}

/// The screen of the demo, on the conversation with the first of its contacts. It stands before the network does: what is written
/// meanwhile waits in the queue of commands and is kept and sent as soon as there is somebody who can.
pub fn demo(runtime: &Runtime, clock: Clock, cast: Cast) -> Result<(), Failure> {
    need_terminal("paratox demo --headless")?;
    let (id, name) = cast.user();
    let contacts = cast.contacts();
    let app = App::of_demo((id, name), &contacts, TimeZone::system(), clock.now());
    let handle = runtime.handle().clone();
    let starting = runtime.spawn_blocking(move || Demo::start(&handle, clock, cast));
    show(runtime, clock, app, Source::Demo(starting))
}

fn need_terminal(instead: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::usage(format!(
            "the chat needs a terminal; in a script use `{instead}`"
        )));
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Err(Failure::usage(format!(
            "this terminal cannot be drawn on (TERM is dumb); take another, or use `{instead}`"
        )));
    }
    Ok(())
}

fn show(runtime: &Runtime, clock: Clock, app: App, source: Source) -> Result<(), Failure> {
    let (wishes, receiver) = mpsc::channel(WISHES);
    let (events, shown) = mpsc::channel(EVENTS);
    let carrier = Carrier {
        source,
        open: None,
        demo: None,
        events,
    };
    let carrier = runtime.spawn(carrier.run(receiver));
    let theme = Theme::detect(|name| std::env::var(name).ok());
    let (result, carried) = runtime.block_on(async {
        let result = tui::run(Screen::stdout(), theme, wishes, shown, app, || clock.now()).await;
        // Ends because the screen dropped its ends of the channels; it closes the profile.
        (result, carrier.await)
    });
    if let Ok(Err(failure)) = carried {
        return Err(failure);
    }
    match result {
        Ok(ExitReason::ProgramEnded) => Err(Failure::failed(super::DEFECT)),
        Ok(ExitReason::Quit | ExitReason::Signal | ExitReason::InputClosed) => Ok(()),
        Err(error) => Err(Failure::failed(format!(
            "the screen failed ({error}); start again in another terminal"
        ))),
    }
}

/// A person that runs, and the entry nodes it was started with.
#[derive(Clone)]
struct Open {
    client: Arc<Client<Person>>,
    entries: Vec<Ticket>,
}

impl From<Started> for Open {
    fn from(started: Started) -> Open {
        Open {
            client: Arc::new(started.client),
            entries: started.entries,
        }
    }
}

/// Opens or makes the profile when the person says so.
struct Opener {
    options: Options,
    directory: PathBuf,
    runtime: Handle,
    clock: Clock,
}

impl Opener {
    fn unlock(&self, passphrase: &[u8]) -> Result<Open, Failure> {
        self.start(account::open(&self.directory, passphrase, None))
    }

    fn create(
        &self,
        passphrase: &[u8],
        name: &str,
        mut settings: Settings,
    ) -> Result<Open, Failure> {
        settings.merge(&self.options);
        self.start(
            account::open(&self.directory, passphrase, Some(name)).and_then(|mut profile| {
                settings.save(&mut profile)?;
                Ok(profile)
            }),
        )
    }

    fn start(&self, profile: Result<Profile, Failure>) -> Result<Open, Failure> {
        let started = account::start(&self.runtime, self.clock, profile?, &self.options)?;
        Ok(started.into())
    }
}

/// Where the person comes from.
enum Source {
    /// A profile that is opened or made when the user says so.
    Profile(Box<Opener>),
    /// One that was opened without asking.
    Opened(Open),
    /// The demo's, as soon as its network stands.
    Demo(JoinHandle<Result<Demo, Failure>>),
    /// Nothing more comes.
    Nothing,
}

/// The screen has gone.
struct Gone;

/// Carries commands from the screen to the person and events back.
struct Carrier {
    source: Source,
    open: Option<Open>,
    /// Kept running as long as the screen stands.
    demo: Option<Demo>,
    events: mpsc::Sender<Event>,
}

impl Carrier {
    /// # Errors
    /// If there will be no person.
    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>) -> Result<(), Failure> {
        match std::mem::replace(&mut self.source, Source::Nothing) {
            Source::Opened(open) => self.open = Some(open),
            Source::Demo(starting) => {
                let demo = starting
                    .await
                    .map_err(|_| Failure::failed(super::DEFECT))??;
                self.open = Some(Open {
                    client: demo.user.clone(),
                    entries: demo.entries.clone(),
                });
                self.demo = Some(demo);
            }
            source => self.source = source,
        }
        // Both ends are the same: the screen has gone, or the person has; dropping `events` tells the screen.
        let _ = self.carry(&mut wishes).await;
        Ok(())
    }

    async fn carry(&mut self, wishes: &mut mpsc::Receiver<Wish>) -> Result<(), Gone> {
        if self.open.is_some() {
            self.introduce().await?;
        }
        loop {
            let client = self.open.as_ref().map(|open| open.client.clone());
            let next = async {
                match &client {
                    Some(client) => client.front().next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                wish = wishes.recv() => match wish {
                    None | Some(Wish::Quit) => return Ok(()),
                    Some(wish) => self.wish(wish).await?,
                },
                event = next => match event {
                    FrontEvent::Ended => return Ok(()),
                    FrontEvent::Network(info) => self.tell(Event::Network(info)).await?,
                    FrontEvent::Chat(event) => self.tell(Event::Chat(event)).await?,
                },
            }
        }
    }

    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    async fn ask(&self, command: Command) -> Result<Reply, CommandError> {
        let failed = |code, text: String| CommandError {
            code,
            text,
            position: None,
        };
        let Some(Open { client, .. }) = &self.open else {
            return Err(failed("closed", "the profile is not open yet".to_owned()));
        };
        let answer = client
            .command(command)
            .map_err(|full| failed("busy", full.to_string()))?;
        answer
            .await
            .unwrap_or_else(|_| Err(failed("defect", super::DEFECT.to_owned())))
    }

    /// Whose profile this is and whom it knows.
    async fn introduce(&self) -> Result<(), Gone> {
        self.tell(Event::Opened).await?;
        if let Some(open) = &self.open {
            self.tell(Event::Entries(open.entries.clone())).await?;
        }
        if let Ok(Reply::Status(status)) = self.ask(Command::Status).await {
            self.tell(Event::Identity {
                id: status.id,
                name: status.name,
            })
            .await?;
        }
        if let Ok(Reply::Contacts(contacts)) = self.ask(Command::List).await {
            self.tell(Event::Contacts(contacts)).await?;
        }
        Ok(())
    }

    async fn wish(&mut self, wish: Wish) -> Result<(), Gone> {
        let id = |id: crate::crypto::id::AccountId| id.to_string();
        let command = match wish {
            Wish::Unlock(passphrase) => {
                return self
                    .open(move |opener| opener.unlock(passphrase.reveal().as_bytes()))
                    .await;
            }
            Wish::Create {
                passphrase,
                name,
                class,
                tickets,
            } => {
                let mut settings = Settings {
                    class: Some(class),
                    tickets: Vec::new(),
                };
                match tickets
                    .iter()
                    .map(|ticket| ticket.parse::<Ticket>())
                    .collect::<Result<Vec<_>, _>>()
                {
                    Ok(tickets) => settings.remember(tickets.into_iter()),
                    Err(bad) => return self.tell(Event::NotOpened(bad.to_string())).await,
                }
                return self
                    .open(move |opener| {
                        opener.create(passphrase.reveal().as_bytes(), &name, settings)
                    })
                    .await;
            }
            Wish::Send { tag, to, text } => {
                let command = Command::Send {
                    to: id(to),
                    text,
                    allow_no_fs: false,
                };
                return match self.ask(command).await {
                    Ok(_) => self.tell(Event::Saved { tag }).await,
                    Err(error) => self.failed(Some(tag), error).await,
                };
            }
            Wish::Add {
                tag,
                id: contact,
                name,
                text,
            } => {
                let command = Command::Add {
                    id: id(contact),
                    name,
                    text,
                };
                return match self.ask(command).await {
                    Ok(_) => self.tell(Event::Saved { tag }).await,
                    Err(error) => self.failed(Some(tag), error).await,
                };
            }
            Wish::LoadHistory { contact, before } => {
                let command = Command::Messages {
                    with: id(contact),
                    before,
                    limit: PAGE,
                };
                return match self.ask(command).await {
                    Ok(Reply::Messages { messages, older }) => {
                        self.tell(Event::History {
                            contact,
                            messages,
                            older,
                        })
                        .await
                    }
                    _ => self.tell(Event::HistoryFailed { contact }).await,
                };
            }
            // A message waits for a session in any case, so there is nothing that an answer could change.
            Wish::Answer { .. } => return Ok(()),
            Wish::Accept(contact) => Command::Accept { id: id(contact) },
            Wish::Decline(contact) => Command::Decline { id: id(contact) },
            Wish::Block(contact) => Command::Block { id: id(contact) },
            Wish::Remove(contact) => Command::Remove { id: id(contact) },
            Wish::Rename { id: contact, name } => Command::Rename {
                id: id(contact),
                name,
            },
            Wish::Policy {
                id: contact,
                policy,
            } => Command::Policy {
                id: id(contact),
                policy,
            },
            Wish::MarkRead { contact, number } => Command::Read {
                with: id(contact),
                up_to: number,
            },
            // The terminal's own.
            Wish::Copy(_) | Wish::Bell | Wish::Title(_) | Wish::Suspend | Wish::Quit => {
                return Ok(());
            }
        };
        match self.ask(command).await {
            Ok(_) => Ok(()),
            Err(error) => self.failed(None, error).await,
        }
    }

    async fn failed(&self, tag: Option<u64>, error: CommandError) -> Result<(), Gone> {
        let CommandError { text, position, .. } = error;
        self.tell(Event::CommandFailed {
            tag,
            text,
            position,
        })
        .await
    }

    /// Argon2 takes its time, so it runs where nobody waits for it.
    async fn open(
        &mut self,
        open: impl FnOnce(&Opener) -> Result<Open, Failure> + Send + 'static,
    ) -> Result<(), Gone> {
        let Source::Profile(opener) = std::mem::replace(&mut self.source, Source::Nothing) else {
            return Ok(());
        };
        let opened = tokio::task::spawn_blocking(move || {
            let opened = open(&opener);
            (opener, opened)
        });
        let Ok((opener, opened)) = opened.await else {
            return self.tell(Event::NotOpened(super::DEFECT.to_owned())).await;
        };
        match opened {
            Ok(open) => {
                self.open = Some(open);
                self.introduce().await
            }
            Err(failure) => {
                self.source = Source::Profile(opener);
                self.tell(match failure.code {
                    WRONG_PASSPHRASE => Event::WrongPassphrase,
                    _ => Event::NotOpened(failure.sentence),
                })
                .await
            }
        }
    }
}
