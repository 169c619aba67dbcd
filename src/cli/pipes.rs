//! Lines from stdin and lines to stdout, each on a thread of its own, because pipes block and signals must not wait for them.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use tokio::sync::mpsc;

use super::json::MAX_LINE;

/// Lines read ahead; when full, the pipe waits.
const READ_AHEAD: usize = 16;
/// Lines that wait to be written; when full, the sender waits.
const UNWRITTEN: usize = 256;
/// How long the end of the program waits for a reader that has stopped reading.
const FAREWELL: Duration = Duration::from_secs(2);

/// A line without its line break, or a longer one of which nothing was kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Line(Vec<u8>),
    TooLong,
}

/// Lines from stdin; the channel closes at the end of input. The thread ends with the process.
pub fn input() -> mpsc::Receiver<Input> {
    let (lines, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        // A read error is an end of input: there is nobody to tell.
        while let Ok(Some(line)) = read_line(&mut stdin) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// One line, with memory for at most `MAX_LINE` bytes. `None` at the end; what stands there without a line break is a line.
fn read_line(from: &mut impl BufRead) -> io::Result<Option<Input>> {
    let mut line = Vec::new();
    let mut too_long = false;
    let mut anything = false;
    loop {
        let chunk = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            break;
        }
        anything = true;
        let (taken, ended) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at, true),
            None => (chunk.len(), false),
        };
        too_long |= line.len() + taken > MAX_LINE;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(&chunk[..taken]);
        }
        from.consume(taken + usize::from(ended));
        if ended {
            break;
        }
    }
    Ok(match (anything, too_long) {
        (false, _) => None,
        (true, true) => Some(Input::TooLong),
        (true, false) => Some(Input::Line(line)),
    })
}

/// The way to stdout.
pub struct Output {
    lines: mpsc::Sender<String>,
    done: mpsc::Receiver<()>,
}

impl Output {
    pub fn start() -> Output {
        let (lines, mut waiting) = mpsc::channel::<String>(UNWRITTEN);
        let (finished, done) = mpsc::channel(1);
        std::thread::spawn(move || {
            let _finished: mpsc::Sender<()> = finished;
            let mut stdout = io::stdout().lock();
            while let Some(mut line) = waiting.blocking_recv() {
                line.push('\n');
                // Line by line: a script waits for each. An error means that the reader has gone; the sender sees the channel close.
                if stdout
                    .write_all(line.as_bytes())
                    .and_then(|()| stdout.flush())
                    .is_err()
                {
                    return;
                }
            }
        });
        Output { lines, done }
    }

    /// Where lines go. Closed when the reader has gone.
    pub fn lines(&self) -> &mpsc::Sender<String> {
        &self.lines
    }

    /// Waits until everything is written, if somebody reads.
    pub async fn finish(self) {
        let Output { lines, mut done } = self;
        drop(lines);
        let _ = tokio::time::timeout(FAREWELL, done.recv()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Input> {
        let mut from = io::BufReader::with_capacity(7, bytes);
        std::iter::from_fn(|| read_line(&mut from).expect("memory does not fail")).collect()
    }

    #[test]
    fn lines_are_read_whole_with_and_without_a_last_line_break() {
        let line = |text: &str| Input::Line(text.as_bytes().to_vec());
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n"), [line("")]);
        assert_eq!(
            all(b"one two three\n\nfour"),
            [line("one two three"), line(""), line("four")]
        );
    }

    #[test]
    fn an_endless_line_is_named_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; MAX_LINE];
        bytes.extend_from_slice(b"\n");
        assert_eq!(all(&bytes), [Input::Line(vec![b'x'; MAX_LINE])]);
        let mut bytes = vec![b'x'; 10 * MAX_LINE];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&bytes), [Input::TooLong, Input::Line(b"next".to_vec())]);
    }
}
