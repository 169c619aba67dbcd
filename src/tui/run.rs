//! The loop between terminal, chat state and the rest of the program.
//!
//! It draws when something changed, at most thirty times a second, and never makes the rest of the program wait: a full command queue
//! is told to the person instead.

use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::EventStream;
use ratatui::crossterm::terminal::size;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::composer::ComposerBox;
use super::keys::{Input, gather_pastes, translate};
use super::terminal::{LineMode, Screen};
use super::theme::Theme;
use super::view;
use crate::app::keymap::{Action, lookup};
use crate::app::{App, Command, Event, Stage, update};
use crate::platform::signals::{Job, JobControl, Signals, stop_here};
use crate::wire::time::Now;

/// Between two frames: an eye sees no more, and a busy network must not keep the processor busy with drawing.
const FRAME: Duration = Duration::from_millis(33);
/// Keys that come within this time of each other came at once: nobody types so fast, and nobody feels the wait.
const BURST: Duration = Duration::from_millis(2);
/// Inputs of one burst: a long paste into a terminal without bracketed paste. What is beyond begins the next burst.
const BURST_MAX: usize = 64 * 1024;
/// Events taken in before a frame is drawn.
const EVENTS_AT_ONCE: usize = 256;

/// Why the screen was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The person quit.
    Quit,
    /// SIGTERM, SIGINT or SIGHUP.
    Signal,
    /// The terminal is gone.
    InputClosed,
    /// The rest of the program ended.
    ProgramEnded,
}

/// Runs the screen until the person quits, a signal ends it or the program does. `clock` reads the clocks that `app.now` was read from.
/// The terminal is entered here and left before this returns, whatever it returns.
pub async fn run<W: Write, M: LineMode>(
    mut screen: Screen<W, M>,
    theme: Theme,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
    start: App,
    clock: impl Fn() -> Now,
) -> anyhow::Result<ExitReason> {
    super::terminal::install_panic_hook();
    screen.enter()?;
    let result = Loop {
        screen: &mut screen,
        theme,
        commands,
        app: start,
        composer: ComposerBox::default(),
        clock,
    }
    .run(events)
    .await;
    screen.leave()?;
    result
}

struct Loop<'a, W: Write, M: LineMode, C: Fn() -> Now> {
    screen: &'a mut Screen<W, M>,
    theme: Theme,
    commands: mpsc::Sender<Command>,
    app: App,
    composer: ComposerBox,
    clock: C,
}

