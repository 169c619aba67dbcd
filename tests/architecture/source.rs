//! Reads a source as the compiler does before it knows any type: which paths it names, with every disguise taken off.
//!
//! Comments and texts are no code; trees of `use` are spelled out; a name brought in by `use`, under its own or another name, stands for what it
//! was brought in as; `self` and `super` are resolved. What only tests see (`#[cfg(test)]`) is left out, wherever in the file it stands.
//! Not here: what may be named where (`main`).

use std::collections::BTreeMap;
use std::path::Path;

/// A path somewhere in a source, from the crate's root or from the name of another crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    /// Joined by `::`; the name of a macro ends in `!`, everything of a module in `*`.
    pub path: String,
}

/// What is to be known of a source.
#[derive(Debug, Default)]
pub struct Source {
    pub named: Vec<Named>,
    /// Words of attributes that decide whether code is there at all, or where it is: `cfg`, `cfg_attr`, `path`.
    pub conditions: Vec<Named>,
    /// Modules in files of their own that only tests see.
    pub test_modules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Into,
    Sign(char),
}

type Placed = (usize, Token);

/// Words that an item begins with.
const ITEMS: [&str; 15] = [
    "pub",
    "fn",
    "mod",
    "use",
    "impl",
    "struct",
    "enum",
    "const",
    "static",
    "trait",
    "type",
    "unsafe",
    "async",
    "extern",
    "macro_rules",
];

/// Reads the source of a file. `module`: where it stands in the crate.
pub fn read(text: &str, module: &[String]) -> Source {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        module: module.to_vec(),
        inline: Vec::new(),
        depth: 0,
        brought: BTreeMap::new(),
        source: Source::default(),
    };
    // Names are brought in anywhere in a file, also below their use: once for them, once for the paths.
    reader.all();
    let brought = std::mem::take(&mut reader.brought);
    reader = Reader {
        at: 0,
        inline: Vec::new(),
        depth: 0,
        brought,
        source: Source::default(),
        ..reader
    };
    reader.all();
    reader.source
}

