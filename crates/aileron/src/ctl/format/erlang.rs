//! Terms as Erlang's pretty printer (`io:format("~p")`) writes them, line breaks included.
//!
//! Lines are 80 columns. A term that fits stays on its line; a list or tuple that does not puts each
//! composite element on a line of its own and fills lines with atomic ones. `{tag, ...}` tuples are
//! indented by the tag's length where everything fits that way, else by four, else by one. The rules
//! were found by comparing with Erlang/OTP 25 (see the tests).

use super::super::term::Term;

/// Columns in a line, as `~p` has them.
const LINE: usize = 80;

/// Writes `term` over as many lines as it needs.
pub(crate) fn pretty(term: &Term) -> String {
    let node = Node::of(term);
    if node.len < LINE - 1 || node.atomic() {
        return node.flat();
    }
    let indent = [None, Some(4)]
        .into_iter()
        .find(|indent| Fit { whole: node.len, indent: *indent }.term(&node, 1, 0, 0).is_some())
        .unwrap_or(Some(1));
    let mut layout = Layout { indent, whole: node.len, out: String::new() };
    layout.term(&node, 1, 1, 0, 0);
    layout.out
}

/// Writes `term` on one line, however long: `~1000000000000tp`.
pub(crate) fn single_line(term: &Term) -> String {
    Node::of(term).flat()
}

/// A float in the fewest digits that read back as the same number; the shorter of plain and scientific.
pub(crate) fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.to_string() } else { format!("{mantissa}.0") };
    let scientific = format!("{mantissa}e{exponent}");
    let plain = format!("{number:?}");
    if plain.contains('e') || number.abs() >= 9_007_199_254_740_992.0 {
        return scientific;
    }
    if scientific.len() < plain.len() { scientific } else { plain }
}

/// An atom, quoted where Erlang would need it.
pub(crate) fn atom(name: &str) -> String {
    const RESERVED: [&str; 28] = [
        "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch",
        "cond", "div", "end", "fun", "if", "let", "maybe", "not", "of", "or", "orelse", "receive", "rem",
        "try", "when", "xor",
    ];
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
        && !RESERVED.contains(&name);
    if plain { name.to_string() } else { quoted(name.chars().map(u32::from), '\'') }
}

/// A term with its length when written on one line.
struct Node {
    kind: Kind,
    len: usize,
}

enum Kind {
    Flat(String),
    /// A binary written as numbers, which may be broken between them.
    Octets(String),
    List(Vec<Node>),
    Tuple {
        tagged: bool,
        items: Vec<Node>,
    },
    Map(Vec<(Node, Node)>),
}

impl Node {
    fn of(term: &Term) -> Node {
        match term {
            Term::Atom(name) => Node::text(atom(name)),
            Term::Int(number) => Node::text(number.to_string()),
            Term::Float(number) => Node::text(float(*number)),
            Term::Bytes(bytes) => match octets(bytes) {
                Some(text) => Node { len: text.len(), kind: Kind::Octets(text) },
                None => Node::text(binary_text(bytes)),
            },
            Term::Pid(name) => Node::text(super::local_pid(name)),
            Term::List(items) => match charlist(items) {
                Some(text) => Node::text(text),
                None if items.is_empty() => Node::text("[]".into()),
                None => Node::sequence(items, Kind::List),
            },
            Term::Tuple(items) if items.is_empty() => Node::text("{}".into()),
            Term::Tuple(items) => {
                let tagged = items.len() > 1 && matches!(items.first(), Some(Term::Atom(_)));
                Node::sequence(items, |items| Kind::Tuple { tagged, items })
            }
            Term::Map(pairs) if pairs.is_empty() => Node::text("#{}".into()),
            Term::Map(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| (Node::of(key), Node::of(value))).collect();
                let len =
                    pairs.iter().map(|(key, value)| key.len + value.len + 4).sum::<usize>() + pairs.len() + 2;
                Node { kind: Kind::Map(pairs), len }
            }
        }
    }

    fn text(text: String) -> Node {
        let len = text.chars().count();
        Node { kind: Kind::Flat(text), len }
    }

    fn sequence(items: &[Term], kind: impl FnOnce(Vec<Node>) -> Kind) -> Node {
        let items: Vec<Node> = items.iter().map(Node::of).collect();
        let len = items.iter().map(|item| item.len).sum::<usize>() + items.len() + 1;
        Node { kind: kind(items), len }
    }

    fn atomic(&self) -> bool {
        matches!(self.kind, Kind::Flat(_))
    }

    fn flat(&self) -> String {
        let mut out = String::with_capacity(self.len);
        self.write_flat(&mut out);
        out
    }

    fn write_flat(&self, out: &mut String) {
        let join = |items: &[Node], out: &mut String| {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                item.write_flat(out);
            }
        };
        match &self.kind {
            Kind::Flat(text) | Kind::Octets(text) => out.push_str(text),
            Kind::List(items) => {
                out.push('[');
                join(items, out);
                out.push(']');
            }
            Kind::Tuple { items, .. } => {
                out.push('{');
                join(items, out);
                out.push('}');
            }
            Kind::Map(pairs) => {
                out.push_str("#{");
                for (at, (key, value)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    key.write_flat(out);
                    out.push_str(" => ");
                    value.write_flat(out);
                }
                out.push('}');
            }
        }
    }
}

