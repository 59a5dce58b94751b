//! Erlang's terms on the wire ("External Term Format" in the run-time system's manual), as far as the
//! questions and answers here need them.

/// How deep terms may be in each other.
const DEPTH_MAX: usize = 32;
/// The byte before a whole term.
const VERSION: u8 = 131;

/// One term.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::rabbitmq) enum Term {
    /// A name.
    Atom(String),
    /// A whole number; one beyond its range is the nearest in it.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A binary, or a list of bytes, which is how Erlang sends a string.
    Text(String),
    /// A list.
    List(Vec<Term>),
    /// A tuple.
    Tuple(Vec<Term>),
    /// A process of a node: its name and creation. It is our only one, so it needs no number.
    Pid(String, u32),
    /// A reference of a node: its name, creation and number.
    Reference(String, u32, u32),
    /// Something whose length is known and whose meaning is not needed.
    Other,
}

/// An atom.
pub(in crate::rabbitmq) fn atom(name: &str) -> Term {
    Term::Atom(name.to_string())
}

impl Term {
    /// Appends the term with the byte before it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        self.append(out);
    }

    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Term::Atom(name) => append_atom(name, out),
            Term::Int(number) => match i32::try_from(*number) {
                Ok(number) => append_tagged(98, &number.to_be_bytes(), out),
                Err(_) => {
                    append_tagged(110, &[8, u8::from(*number < 0)], out);
                    out.extend(number.unsigned_abs().to_le_bytes());
                }
            },
            Term::Float(number) => append_tagged(70, &number.to_be_bytes(), out),
            Term::Text(text) => {
                append_tagged(109, &length(text.len()), out);
                out.extend(text.bytes());
            }
            Term::List(items) => {
                if !items.is_empty() {
                    append_tagged(108, &length(items.len()), out);
                    items.iter().for_each(|item| item.append(out));
                }
                out.push(106);
            }
            Term::Tuple(items) => {
                append_tagged(105, &length(items.len()), out);
                items.iter().for_each(|item| item.append(out));
            }
            Term::Pid(node, creation) => {
                out.push(88);
                append_atom(node, out);
                out.extend([1_u32, 0, *creation].into_iter().flat_map(u32::to_be_bytes));
            }
            Term::Reference(node, creation, number) => {
                append_tagged(90, &1_u16.to_be_bytes(), out);
                append_atom(node, out);
                out.extend([*creation, *number].into_iter().flat_map(u32::to_be_bytes));
            }
            Term::Other => out.push(106),
        }
    }

    /// Reads a whole term off the front of `bytes`; `None` if it is none, or has something that cannot be
    /// passed over.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Term> {
        (take_number::<1>(bytes)? == u64::from(VERSION)).then_some(())?;
        read(bytes, DEPTH_MAX)
    }

    /// The items of a list or tuple.
    pub(in crate::rabbitmq) fn items(&self) -> &[Term] {
        match self {
            Term::List(items) | Term::Tuple(items) => items,
            _ => &[],
        }
    }

    /// The text of an atom, a binary or a string.
    pub(in crate::rabbitmq) fn text(&self) -> Option<&str> {
        match self {
            Term::Atom(text) | Term::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub(in crate::rabbitmq) fn number(&self) -> Option<u64> {
        match self {
            Term::Int(number) => u64::try_from(*number).ok(),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bytes, in whole
            Term::Float(number) if *number >= 0.0 => Some(*number as u64),
            _ => None,
        }
    }

    /// The value of a key in a list of pairs.
    pub(in crate::rabbitmq) fn value(&self, key: &str) -> Option<&Term> {
        self.items().iter().find_map(|item| match item.items() {
            [Term::Atom(name), value] if name == key => Some(value),
            _ => None,
        })
    }
}

fn length(count: usize) -> [u8; 4] {
    // What we write ourselves is short.
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

fn append_tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(bytes);
}

fn append_atom(name: &str, out: &mut Vec<u8>) {
    append_tagged(118, &u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes(), out);
    out.extend(name.bytes());
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// A big-endian number of `N` bytes, at most 8.
fn take_number<const N: usize>(bytes: &mut &[u8]) -> Option<u64> {
    Some(take(bytes, N)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn take_length<const N: usize>(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_number::<N>(bytes)?).ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(bytes: &mut &[u8], depth: usize) -> Option<Term> {
    let below = depth.checked_sub(1)?;
    let tag = take_number::<1>(bytes)?;
    Some(match tag {
        97 => Term::Int(take_number::<1>(bytes)?.try_into().ok()?),
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // four bytes, signed
        98 => Term::Int(i64::from(take_number::<4>(bytes)? as u32 as i32)),
        70 => Term::Float(f64::from_bits(take_number::<8>(bytes)?)),
        100 | 118 => Term::Atom(read_text::<2>(bytes)?),
        115 | 119 => Term::Atom(read_text::<1>(bytes)?),
        107 => Term::Text(read_text::<2>(bytes)?),
        109 => Term::Text(read_text::<4>(bytes)?),
        106 => Term::List(Vec::new()),
        104 => {
            let count = take_length::<1>(bytes)?;
            Term::Tuple(read_many(bytes, count, below)?)
        }
        105 => {
            let count = take_length::<4>(bytes)?;
            Term::Tuple(read_many(bytes, count, below)?)
        }
        108 => {
            let count = take_length::<4>(bytes)?;
            let items = read_many(bytes, count, below)?;
            // What stands behind the last item: nothing, in a proper list.
            read(bytes, below)?;
            Term::List(items)
        }
        116 => {
            let count = take_length::<4>(bytes)?;
            read_many(bytes, count.checked_mul(2)?, below)?;
            Term::Other
        }
        110 => {
            let count = take_length::<1>(bytes)?;
            read_big(bytes, count)?
        }
        111 => {
            let count = take_length::<4>(bytes)?;
            read_big(bytes, count)?
        }
        88 => read_local(bytes, below, 12)?,
        103 => read_local(bytes, below, 9)?,
        89 => read_local(bytes, below, 8)?,
        120 => read_local(bytes, below, 12)?,
        90 => read_reference(bytes, below)?,
        77 => {
            let count = take_length::<4>(bytes)?;
            take(bytes, count.checked_add(1)?)?;
            Term::Other
        }
        _ => return None,
    })
}

fn read_text<const N: usize>(bytes: &mut &[u8]) -> Option<String> {
    let count = take_length::<N>(bytes)?;
    take(bytes, count).map(text)
}

fn read_many(bytes: &mut &[u8], count: usize, depth: usize) -> Option<Vec<Term>> {
    // Each takes a byte at least: a count beyond them is a lie, and reserves nothing.
    (count <= bytes.len()).then_some(())?;
    (0..count).map(|_| read(bytes, depth)).collect()
}

fn read_big(bytes: &mut &[u8], count: usize) -> Option<Term> {
    let negative = take_number::<1>(bytes)? != 0;
    let digits = take(bytes, count)?;
    let fits = digits.get(8..).is_none_or(|rest| rest.iter().all(|byte| *byte == 0));
    let size = digits.iter().take(8).rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let size = i64::try_from(size).ok().filter(|_| fits).unwrap_or(i64::MAX);
    Some(Term::Int(if negative { -size } else { size }))
}

/// A process or a port: a node's name and numbers.
fn read_local(bytes: &mut &[u8], depth: usize, count: usize) -> Option<Term> {
    read(bytes, depth)?;
    take(bytes, count)?;
    Some(Term::Other)
}

fn read_reference(bytes: &mut &[u8], depth: usize) -> Option<Term> {
    let count = take_length::<2>(bytes)?;
    let Term::Atom(node) = read(bytes, depth)? else { return None };
    let creation = u32::try_from(take_number::<4>(bytes)?).ok()?;
    let mut numbers = take(bytes, count.checked_mul(4)?)?;
    let number = u32::try_from(take_number::<4>(&mut numbers)?).ok()?;
    Some(Term::Reference(node, creation, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn again(term: &Term) -> Option<Term> {
        let mut bytes = Vec::new();
        term.write(&mut bytes);
        let mut rest = bytes.as_slice();
        let read = Term::read(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
        read
    }

    #[test]
    fn what_is_written_is_read_again() {
        let whole = Term::Tuple(vec![
            atom("$gen_call"),
            Term::Reference("a@b".to_string(), 7, 3),
            Term::List(vec![Term::Int(-5), Term::Int(1 << 40), Term::Int(-(1 << 40)), Term::Float(0.5)]),
            Term::List(Vec::new()),
            Term::Text("x".to_string()),
        ]);
        assert_eq!(again(&whole), Some(whole));
        assert_eq!(again(&Term::Pid("a@b".to_string(), 7)), Some(Term::Other));
    }

    #[test]
    fn depth_and_counts_are_bounded() {
        let mut deep = vec![VERSION];
        deep.extend([104, 1].repeat(100_000));
        assert_eq!(Term::read(&mut deep.as_slice()), None);
        assert_eq!(Term::read(&mut [VERSION, 108, 255, 255, 255, 255, 106].as_slice()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Term::read(&mut bytes.as_slice());
            let whole: Vec<u8> = std::iter::once(VERSION).chain(bytes).collect();
            let _ = Term::read(&mut whole.as_slice());
        }
    }
}
