//! Reading a command line as rabbitmqctl does.
//!
//! RabbitMQ's tool is written in Elixir and reads switches by `OptionParser`'s strict rules: switches
//! may stand anywhere, `--no-x` negates, an unknown switch is noted and does not take the next word,
//! `-qs` is `-q -s`, negative numbers are not switches. Scripts depend on all of it, so the rules are
//! rebuilt here. Which switches exist depends on the command, so a line is read twice: once with the
//! common ones to find the command, once with the command's own.

use std::collections::BTreeMap;

/// What kind of value a switch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None; `--no-NAME` is false.
    Flag,
    /// A whole number.
    Number,
    /// Text.
    Text,
}

/// A switch's value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Flag(bool),
    Number(i64),
    Text(String),
}

/// Switch names (with `_` for `-`) and their kinds.
pub(crate) type Switches = &'static [(&'static str, Kind)];
/// One-letter names of switches.
pub(crate) type Aliases = &'static [(char, &'static str)];

/// Switches that every command takes. Some only mean something to an Erlang node; they are taken and
/// not used, since scripts pass them.
pub(crate) const COMMON: Switches = &[
    ("node", Kind::Text),
    ("quiet", Kind::Flag),
    ("silent", Kind::Flag),
    ("dry_run", Kind::Flag),
    ("vhost", Kind::Text),
    ("timeout", Kind::Number),
    ("longnames", Kind::Flag),
    ("formatter", Kind::Text),
    ("printer", Kind::Text),
    ("file", Kind::Text),
    ("script_name", Kind::Text),
    ("rabbitmq_home", Kind::Text),
    ("mnesia_dir", Kind::Text),
    ("plugins_dir", Kind::Text),
    ("enabled_plugins_file", Kind::Text),
    ("aliases_file", Kind::Text),
    ("erlang_cookie", Kind::Text),
    ("help", Kind::Flag),
    ("print_stacktrace", Kind::Flag),
    // Ours: where the node's control socket is.
    ("socket", Kind::Text),
];

/// One-letter names that every command takes.
pub(crate) const COMMON_ALIASES: Aliases = &[
    ('p', "vhost"),
    ('n', "node"),
    ('q', "quiet"),
    ('s', "silent"),
    ('l', "longnames"),
    ('t', "timeout"),
    ('?', "help"),
];

/// A command line, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    values: BTreeMap<String, Value>,
    /// The words that are no switches.
    pub(crate) words: Vec<String>,
    /// Switches that do not exist or lack a fitting value, as given, with the value if there was one.
    pub(crate) invalid: Vec<(String, Option<String>)>,
}

impl Options {
    /// Reads `line` with the common switches and `extra` ones.
    pub(crate) fn parse(line: &[String], extra: &[(&str, Kind)], aliases: &[(char, &str)]) -> Options {
        let mut reader = Reader { extra, aliases, options: Options::default() };
        let mut rest: Vec<String> = line.iter().rev().cloned().collect();
        while let Some(word) = rest.pop() {
            if word == "--" {
                reader.options.words.extend(rest.into_iter().rev());
                break;
            }
            reader.word(word, &mut rest);
        }
        reader.options
    }

    /// Whether a flag was given as true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// A flag's value, or `default` where it was not given.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.values.get(name) {
            Some(Value::Flag(value)) => *value,
            _ => default,
        }
    }

    /// A number's value.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.values.get(name) {
            Some(Value::Number(value)) => Some(*value),
            _ => None,
        }
    }

    /// A text's value.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// Sets a text, as if it had been given last.
    pub(crate) fn set_text(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_string(), Value::Text(value.to_string()));
    }
}

struct Reader<'a> {
    extra: &'a [(&'a str, Kind)],
    aliases: &'a [(char, &'a str)],
    options: Options,
}

