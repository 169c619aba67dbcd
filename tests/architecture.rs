//! The rule of the house: a room imports only from the rooms above it, and only the rooms made for it touch the world outside.
//!
//! The order is that of the crate documentation. The test reads the sources, because a rule that nothing checks is a wish.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms in order; each may import from itself and from those before it.
const ROOMS: [&str; 10] = [
    "crypto",
    "wire",
    "node",
    "messenger",
    "store",
    "net",
    "app",
    "tui",
    "sim",
    "cli",
];

/// A word of the source that only some rooms may use.
struct Rule {
    word: &'static str,
    allowed: &'static [&'static str],
    because: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        word: "ratatui",
        allowed: &["tui"],
        because: "only the terminal room draws",
    },
    Rule {
        word: "crossterm",
        allowed: &["tui"],
        because: "only the terminal room speaks to a terminal",
    },
    Rule {
        word: "tui_textarea",
        allowed: &["tui"],
        because: "only the terminal room owns widgets",
    },
    Rule {
        word: "rusqlite",
        allowed: &["store"],
        because: "only the store names the database",
    },
    Rule {
        word: "tokio::net",
        allowed: &["net"],
        because: "only net owns a socket",
    },
    Rule {
        word: "UdpSocket",
        allowed: &["net"],
        because: "only net owns a socket",
    },
    Rule {
        word: "socket2",
        allowed: &["net"],
        because: "only net owns a socket",
    },
    Rule {
        word: "tokio",
        allowed: &["net", "tui", "cli", "main.rs", "platform.rs"],
        because: "state machines do not wait",
    },
    Rule {
        word: "Instant::now",
        allowed: &["net", "tui", "cli", "main.rs"],
        because: "time is an argument",
    },
    Rule {
        word: "SystemTime::now",
        allowed: &["net", "tui", "cli", "main.rs", "store"],
        because: "time is an argument",
    },
    Rule {
        word: "getrandom",
        allowed: &["net", "cli", "main.rs", "store"],
        because: "randomness is an argument",
    },
    Rule {
        word: "OsRng",
        allowed: &[],
        because: "randomness is an argument",
    },
    Rule {
        word: "thread_rng",
        allowed: &[],
        because: "randomness is an argument",
    },
    Rule {
        word: "std::fs",
        allowed: &["store", "net", "tui", "cli", "main.rs", "platform.rs"],
        because: "state machines have no files",
    },
    Rule {
        word: "println!",
        allowed: &["cli", "main.rs"],
        because: "only the command line prints",
    },
    Rule {
        word: "print!",
        allowed: &["cli", "main.rs"],
        because: "only the command line prints",
    },
    Rule {
        word: "eprintln!",
        allowed: &["cli", "main.rs"],
        because: "only the command line prints",
    },
    Rule {
        word: "HashMap",
        allowed: &["tui", "cli", "net"],
        because: "its order differs from run to run",
    },
    Rule {
        word: "HashSet",
        allowed: &["tui", "cli", "net"],
        because: "its order differs from run to run",
    },
    Rule {
        word: "cfg(unix)",
        allowed: &["platform.rs"],
        because: "what depends on the operating system stands in one file",
    },
    Rule {
        word: "cfg(not(unix))",
        allowed: &["platform.rs"],
        because: "what depends on the operating system stands in one file",
    },
    Rule {
        word: "unsafe ",
        allowed: &["platform.rs"],
        because: "only named system calls are unsafe, and they live in one file",
    },
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a source that the compiler sees: no comments, no documentation, no `#[cfg(test)]` module at the file's end.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]")
            && text
                .lines()
                .nth(number + 1)
                .is_some_and(|l| l.trim_start().starts_with("mod "))
        {
            // Inline test modules stand last in a file; a `mod tests;` line names a file of its own.
            if !text
                .lines()
                .nth(number + 1)
                .is_some_and(|l| l.trim_end().ends_with(';'))
            {
                break;
            }
        }
        let line = line.split("//").next().unwrap_or("");
        lines.push((number + 1, line.to_string()));
    }
    lines
}

fn room_of(path: &Path, root: &Path) -> String {
    let relative = path.strip_prefix(root).expect("found below the root");
    relative
        .components()
        .next()
        .expect("a file has a name")
        .as_os_str()
        .to_string_lossy()
        .into_owned()
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|s| s == "tests" || s.to_string_lossy().ends_with("_tests"))
        || path.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn a_room_imports_only_from_rooms_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut broken = Vec::new();
    for file in files.iter().filter(|f| !is_test_file(f)) {
        let room = room_of(file, &root);
        let Some(rank) = ROOMS.iter().position(|r| *r == room) else {
            continue;
        };
        for (number, line) in code(&fs::read_to_string(file).expect("a source is text")) {
            for below in &ROOMS[rank + 1..] {
                if line.contains(&format!("crate::{below}")) {
                    broken.push(format!(
                        "{}:{number}: {room} uses {below}, which stands below it",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_rooms_made_for_it_touch_the_world_outside() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut broken = Vec::new();
    for file in files.iter().filter(|f| !is_test_file(f)) {
        let room = room_of(file, &root);
        for (number, line) in code(&fs::read_to_string(file).expect("a source is text")) {
            for rule in RULES {
                if line.contains(rule.word) && !rule.allowed.contains(&room.as_str()) {
                    broken.push(format!(
                        "{}:{number}: `{}` in {room}: {}",
                        file.display(),
                        rule.word,
                        rule.because
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let stem = file
            .file_stem()
            .expect("a source has a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            !["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem.as_str()),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_rule_finds_what_it_looks_for() {
    let sample = "use crate::tui::view; // fine words: ratatui\nlet t = Instant::now();\n#[cfg(test)]\nmod tests {\n    use ratatui;\n}\n";
    let seen: Vec<String> = code(sample).into_iter().map(|(_, l)| l).collect();
    assert!(seen[0].contains("crate::tui") && !seen[0].contains("ratatui"));
    assert!(seen[1].contains("Instant::now"));
    assert_eq!(seen.len(), 2);
}
