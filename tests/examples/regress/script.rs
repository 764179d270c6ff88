//! Splits a psql script into statements, as psql would send them.
//!
//! In:  a file of PostgreSQL's regression suite.
//! Out: one [`Step`] at a time: what psql does next depends on how the server answered.
//!
//! Invariants:
//! - A statement ends at a semicolon outside quotes, comments, parentheses and `BEGIN ATOMIC` bodies.
//! - Of psql's own commands those are carried out that change what is sent; the rest is skipped.

use std::collections::BTreeMap;

/// What to do next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Send a statement.
    Statement(String),
    /// Send a statement; its single row sets variables, under a prefix.
    Set(String, String),
    /// Send a statement, then each of its cells as a statement.
    Run(String),
    /// Begin a new connection, as that user if one is named.
    Connect(Option<String>),
}

/// A script being read.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    text: &'a str,
    at: usize,
    /// psql's variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// One entry per `\if` that is open: whether its part is carried out, and whether one was.
    conditions: Vec<(bool, bool)>,
}

/// A statement so far.
#[derive(Default)]
struct Buffer {
    text: String,
    /// Open parentheses.
    depth: usize,
    /// Words of the statement's beginning, then BEGIN and CASE that are open in a routine's body.
    words: Vec<String>,
    blocks: usize,
}

impl<'a> Script<'a> {
    pub(crate) fn new(text: &'a str, variables: BTreeMap<String, String>) -> Self {
        Self { text, at: 0, variables, conditions: Vec::new() }
    }

    /// The next step; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<Step> {
        let mut buffer = Buffer::default();
        loop {
            let rest = &self.text[self.at..];
            let Some(first) = rest.chars().next() else {
                return (!buffer.text.trim().is_empty()).then_some(Step::Statement(buffer.text));
            };
            if let Some(length) = skipped(rest) {
                buffer.text.push_str(&rest[..length]);
                self.at += length;
                continue;
            }
            match first {
                '\\' => {
                    if let Some(step) = self.command(&mut buffer) {
                        return Some(step);
                    }
                }
                ';' if buffer.depth == 0 && buffer.blocks == 0 => {
                    self.at += 1;
                    let text = std::mem::take(&mut buffer).text;
                    if self.active() && !text.trim().is_empty() {
                        return Some(Step::Statement(text));
                    }
                }
                ':' => self.variable(&mut buffer),
                _ => self.at += buffer.take(rest, first),
            }
        }
    }

    /// Lines up to `\.`: what follows COPY … FROM STDIN.
    pub(crate) fn copy_data(&mut self) -> String {
        let rest = &self.text[self.at..];
        let start = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let mut data = String::new();
        let mut length = start;
        for line in rest[start..].split_inclusive('\n') {
            length += line.len();
            if line.trim_end() == "\\." {
                break;
            }
            data.push_str(line);
        }
        self.at += length;
        data
    }

    fn active(&self) -> bool {
        self.conditions.iter().all(|(active, _)| *active)
    }

    /// `:name`, `:'name'`, `:"name"`; a cast and an unknown name stay as they are.
    fn variable(&mut self, buffer: &mut Buffer) {
        let rest = &self.text[self.at..];
        let (quote, start) = match rest[1..].chars().next() {
            Some(':') => {
                buffer.text.push_str("::");
                self.at += 2;
                return;
            }
            Some(quote @ ('\'' | '"')) => (Some(quote), 2),
            _ => (None, 1),
        };
        let name: String = rest[start..].chars().take_while(|letter| is_word(*letter)).collect();
        let end = start + name.len();
        let closed = quote.is_none_or(|quote| rest[end..].starts_with(quote));
        match (self.variables.get(&name), closed) {
            (Some(value), true) => {
                match quote {
                    Some(quote) => {
                        let twice = format!("{quote}{quote}");
                        let value = value.replace(quote, &twice);
                        buffer.text.push_str(&format!("{quote}{value}{quote}"));
                    }
                    None => buffer.text.push_str(value),
                }
                self.at += end + usize::from(quote.is_some());
            }
            (Some(_) | None, _) => {
                buffer.text.push(':');
                self.at += 1;
            }
        }
    }

    /// A backslash command: up to the line's end.
    fn command(&mut self, buffer: &mut Buffer) -> Option<Step> {
        let rest = &self.text[self.at..];
        if rest.starts_with("\\;") {
            buffer.text.push(';');
            self.at += 2;
            return None;
        }
        let line = rest.lines().next().unwrap_or_default();
        self.at += line.len();
        let mut words = line[1..].split_whitespace();
        let name = words.next().unwrap_or_default();
        let arguments: Vec<&str> = words.collect();
        if self.condition(name, &arguments) || !self.active() {
            return None;
        }
        let statement = |buffer: &mut Buffer| std::mem::take(buffer).text;
        match name {
            "g" | "gx" | "crosstabview" => Some(Step::Statement(statement(buffer))),
            "gset" => {
                let prefix = arguments.first().copied().unwrap_or_default().to_owned();
                Some(Step::Set(statement(buffer), prefix))
            }
            "gexec" => Some(Step::Run(statement(buffer))),
            "c" | "connect" => Some(Step::Connect(
                arguments.get(1).filter(|user| **user != "-").map(|user| (*user).to_owned()),
            )),
            "gdesc" | "r" | "reset" => {
                *buffer = Buffer::default();
                None
            }
            "set" => {
                self.set(&arguments);
                None
            }
            "quit" | "q" => {
                self.at = self.text.len();
                *buffer = Buffer::default();
                None
            }
            _ => None,
        }
    }

    /// `\set name part …`: the parts joined, quotes taken off, variables put in.
    fn set(&mut self, arguments: &[&str]) {
        let Some((name, parts)) = arguments.split_first() else { return };
        let mut value = String::new();
        for part in parts {
            match part.strip_prefix(':') {
                Some(name) => {
                    value.push_str(self.variables.get(name).map_or("", String::as_str));
                }
                None => value.push_str(part.trim_matches('\'')),
            }
        }
        self.variables.insert((*name).to_owned(), value);
    }

    fn condition(&mut self, name: &str, arguments: &[&str]) -> bool {
        match name {
            "if" => {
                let word = arguments.first().copied().unwrap_or_default();
                let value = match word.strip_prefix(':') {
                    Some(name) => self.variables.get(name).map_or("", String::as_str),
                    None => word,
                };
                let holds = ["t", "true", "on", "1", "yes"].contains(&value);
                self.conditions.push((holds, holds));
            }
            "elif" | "else" => {
                if let Some((active, done)) = self.conditions.last_mut() {
                    *active = !*done && name == "else";
                    *done |= *active;
                }
            }
            "endif" => {
                self.conditions.pop();
            }
            _ => return false,
        }
        true
    }
}

