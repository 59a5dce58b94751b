//! One permission pattern, compiled: does it allow this resource name?
//!
//! A pattern matches when it is found anywhere in the name (`re:run` without anchors), by bytes; the
//! empty pattern stands for `^$`. Most patterns run in linear time; those with look-around or back
//! references run in a backtracking engine with a bound, and a name that exhausts the bound is
//! refused, as it is when Erlang's engine gives up. `pcre.rs` rewrites the dialect first.

use super::pcre::{PatternError, translate};

/// Steps of the backtracking engine before it gives up on one name. Names have at most 255 bytes.
const BACKTRACK_LIMIT: usize = 100_000;
/// Bytes a compiled pattern may take.
const COMPILED_SIZE_LIMIT: usize = 2 << 20;

/// A compiled permission pattern.
#[derive(Debug)]
pub(super) enum Pattern {
    /// `.*`: what nearly every user has; needs no engine.
    Everything,
    /// The empty pattern or `^$`: matches only the empty name, so in effect nothing.
    Nothing,
    Linear(regex::bytes::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl Pattern {
    /// Compiles `pattern`, or says why PCRE or we refuse it.
    pub(super) fn compile(pattern: &str) -> Result<Pattern, PatternError> {
        match pattern {
            ".*" => return Ok(Pattern::Everything),
            "" | "^$" => return Ok(Pattern::Nothing),
            _ => {}
        }
        let translated = translate(pattern)?;
        if !translated.backtracking {
            let linear = regex::bytes::RegexBuilder::new(&translated.text)
                .unicode(false)
                .size_limit(COMPILED_SIZE_LIMIT)
                .dfa_size_limit(COMPILED_SIZE_LIMIT)
                .build();
            match linear {
                Ok(regex) => return Ok(Pattern::Linear(regex)),
                Err(regex::Error::CompiledTooBig(_)) => {
                    return Err(PatternError {
                        cause: "regular expression is too large".to_owned(),
                        offset: pattern.len(),
                    });
                }
                // What this engine lacks the other one may have.
                Err(_) => {}
            }
        }
        fancy_regex::RegexBuilder::new(&translated.text)
            .bytes_mode(fancy_regex::BytesMode::Ascii)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(COMPILED_SIZE_LIMIT)
            .build()
            .map(|regex| Pattern::Backtracking(Box::new(regex)))
            .map_err(|error| PatternError { cause: one_line(&error.to_string()), offset: pattern.len() })
    }

    /// Whether the pattern is found in `name`.
    pub(super) fn allows(&self, name: &str) -> bool {
        match self {
            Pattern::Everything => true,
            Pattern::Nothing => name.is_empty() || name == "\n",
            Pattern::Linear(regex) => regex.is_match(name.as_bytes()),
            Pattern::Backtracking(regex) => regex.is_match(name.as_bytes()).unwrap_or(false),
        }
    }
}

/// Engine errors draw the pattern with a caret below; a log line and a terminal want one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
