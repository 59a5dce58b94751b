//! XML as a small tree, with bounds: what crm_mon and cibadmin print is attributes, hardly any text.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// How deep elements may be nested; a bundle's resource in crm_mon's status is at 6.
const DEPTH_MAX: usize = 64;
/// How many elements there may be; a cluster of three with forty resources has some two thousand.
const COUNT_MAX: usize = 200_000;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// What stands between its tags, without surrounding blanks.
    pub(super) text: String,
}

impl Element {
    /// An attribute, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// An attribute as text; empty where it is missing.
    pub(super) fn text_of(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_string()
    }

    /// Whether an attribute says yes.
    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(truth)
    }

    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The elements of a name at any depth, in their order.
    pub(super) fn within<'a>(&'a self, name: &str) -> Vec<&'a Element> {
        let mut found = Vec::new();
        self.collect(name, &mut found);
        found
    }

    fn collect<'a>(&'a self, name: &str, found: &mut Vec<&'a Element>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            child.collect(name, found);
        }
    }
}

/// Whether Pacemaker would read a value as true.
pub(super) fn truth(value: &str) -> bool {
    ["true", "on", "yes", "y", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// Reads a document.
///
/// # Errors
/// When it is no XML, cut off, or beyond the bounds: why, in words.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0;
    loop {
        let done = match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                count += 1;
                if open.len() >= DEPTH_MAX || count > COUNT_MAX {
                    return Err("more XML than any cluster has".to_string());
                }
                open.push(element(&start));
                continue;
            }
            Event::Empty(start) => {
                count += 1;
                if count > COUNT_MAX {
                    return Err("more XML than any cluster has".to_string());
                }
                element(&start)
            }
            Event::End(_) => open.pop().ok_or("an end without a start")?,
            Event::Text(text) => {
                if let Some(inner) = open.last_mut() {
                    inner.text.push_str(text.trim());
                }
                continue;
            }
            Event::Eof => return Err("the XML is cut off".to_string()),
            _ => continue,
        };
        match open.last_mut() {
            Some(outer) => outer.children.push(done),
            None => return Ok(done),
        }
    }
}

/// An attribute that is not understood is left out: the rest is still good.
fn element(start: &BytesStart<'_>) -> Element {
    let attributes = start
        .attributes()
        .with_checks(false)
        .flatten()
        .filter_map(|one| {
            let value = one.normalized_value(XmlVersion::Implicit1_0).ok()?;
            Some((one.key.as_ref().to_string(), value.into_owned()))
        })
        .collect();
    Element { name: start.name().as_ref().to_string(), attributes, ..Element::default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_and_children_are_read() {
        let tree =
            parse("<?xml version='1.0'?>\n<a x='1 &lt; 2'><b on=\"True\"/><c><b/> no </c></a>").unwrap();
        assert_eq!((tree.name.as_str(), tree.get("x"), tree.get("y")), ("a", Some("1 < 2"), None));
        assert!(tree.child("b").unwrap().is("on"));
        assert_eq!((tree.within("b").len(), tree.all("b").count()), (2, 1));
        assert_eq!(tree.child("c").unwrap().text, "no");
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_refused() {
        for text in ["", "crm_mon: error", "<a><b></a>", "<a><b/>", "</a>"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"<a>".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[<>/a&;='\" !?\\[\\]-]{0,60}|\\PC*") {
            let _ = parse(&text);
        }
    }
}