/// How many closing brackets follow the last of `rest`; none after an element that has a successor.
fn closing(rest: usize, outer: usize) -> usize {
    if rest == 0 { outer + 1 } else { 0 }
}

/// Whether `len` columns and the brackets after them fit behind column `at`.
fn fits(len: usize, at: usize, brackets: usize) -> bool {
    len + at + brackets < LINE
}

/// Writes a term that needs several lines.
struct Layout {
    /// The indent of tagged tuples; `None` for the tag's own length.
    indent: Option<usize>,
    whole: usize,
    out: String,
}

impl Layout {
    /// Writes `node` from column `at` with following lines at `margin`; `used` counts what the line holds.
    fn term(&mut self, node: &Node, at: usize, margin: usize, brackets: usize, used: usize) {
        if fits(node.len, at, brackets) && node.len + used + brackets <= self.whole {
            return node.write_flat(&mut self.out);
        }
        match &node.kind {
            Kind::Flat(text) => self.out.push_str(text),
            Kind::Octets(text) => self.octets(text, at + 2, margin + 2, brackets, used),
            Kind::List(items) => {
                self.out.push('[');
                self.list(items, at + 1, margin + 1, brackets, used + 1);
                self.out.push(']');
            }
            Kind::Tuple { tagged, items } => {
                self.out.push('{');
                match items.split_first() {
                    Some((tag, rest)) if *tagged => self.tagged(tag, rest, (at, margin), brackets, used + 1),
                    _ => self.list(items, at + 1, margin + 1, brackets, used + 1),
                }
                self.out.push('}');
            }
            Kind::Map(pairs) => {
                self.out.push_str("#{");
                self.map(pairs, at + 2, margin + 2, brackets, used + 1);
                self.out.push('}');
            }
        }
    }

    fn tagged(
        &mut self,
        tag: &Node,
        rest: &[Node],
        (at, margin): (usize, usize),
        brackets: usize,
        used: usize,
    ) {
        let step = tag.len + 2;
        tag.write_flat(&mut self.out);
        match self.indent {
            Some(indent) if step > indent => {
                self.tail(rest, (at + indent, margin + indent), at + step, brackets, used + tag.len);
            }
            _ => {
                self.out.push(',');
                self.list(rest, at + step, margin + step, brackets, used + tag.len + 1);
            }
        }
    }

    fn list(&mut self, items: &[Node], at: usize, margin: usize, brackets: usize, used: usize) {
        let Some((first, rest)) = items.split_first() else { return };
        let width = self.element(first, at, margin, closing(rest.len(), brackets), used);
        self.tail(rest, (at, margin), at + width, brackets, used + width);
    }

    fn tail(
        &mut self,
        items: &[Node],
        (start, margin): (usize, usize),
        mut at: usize,
        brackets: usize,
        mut used: usize,
    ) {
        for (index, item) in items.iter().enumerate() {
            let after = closing(items.len() - index - 1, brackets);
            let len = item.len + 1;
            self.out.push(',');
            if item.atomic() && room(len, at, after) && room_in_line(len, used, after, self.whole) {
                item.write_flat(&mut self.out);
                at += len;
                used += len;
            } else {
                self.line(margin);
                let width = self.element(item, start, margin, after, 0);
                at = start + width;
                used = width;
            }
        }
    }

