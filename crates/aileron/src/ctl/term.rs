//! The values a command's answer is made of, as rabbitmqctl gets them from a node.
//!
//! RabbitMQ's tool receives Erlang terms and every formatter prints them by their type: an atom loses
//! its quotes in a table, a binary keeps them in an argument list, a tuple is a JSON array. To print
//! the same text we keep the same types. The server sends them over the control socket as JSON
//! (`protocol.rs`), the formatters next door (`format/`) print them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Term {
    /// A name: `true`, `running`, and the empty one that stands for "not known".
    Atom(String),
    /// A whole number; AMQP's 64-bit ones, signed or not, fit.
    Int(i128),
    /// A floating point number. The ones that are not finite travel as atoms.
    Float(f64),
    /// A binary: names, texts and raw bytes.
    Bytes(#[serde(with = "text_or_bytes")] Vec<u8>),
    /// A process's name as a table shows it: `<rabbit@host.1795387119.1254.0>`.
    Pid(String),
    /// A list.
    List(Vec<Term>),
    /// A tuple.
    Tuple(Vec<Term>),
    /// A map, in the order in which it is to be printed.
    Map(Vec<(Term, Term)>),
}

impl Term {
    /// An atom.
    pub(crate) fn atom(name: impl Into<String>) -> Term {
        Term::Atom(name.into())
    }

    /// A binary holding text.
    pub(crate) fn text(text: impl Into<String>) -> Term {
        Term::Bytes(text.into().into_bytes())
    }

    /// What RabbitMQ puts into a column it has no value for: the empty atom.
    pub(crate) fn unknown() -> Term {
        Term::Atom(String::new())
    }

    /// A whole number.
    pub(crate) fn int(number: impl Into<i128>) -> Term {
        Term::Int(number.into())
    }

    /// A floating point number; one that is not finite becomes an atom, since Erlang has none.
    pub(crate) fn float(number: f64) -> Term {
        if number.is_nan() {
            Term::atom("nan")
        } else if number.is_infinite() {
            Term::atom("infinity")
        } else {
            Term::Float(number)
        }
    }

    /// A process's name, or the empty atom where there is none.
    pub(crate) fn pid(name: impl Into<String>) -> Term {
        let name = name.into();
        if name.is_empty() { Term::unknown() } else { Term::Pid(name) }
    }

    /// A list of characters, which is what Erlang calls a string.
    pub(crate) fn charlist(text: &str) -> Term {
        Term::List(text.chars().map(|c| Term::Int(i128::from(u32::from(c)))).collect())
    }

    /// A key with its value.
    pub(crate) fn pair(key: &str, value: Term) -> Term {
        Term::Tuple(vec![Term::atom(key), value])
    }

    /// The two halves of a pair.
    pub(crate) fn as_pair(&self) -> Option<(&Term, &Term)> {
        match self {
            Term::Tuple(parts) => match parts.as_slice() {
                [key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value under `key` in a list of pairs or a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Term> {
        let named = |name: &Term| matches!(name, Term::Atom(atom) if atom == key);
        match self {
            Term::List(items) => {
                items.iter().filter_map(Term::as_pair).find(|(name, _)| named(name)).map(|(_, value)| value)
            }
            Term::Map(pairs) => pairs.iter().find(|(name, _)| named(name)).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl From<bool> for Term {
    fn from(value: bool) -> Term {
        Term::atom(if value { "true" } else { "false" })
    }
}

/// Bytes travel as a JSON string where they are UTF-8, and as an array of numbers where not.
mod text_or_bytes {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => bytes.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Bytes(bytes) => bytes,
        })
    }
}