impl Reader<'_> {
    fn word(&mut self, word: String, rest: &mut Vec<String>) {
        if let Some(long) = word.strip_prefix("--") {
            self.long(&word, long, rest);
        } else if word == "-" || !word.starts_with('-') {
            self.options.words.push(word);
        } else {
            self.short(word, rest);
        }
    }

    fn long(&mut self, word: &str, long: &str, rest: &mut Vec<String>) {
        let (name, value) = split(long);
        let original = word.split('=').next().unwrap_or(word).to_string();
        if name.contains('_') {
            return self.options.invalid.push((original, None));
        }
        let key = name.replace('-', "_");
        if let Some(kind) = self.kind(&key) {
            return self.set(original, &key, kind, value, rest);
        }
        match key.strip_prefix("no_").filter(|positive| self.kind(positive) == Some(Kind::Flag)) {
            Some(positive) if value.is_none() => {
                self.options.values.insert(positive.to_string(), Value::Flag(false));
            }
            _ => self.options.invalid.push((original, None)),
        }
    }

    fn short(&mut self, word: String, rest: &mut Vec<String>) {
        let (letters, value) = split(word.get(1..).unwrap_or_default());
        let original = word.split('=').next().unwrap_or(&word).to_string();
        if value.is_none() && is_number(&word) {
            return self.options.words.push(word);
        }
        if letters.contains(['-', '_']) {
            return self.options.invalid.push((original, None));
        }
        let mut chars = letters.chars();
        match (chars.next(), chars.next()) {
            (Some(letter), None) => match self.alias(letter) {
                Some((key, kind)) => self.set(original, &key, kind, value, rest),
                None => self.options.invalid.push((original, None)),
            },
            _ => {
                // `-qs` is `-q -s`; a value belongs to the last letter.
                let mut letters: Vec<String> = letters.chars().map(|letter| format!("-{letter}")).collect();
                if let (Some(last), Some(value)) = (letters.last_mut(), value) {
                    last.push('=');
                    last.push_str(&value);
                }
                rest.extend(letters.into_iter().rev());
            }
        }
    }

    fn set(
        &mut self,
        original: String,
        key: &str,
        kind: Kind,
        value: Option<String>,
        rest: &mut Vec<String>,
    ) {
        let value = match (value, kind) {
            (None, Kind::Flag) => Some("true".to_string()),
            (None, _) => rest.pop_if(|next| !next.starts_with('-') || next == "-" || is_number(next)),
            (given, _) => given,
        };
        let read = value.as_deref().and_then(|text| match kind {
            Kind::Flag => text.parse().ok().map(Value::Flag),
            Kind::Number => text.parse().ok().map(Value::Number),
            Kind::Text => Some(Value::Text(text.to_string())),
        });
        match read {
            Some(read) => {
                self.options.values.insert(key.to_string(), read);
            }
            None => self.options.invalid.push((original, value)),
        }
    }

    fn kind(&self, key: &str) -> Option<Kind> {
        COMMON.iter().chain(self.extra).find(|(name, _)| *name == key).map(|(_, kind)| *kind)
    }

    fn alias(&self, letter: char) -> Option<(String, Kind)> {
        let known = COMMON_ALIASES.iter().chain(self.aliases);
        let key = known.filter(|(short, _)| *short == letter).map(|(_, key)| *key).next_back()?;
        Some((key.to_string(), self.kind(key)?))
    }
}

fn split(switch: &str) -> (&str, Option<String>) {
    match switch.split_once('=') {
        Some((name, value)) => (name, Some(value.to_string())),
        None => (switch, None),
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with('-')
        && word.parse::<f64>().is_ok_and(f64::is_finite)
        && word.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Options {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        Options::parse(&words, &[("if_empty", Kind::Flag)], &[('e', "if_empty")])
    }

    fn invalid(line: &str) -> Vec<(String, Option<String>)> {
        parse(line).invalid
    }

    #[test]
    fn switches_stand_anywhere_and_the_last_one_counts() {
        let options = parse("-p a list_queues name -p b --vhost=c -q --timeout 5");
        assert_eq!(options.words, ["list_queues", "name"]);
        assert_eq!(options.text("vhost"), Some("c"));
        assert_eq!(options.number("timeout"), Some(5));
        assert!(options.flag("quiet") && !options.flag("silent"));
    }

    #[test]
    fn letters_may_be_joined_and_flags_negated() {
        let options = parse("-qse --no-silent");
        assert!(options.flag("quiet") && options.flag("if_empty") && !options.flag("silent"));
        assert!(options.invalid.is_empty());
    }

    #[test]
    fn unknown_switches_are_noted_without_their_values() {
        assert_eq!(invalid("x --bogus=3 -z"), [("--bogus".into(), None), ("-z".into(), None)]);
        assert_eq!(parse("x --bogus 3").words, ["x", "3"]);
        assert_eq!(invalid("--if_empty"), [("--if_empty".into(), None)]);
    }

    #[test]
    fn values_that_do_not_fit_are_noted_with_them() {
        assert_eq!(invalid("-t abc"), [("-t".into(), Some("abc".into()))]);
        assert_eq!(invalid("-q x -p"), [("-p".into(), None)]);
        assert_eq!(invalid("-p -q"), [("-p".into(), None)]);
        assert_eq!(parse("-t -1").number("timeout"), Some(-1));
    }

    #[test]
    fn after_two_dashes_everything_is_a_word() {
        assert_eq!(parse("-- -p x --help").words, ["-p", "x", "--help"]);
        assert_eq!(parse("- -5").words, ["-", "-5"]);
    }
}