    fn map(&mut self, pairs: &[(Node, Node)], start: usize, margin: usize, brackets: usize, mut used: usize) {
        let mut at = start;
        for (index, (key, value)) in pairs.iter().enumerate() {
            let after = closing(pairs.len() - index - 1, brackets);
            let atomic = key.atomic() && value.atomic();
            let len = key.len + value.len + 4;
            if index > 0 {
                self.out.push(',');
                if atomic && room(len + 1, at, after) && room_in_line(len + 1, used, after, self.whole) {
                    self.pair(key, value);
                    at += len + 1;
                    used += len + 1;
                    continue;
                }
                self.line(margin);
                used = 0;
            }
            let width = if fits(len, start, after) && len + used + after <= self.whole {
                self.pair(key, value);
                if atomic { len } else { LINE }
            } else {
                let step = self.indent.unwrap_or(4);
                self.term(key, start, margin, after, used);
                self.out.push_str(" =>");
                self.line(margin + step);
                self.term(value, start + step, margin + step, after, 0);
                LINE
            };
            at = start + width;
            used = width;
        }
    }

    fn pair(&mut self, key: &Node, value: &Node) {
        key.write_flat(&mut self.out);
        self.out.push_str(" => ");
        value.write_flat(&mut self.out);
    }

    /// Writes one element; says how many columns it took, a whole line where it is not atomic.
    fn element(&mut self, node: &Node, at: usize, margin: usize, brackets: usize, used: usize) -> usize {
        if node.atomic() && fits(node.len, at, brackets) && node.len + used + brackets <= self.whole {
            node.write_flat(&mut self.out);
            return node.len;
        }
        self.term(node, at, margin, brackets, used);
        LINE
    }

    /// Writes a binary's numbers, broken where they reach the end of the line.
    fn octets(&mut self, text: &str, at: usize, margin: usize, brackets: usize, used: usize) {
        let room =
            LINE.saturating_sub(at).min(self.whole.saturating_sub(4 + used)).saturating_sub(brackets).max(8);
        let numbers = text.trim_start_matches('<').trim_end_matches('>');
        let mut left = room;
        self.out.push_str("<<");
        let mut rest = numbers.split(',').peekable();
        while let Some(number) = rest.next() {
            let last = rest.peek().is_none();
            let len = if last { number.len() } else { number.len() + 1 };
            if len > left {
                self.line(margin);
                left = room;
            }
            left = left.saturating_sub(len);
            self.out.push_str(number);
            if !last {
                self.out.push(',');
            }
        }
        self.out.push_str(">>");
    }

    fn line(&mut self, margin: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', margin - 1));
    }
}

/// Whether a comma and an atomic element of together `len` columns fit behind `at`.
fn room(len: usize, at: usize, after: usize) -> bool {
    if after == 0 { len + 1 + at < LINE } else { len + at + after < LINE }
}

/// Whether they fit the count of characters a line may hold.
fn room_in_line(len: usize, used: usize, after: usize, whole: usize) -> bool {
    used + len + after.max(1) <= whole
}

/// Finds out whether an indent of tagged tuples leaves everything enough room: the same walk as
/// `Layout`'s, writing nothing. `None` is "no".
struct Fit {
    whole: usize,
    indent: Option<usize>,
}

impl Fit {
    fn term(&self, node: &Node, at: usize, brackets: usize, used: usize) -> Option<()> {
        if fits(node.len, at, brackets) && node.len + used + brackets <= self.whole {
            return Some(());
        }
        match &node.kind {
            Kind::Flat(_) | Kind::Octets(_) => Some(()),
            Kind::List(items) => self.list(items, at + 1, brackets, used + 1),
            Kind::Tuple { tagged, items } => match items.split_first() {
                Some((tag, rest)) if *tagged => self.tagged(tag, rest, at, brackets, used + 1),
                _ => self.list(items, at + 1, brackets, used + 1),
            },
            Kind::Map(pairs) => self.map(pairs, at + 2, brackets, used + 2),
        }
    }