impl Buffer {
    /// Takes one character or word; gives its length.
    fn take(&mut self, rest: &str, first: char) -> usize {
        if !(first.is_alphabetic() || first == '_') {
            match first {
                '(' => self.depth += 1,
                ')' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.text.push(first);
            return first.len_utf8();
        }
        let word: String = rest.chars().take_while(|letter| is_word(*letter)).collect();
        self.text.push_str(&word);
        let lower = word.to_ascii_lowercase();
        if self.words.len() < 4 {
            self.words.push(lower.clone());
        }
        let is = |index: usize, names: &[&str]| {
            self.words.get(index).is_some_and(|word| names.contains(&word.as_str()))
        };
        let routine = ["function", "procedure"];
        let creates = is(0, &["create"])
            && (is(1, &routine) || (is(1, &["or"]) && is(2, &["replace"]) && is(3, &routine)));
        if creates && self.depth == 0 {
            match lower.as_str() {
                "begin" => self.blocks += 1,
                "case" if self.blocks > 0 => self.blocks += 1,
                "end" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
        word.len()
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Length of the comment, string, quoted name or dollar-quoted text that begins here.
fn skipped(rest: &str) -> Option<usize> {
    let closed = |end: Option<usize>, width: usize| end.map_or(rest.len(), |end| end + width);
    let bytes = rest.as_bytes();
    match bytes {
        [b'-', b'-', ..] => Some(closed(rest.find('\n'), 0)),
        [b'/', b'*', ..] => Some(comment(rest)),
        [b'\'', ..] => Some(1 + closed(rest[1..].find('\''), 1).min(rest.len() - 1)),
        [b'"', ..] => Some(1 + closed(rest[1..].find('"'), 1).min(rest.len() - 1)),
        [b'e' | b'E', b'\'', ..] => Some(escaped(rest)),
        [b'$', ..] => {
            let tag: String = rest[1..].chars().take_while(|letter| is_word(*letter)).collect();
            let quote = format!("${tag}$");
            let quoted = rest.starts_with(&quote)
                && !tag.starts_with(|letter: char| letter.is_ascii_digit());
            quoted.then(|| {
                quote.len()
                    + closed(rest[quote.len()..].find(&quote), quote.len())
                        .min(rest.len() - quote.len())
            })
        }
        [first, ..] if first.is_ascii_alphabetic() || *first == b'_' => None,
        _ => None,
    }
}

/// Comments nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    let bytes = rest.as_bytes();
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// `E'…'`: a backslash hides the next byte.
fn escaped(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let variables = BTreeMap::from([("v".to_owned(), "it's".to_owned())]);
        let mut script = Script::new(text, variables);
        let mut found = Vec::new();
        while let Some(step) = script.step() {
            found.push(match step {
                Step::Statement(text) => text.trim().to_owned(),
                Step::Set(text, prefix) => format!("set {prefix}: {}", text.trim()),
                Step::Run(text) => format!("run: {}", text.trim()),
                Step::Connect(user) => format!("connect {}", user.unwrap_or_default()),
            });
        }
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn statements_end_where_psql_ends_them() {
        check(
            "select 1; select ';' || $$;$$; /* ; /* ; */ */ select \";\"",
            &["select 1", "select ';' || $$;$$", "/* ; /* ; */ */ select \";\""],
        );
        check(
            "create rule r as on insert to t do (select 1; select 2); select 3;",
            &["create rule r as on insert to t do (select 1; select 2)", "select 3"],
        );
        check(
            "create function f() begin atomic select case when a then 1 end; select 2; end;",
            &["create function f() begin atomic select case when a then 1 end; select 2; end"],
        );
    }

    #[test]
    fn commands_that_change_what_is_sent_are_carried_out() {
        check(
            "select :'v', a::int, :w;\n\\echo ;\nselect 1 \\gset p_\n",
            &["select 'it''s', a::int, :w", "set p_: select 1"],
        );
        check(
            "\\set x :v '/b'\nselect ':x' :x;\\c - bob\n",
            &["select ':x' it's/b", "connect bob"],
        );
        check(
            "\\if false\nselect 1;\n\\quit\n\\else\nselect 2;\n\\endif\nselect 3 \\gexec\n",
            &["select 2", "run: select 3"],
        );
    }

    #[test]
    fn copy_takes_its_lines() {
        let mut script = Script::new("copy t from stdin;\n1\t;\n\\.\nselect 1;", BTreeMap::new());
        assert_eq!(script.step(), Some(Step::Statement("copy t from stdin".to_owned())));
        assert_eq!(script.copy_data(), "1\t;\n");
        assert_eq!(script.step(), Some(Step::Statement("select 1".to_owned())));
    }
}