impl<W: Write, M: LineMode, C: Fn() -> Now> Loop<'_, W, M, C> {
    async fn run(&mut self, mut events: mpsc::Receiver<Event>) -> anyhow::Result<ExitReason> {
        let mut input = EventStream::new();
        let mut signals = Signals::new()?;
        let mut jobs = JobControl::new()?;
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut waiting: Vec<Event> = Vec::new();
        let mut drawn = tokio::time::Instant::now() - FRAME;
        let mut dirty = true;
        let (width, height) = size().unwrap_or((80, 24));
        if let Some(reason) = self.take(Event::Resize { width, height })? {
            return Ok(reason);
        }
        loop {
            if !self.screen.is_ours() {
                anyhow::bail!("a part of the program failed; its message stands above");
            }
            dirty |= self.app.take_changed();
            if dirty && drawn.elapsed() >= FRAME {
                self.draw()?;
                drawn = tokio::time::Instant::now();
                dirty = false;
            }
            let asked = tokio::select! {
                biased;
                () = signals.wait() => Some(ExitReason::Signal),
                job = jobs.next() => {
                    match job {
                        Job::Stop => self.suspend()?,
                        Job::Continued => self.woken()?,
                    }
                    None
                }
                first = input.next() => match first {
                    None => Some(ExitReason::InputClosed),
                    Some(Err(_)) => Some(ExitReason::InputClosed),
                    Some(Ok(first)) => {
                        let mut burst: Vec<Input> = translate(first).into_iter().collect();
                        while burst.len() < BURST_MAX
                            && let Ok(Some(Ok(next))) = timeout(BURST, input.next()).await
                        {
                            burst.extend(translate(next));
                        }
                        self.burst(burst)?
                    }
                },
                count = events.recv_many(&mut waiting, EVENTS_AT_ONCE) => {
                    let mut asked = (count == 0).then_some(ExitReason::ProgramEnded);
                    for event in std::mem::take(&mut waiting) {
                        asked = asked.or(self.take(event)?);
                    }
                    asked
                }
                _ = tick.tick() => self.take(Event::Tick)?,
                () = sleep_until(drawn + FRAME), if dirty => None,
            };
            if let Some(reason) = asked {
                return Ok(reason);
            }
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.app.width, self.app.height));
        let cursor = view::draw(&self.app, &mut self.composer, self.theme, &mut buffer);
        self.screen.show(buffer, cursor)?;
        Ok(())
    }

    fn suspend(&mut self) -> anyhow::Result<()> {
        self.screen.suspend(stop_here)?;
        self.woken()
    }

    /// The shell had the screen: its size may differ and nothing of ours stands on it.
    fn woken(&mut self) -> anyhow::Result<()> {
        self.screen.forget()?;
        if let Ok((width, height)) = size() {
            self.take(Event::Resize { width, height })?;
        }
        Ok(())
    }

    fn burst(&mut self, burst: Vec<Input>) -> anyhow::Result<Option<ExitReason>> {
        // the first screens take a passphrase and a name typed at once; nothing there is sent to anybody
        let burst = if self.app.stage == Stage::Chat && self.app.takes_text() {
            gather_pastes(burst)
        } else {
            burst
        };
        for input in burst {
            if let Some(reason) = self.input(input)? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn input(&mut self, input: Input) -> anyhow::Result<Option<ExitReason>> {
        let letter = input.letter();
        let event = match input {
            Input::Paste(text) => Event::Paste(text),
            Input::Resize(width, height) => Event::Resize { width, height },
            Input::Focus(focused) => Event::Focus(focused),
            Input::Chord(chord) => match (lookup(&self.app.contexts(), chord), letter) {
                (Some(Action::Edit(edit)), _) if self.app.composing() => {
                    self.composer.follow(&self.app.composer);
                    self.composer.edit(edit)
                }
                (Some(action), _) => Event::Key(action),
                (None, Some(letter)) if self.app.composing() => {
                    self.composer.follow(&self.app.composer);
                    self.composer.insert(letter)
                }
                (None, Some(letter)) if self.app.takes_text() => Event::Text(letter.to_string()),
                (None, _) => return Ok(None),
            },
        };
        self.take(event)
    }

    /// One event through `update`, and what it asks for.
    fn take(&mut self, event: Event) -> anyhow::Result<Option<ExitReason>> {
        let mut asked = None;
        let mut queue = update(&mut self.app, event, (self.clock)());
        while !queue.is_empty() {
            let mut again = Vec::new();
            for command in queue {
                match command {
                    Command::Copy(text) => {
                        if self.screen.copy(&text).is_err() {
                            let text = "it is too long for the clipboard of a terminal".to_owned();
                            again.extend(update(
                                &mut self.app,
                                Event::CommandFailed {
                                    tag: None,
                                    text,
                                    position: None,
                                },
                                (self.clock)(),
                            ));
                        }
                    }
                    Command::Bell => self.screen.bell()?,
                    Command::Title(title) => self.screen.title(&title)?,
                    Command::Suspend => self.suspend()?,
                    Command::Quit => {
                        let _ = self.commands.try_send(Command::Quit);
                        asked = Some(ExitReason::Quit);
                    }
                    other => again.extend(self.hand_over(other)),
                }
            }
            queue = again;
        }
        Ok(asked)
    }

    fn hand_over(&mut self, command: Command) -> Vec<Command> {
        let busy = "the program is busy and did not take it; try again in a moment".to_owned();
        let refused = match &command {
            Command::Unlock(_) | Command::Create { .. } => Event::NotOpened(busy),
            Command::Send { tag, .. } | Command::Add { tag, .. } => Event::CommandFailed {
                tag: Some(*tag),
                text: busy,
                position: None,
            },
            Command::LoadHistory { contact, .. } => Event::HistoryFailed { contact: *contact },
            _ => Event::CommandFailed {
                tag: None,
                text: busy,
                position: None,
            },
        };
        match self.commands.try_send(command) {
            Ok(()) => Vec::new(),
            Err(_) => update(&mut self.app, refused, (self.clock)()),
        }
    }
}