    fn tagged(&self, tag: &Node, rest: &[Node], at: usize, brackets: usize, used: usize) -> Option<()> {
        let step = tag.len + 2;
        let inner = at + step;
        match self.indent {
            Some(indent) if step > indent => {
                let start = at + indent;
                if self.whole + start <= LINE || start <= LINE / 2 {
                    self.tail(rest, start, inner, brackets, used + tag.len)
                } else {
                    None
                }
            }
            _ if self.whole + inner < LINE || inner < LINE / 2 => {
                self.list(rest, inner, brackets, used + tag.len + 1)
            }
            _ => None,
        }
    }

    fn list(&self, items: &[Node], at: usize, brackets: usize, used: usize) -> Option<()> {
        let Some((first, rest)) = items.split_first() else { return Some(()) };
        let width = self.element(first, at, closing(rest.len(), brackets), used)?;
        self.tail(rest, at, at + width, brackets, used + width)
    }

    fn tail(
        &self,
        items: &[Node],
        start: usize,
        mut at: usize,
        brackets: usize,
        mut used: usize,
    ) -> Option<()> {
        for (index, item) in items.iter().enumerate() {
            let after = closing(items.len() - index - 1, brackets);
            let len = item.len + 1;
            if item.atomic() && room(len, at, after) && room_in_line(len, used, after, self.whole) {
                at += len;
                used += len;
            } else {
                let width = self.element(item, start, after, 0)?;
                at = start + width;
                used = width;
            }
        }
        Some(())
    }

    fn map(&self, pairs: &[(Node, Node)], start: usize, brackets: usize, used: usize) -> Option<()> {
        for (index, (key, value)) in pairs.iter().enumerate() {
            let after = closing(pairs.len() - index - 1, brackets);
            let len = key.len + value.len + 4;
            let used = if index == 0 { used } else { 0 };
            if !(fits(len, start, after) && len + used + after <= self.whole) {
                self.term(key, start, after, used)?;
                self.term(value, start + self.indent.unwrap_or(4), after, 0)?;
            }
        }
        Some(())
    }

    fn element(&self, node: &Node, at: usize, brackets: usize, used: usize) -> Option<usize> {
        if node.atomic() && fits(node.len, at, brackets) && node.len + used + brackets <= self.whole {
            return Some(node.len);
        }
        self.term(node, at, brackets, used)?;
        Some(LINE)
    }
}

/// A binary's bytes as numbers, where not every one is a printable Latin-1 character.
fn octets(bytes: &[u8]) -> Option<String> {
    if bytes.iter().all(|byte| printable(u32::from(*byte))) {
        return None;
    }
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    Some(format!("<<{}>>", numbers.join(",")))
}

/// A binary of printable bytes as text in quotes.
fn binary_text(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "<<>>".to_string();
    }
    format!("<<{}>>", quoted(bytes.iter().map(|byte| u32::from(*byte)), '"'))
}

/// A list of printable characters is written as a string.
fn charlist(items: &[Term]) -> Option<String> {
    if items.is_empty() {
        return None;
    }
    let codes: Option<Vec<u32>> = items
        .iter()
        .map(|item| match item {
            Term::Int(number) => u32::try_from(*number).ok().filter(|code| printable(*code)),
            _ => None,
        })
        .collect();
    codes.map(|codes| quoted(codes.into_iter(), '"'))
}

/// Erlang's printable range by default: Latin-1 and the usual control characters.
fn printable(code: u32) -> bool {
    matches!(code, 8..=13 | 27 | 32..=126 | 160..=255)
}

fn quoted(codes: impl Iterator<Item = u32>, quote: char) -> String {
    let mut out = String::from(quote);
    for code in codes {
        match code {
            8 => out.push_str("\\b"),
            9 => out.push_str("\\t"),
            10 => out.push_str("\\n"),
            11 => out.push_str("\\v"),
            12 => out.push_str("\\f"),
            13 => out.push_str("\\r"),
            27 => out.push_str("\\e"),
            127 => out.push_str("\\d"),
            0..=31 => out.push_str(&format!("\\{code:03o}")),
            256.. => out.push_str(&format!("\\x{{{code:X}}}")),
            _ => {
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                if c == quote || c == '\\' {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out.push(quote);
    out
}