/// Where a file stands in the crate: `node/link/mod.rs` is `node::link`.
pub fn module_of(relative: &Path) -> Vec<String> {
    let mut module: Vec<String> = relative
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

/// The end of a text that begins at `at` with a quotation mark.
fn after_text(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a raw text whose marks begin at `at`, or `None` if none does.
fn after_raw_text(chars: &[char], at: usize) -> Option<usize> {
    let marks = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + marks) != Some(&'"') {
        return None;
    }
    let mut end = at + marks + 1;
    while end < chars.len() {
        let closes = chars[end] == '"'
            && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= marks;
        if closes {
            return Some(end + 1 + marks);
        }
        end += 1;
    }
    Some(end)
}

/// The end of a comment that begins at `at`, or `None` if none does. Comments in `/* */` may hold others.
fn after_comment(chars: &[char], at: usize) -> Option<usize> {
    let two = |at: usize| (chars.get(at).copied(), chars.get(at + 1).copied());
    match two(at) {
        (Some('/'), Some('/')) => {
            let line = chars[at..].iter().position(|c| *c == '\n');
            Some(line.map_or(chars.len(), |length| at + length))
        }
        (Some('/'), Some('*')) => {
            let (mut depth, mut end) = (1, at + 2);
            while depth > 0 && end < chars.len() {
                match two(end) {
                    (Some('/'), Some('*')) => (depth, end) = (depth + 1, end + 2),
                    (Some('*'), Some('/')) => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            Some(end)
        }
        _ => None,
    }
}

fn tokens(text: &str) -> Vec<Placed> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    let goes_on = |c: &char| c.is_alphanumeric() || *c == '_';
    while at < chars.len() {
        let start = at;
        if let Some(end) = after_comment(&chars, at) {
            at = end;
        } else if chars[at] == '"' {
            at = after_text(&chars, at);
        } else if chars[at] == '\'' {
            // A letter in quotation marks, or the name of a lifetime.
            at = match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('\\'), _) => {
                    let close = chars[at + 3..].iter().position(|c| *c == '\'');
                    close.map_or(chars.len(), |length| at + 4 + length)
                }
                (Some(_), Some('\'')) => at + 3,
                _ => at + 1 + chars[at + 1..].iter().take_while(|c| goes_on(c)).count(),
            };
        } else if goes_on(&chars[at]) {
            let length = chars[at..].iter().take_while(|c| goes_on(c)).count();
            let word: String = chars[at..at + length].iter().collect();
            at += length;
            let prefix = ["r", "br", "cr"].contains(&word.as_str());
            match prefix.then(|| after_raw_text(&chars, at)).flatten() {
                Some(end) => at = end,
                None if word == "r" && chars.get(at) == Some(&'#') => at += 1,
                None => found.push((line, Token::Word(word))),
            }
        } else if chars[at] == ':' && chars.get(at + 1) == Some(&':') {
            found.push((line, Token::Into));
            at += 2;
        } else {
            if !chars[at].is_whitespace() {
                found.push((line, Token::Sign(chars[at])));
            }
            at += 1;
        }
        at = at.min(chars.len());
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

struct Reader {
    tokens: Vec<Placed>,
    at: usize,
    /// Of the file.
    module: Vec<String>,
    /// Modules in the file around this place, with the depth of braces they began at.
    inline: Vec<(String, usize)>,
    depth: usize,
    /// What `use` brought in, by the name it has here.
    brought: BTreeMap<String, String>,
    source: Source,
}

impl Reader {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.token(ahead) == Some(&Token::Sign(sign))
    }

    fn word(&self, ahead: usize) -> Option<String> {
        match self.token(ahead) {
            Some(Token::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(line, _)| *line)
    }

    fn all(&mut self) {
        while let Some(token) = self.token(0).cloned() {
            match token {
                Token::Sign('#') => self.attribute(),
                Token::Sign('{') => {
                    self.depth += 1;
                    self.at += 1;
                }
                Token::Sign('}') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inline.retain(|(_, began)| *began < self.depth);
                    self.at += 1;
                }
                Token::Word(word) if word == "use" => self.bring(),
                Token::Word(word) if word == "mod" && self.is(2, '{') => {
                    self.inline
                        .extend(self.word(1).map(|name| (name, self.depth)));
                    self.at += 2;
                }
                Token::Word(_) | Token::Into => self.path(),
                Token::Sign(_) => self.at += 1,
            }
        }
    }

    /// `#[...]` or `#![...]`; what only tests see is skipped with it.
    fn attribute(&mut self) {
        let open = 1 + usize::from(self.is(1, '!'));
        if !self.is(open, '[') {
            self.at += 1;
            return;
        }
        let (start, line) = (self.at + open + 1, self.line());
        self.at += open;
        self.group();
        let first = match self.tokens.get(start) {
            Some((_, Token::Word(word))) => word.as_str(),
            _ => "",
        };
        let decides = ["cfg", "cfg_attr", "path"].contains(&first);
        let mut tested = false;
        if decides {
            let before = self.source.conditions.len();
            self.condition(start, line);
            let words = self.source.conditions[before..].iter();
            tested = words.map(|named| named.path.as_str()).eq(["cfg", "test"]);
        } else {
            // Others may hold code: their paths count.
            let end = std::mem::replace(&mut self.at, start);
            while self.at < end {
                match self.token(0) {
                    Some(Token::Word(_) | Token::Into) => self.path(),
                    _ => self.at += 1,
                }
            }
        }
        if tested {
            self.skip_item();
        }
    }

    /// The words between `start` and here are a condition.
    fn condition(&mut self, start: usize, line: usize) {
        for (_, token) in &self.tokens[start..self.at] {
            if let Token::Word(word) = token {
                let path = word.clone();
                self.source.conditions.push(Named { line, path });
            }
        }
    }

    /// Past a pair of brackets and all that stands between.
    fn group(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.token(0) {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Past what an attribute stands before: to a semicolon or the end of its braces.
    fn skip_item(&mut self) {
        if self.word(0).as_deref() == Some("mod") && self.is(2, ';') {
            self.source.test_modules.extend(self.word(1));
        }
        // A field, a variant or an argument ends at a comma.
        let part = self
            .word(0)
            .is_some_and(|word| !ITEMS.contains(&word.as_str()));
        while let Some(token) = self.token(0).cloned() {
            match token {
                Token::Sign(sign) if sign == ';' || part && sign == ',' => {
                    self.at += 1;
                    return;
                }
                Token::Sign('{') => return self.group(),
                Token::Sign('(' | '[') => self.group(),
                Token::Sign('}') => return,
                _ => self.at += 1,
            }
        }
    }

    fn bring(&mut self) {
        self.at += 1;
        if self.token(0) == Some(&Token::Into) {
            self.at += 1;
        }
        self.tree(&[]);
    }

    /// One branch of a `use`, down to its leaves.
    fn tree(&mut self, above: &[String]) {
        let mut path = above.to_vec();
        loop {
            let line = self.line();
            match self.token(0).cloned() {
                Some(Token::Word(word)) => {
                    self.at += 1;
                    // `self` at the end of a branch is the module that the branch is of.
                    if word != "self" || path.is_empty() {
                        path.push(word);
                    }
                    if self.token(0) == Some(&Token::Into) {
                        self.at += 1;
                        continue;
                    }
                    let mut name = path.last().cloned();
                    if self.word(0).as_deref() == Some("as") {
                        name = self.word(1);
                        self.at += 2;
                    }
                    self.leaf(line, &path, name);
                }
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    path.push("*".into());
                    self.leaf(line, &path, None);
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while self.token(0).is_some() && !self.is(0, '}') {
                        self.tree(&path);
                        if self.is(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            return;
        }
    }

    fn leaf(&mut self, line: usize, path: &[String], name: Option<String>) {
        let path = self.resolve(path).join("::");
        if let Some(name) = name
            && name != path
            && name != "_"
        {
            self.brought.insert(name, path.clone());
        }
        self.source.named.push(Named { line, path });
    }

    /// A path in the midst of code.
    fn path(&mut self) {
        let line = self.line();
        // Behind a point stands a field or a method, behind `>::` a part of a type: neither begins a path.
        let before = |back: usize| {
            let at = self.at.checked_sub(back)?;
            self.tokens.get(at).map(|(_, token)| token.clone())
        };
        let part = match (before(1), before(2)) {
            (Some(Token::Sign('.')), range) => range != Some(Token::Sign('.')),
            (Some(Token::Sign('>')), _) => self.token(0) == Some(&Token::Into),
            _ => false,
        };
        let mut path = Vec::new();
        loop {
            if self.token(0) == Some(&Token::Into) {
                self.at += 1;
            }
            let Some(word) = self.word(0) else { break };
            path.push(word);
            self.at += 1;
            if self.token(0) != Some(&Token::Into) {
                break;
            }
        }
        let makes = self.is(0, '!') && !self.is(1, '=');
        if makes && path == ["cfg"] {
            let start = self.at + 1;
            self.at = start;
            self.group();
            return self.condition(start, line);
        }
        if part || path.is_empty() {
            return;
        }
        let mut path = self.resolve(&path);
        if let Some(last) = path.last_mut().filter(|_| makes) {
            last.push('!');
        }
        let path = path.join("::");
        self.source.named.push(Named { line, path });
    }

    /// The same path from the crate's root, or from the name of another crate.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let mut here = self.module.clone();
        here.extend(self.inline.iter().map(|(name, _)| name.clone()));
        let mut rest = path.iter();
        let mut whole = match path[0].as_str() {
            "crate" | "paratox" => vec!["crate".to_owned()],
            "self" | "super" => {
                if path[0] == "super" {
                    here.pop();
                }
                let mut whole = vec!["crate".to_owned()];
                while rest.as_slice().get(1).is_some_and(|next| next == "super") {
                    here.pop();
                    rest.next();
                }
                whole.append(&mut here);
                whole
            }
            first => match self.brought.get(first) {
                Some(whole) => whole.split("::").map(str::to_owned).collect(),
                None => vec![first.to_owned()],
            },
        };
        rest.next();
        whole.extend(rest.cloned());
        whole
    }
}
