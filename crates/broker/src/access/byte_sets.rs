//! Sets of bytes that PCRE's patterns name, as Erlang has them: by ISO Latin-1, whatever the locale.
//!
//! Recorded with Erlang 25, byte by byte. Each set is given in the engines' dialect, ASCII only.

/// Letters, digits and the underscore.
const WORD: &str = r"0-9A-Za-z_\xAA\xB5\xBA\xC0-\xD6\xD8-\xF6\xF8-\xFF";
const LOWER: &str = r"a-z\xAA\xB5\xBA\xDF-\xF6\xF8-\xFF";
const UPPER: &str = r"A-Z\xC0-\xD6\xD8-\xDE";
const ALPHA: &str = r"A-Za-z\xAA\xB5\xBA\xC0-\xD6\xD8-\xF6\xF8-\xFF";
const ALNUM: &str = r"0-9A-Za-z\xAA\xB5\xBA\xC0-\xD6\xD8-\xF6\xF8-\xFF";
const PUNCT: &str = r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E\xA0-\xA9\xAB-\xB4\xB6-\xB9\xBB-\xBF\xD7\xF7";

/// The set behind `\d`, `\w` and their like.
pub(super) fn shorthand(letter: u8) -> Option<String> {
    let set = match letter.to_ascii_lowercase() {
        b'd' => "0-9",
        b'w' => WORD,
        b's' => r"\t-\r\x20",
        b'h' => r"\t\x20\xA0",
        b'v' => r"\n-\r\x85",
        _ => return None,
    };
    Some(brackets(set, letter.is_ascii_uppercase()))
}

/// The set behind `[:name:]` or `[:^name:]`.
pub(super) fn posix(name: &str) -> Option<String> {
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let set = match name {
        "alpha" => ALPHA,
        "lower" => LOWER,
        "upper" => UPPER,
        "alnum" => ALNUM,
        "ascii" => r"\x00-\x7F",
        "blank" => r"\t\x20",
        "cntrl" => r"\x00-\x1F\x7F-\x9F",
        "digit" => "0-9",
        "graph" => r"\x21-\x7E\xA0-\xFF",
        "print" => r"\x20-\x7E\xA0-\xFF",
        "punct" => PUNCT,
        "space" => r"\t-\r\x20",
        "word" => WORD,
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some(brackets(set, negated))
}

fn brackets(set: &str, negated: bool) -> String {
    let negation = if negated { "^" } else { "" };
    format!("[{negation}{set}]")
}
