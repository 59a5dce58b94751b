//! An inventory as INI: `[group]` with hosts and their variables, `[group:children]`, `[group:vars]`.

use super::{ALL, Inventory, InventoryError, range};

/// The group of hosts that stand before every heading.
const UNGROUPED: &str = "ungrouped";

/// What a section holds.
enum Section {
    Hosts(String),
    Children(String),
    Variables(String),
}

/// Reads the whole text.
pub(super) fn read(inventory: &mut Inventory, text: &str) -> Result<(), InventoryError> {
    let mut section = Section::Hosts(UNGROUPED.to_string());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let done = match heading(line) {
            Some(Ok(next)) => {
                section = next;
                let (Section::Hosts(name) | Section::Children(name) | Section::Variables(name)) = &section;
                inventory.groups.entry(name.clone()).or_default();
                Ok(())
            }
            Some(Err(cause)) => Err(cause),
            None => content(inventory, &section, line),
        };
        done.map_err(|cause| InventoryError::Line { path: inventory.path.clone(), line: number + 1, cause })?;
    }
    if inventory.groups.get(UNGROUPED).is_some_and(|group| group.hosts.is_empty()) {
        inventory.groups.remove(UNGROUPED);
    }
    Ok(())
}

fn heading(line: &str) -> Option<Result<Section, String>> {
    let inside = line.strip_prefix('[')?;
    let Some((name, rest)) = inside.split_once(']') else {
        return Some(Err(format!("the heading '{line}' has no closing bracket")));
    };
    let rest = rest.trim();
    if !rest.is_empty() && !rest.starts_with(['#', ';']) {
        return Some(Err(format!("'{rest}' stands behind a heading")));
    }
    let (name, kind) = name.split_once(':').unwrap_or((name, ""));
    let name = name.trim().to_string();
    if name.is_empty() {
        return Some(Err("a heading without a name".to_string()));
    }
    Some(match kind.trim() {
        "" => Ok(Section::Hosts(name)),
        "children" => Ok(Section::Children(name)),
        "vars" => Ok(Section::Variables(name)),
        other => Err(format!("'{other}' is not among :children and :vars")),
    })
}

fn content(inventory: &mut Inventory, section: &Section, line: &str) -> Result<(), String> {
    match section {
        Section::Hosts(group) => hosts(inventory, group, line),
        Section::Children(group) => {
            let child = words(line)?.into_iter().next().unwrap_or_default();
            inventory.groups.entry(child.clone()).or_default();
            inventory.groups.entry(group.clone()).or_default().children.push(child);
            Ok(())
        }
        Section::Variables(group) => {
            let (name, value) =
                line.split_once('=').ok_or_else(|| format!("'{line}' is no variable like name=value"))?;
            let variables = &mut inventory.groups.entry(group.clone()).or_default().variables;
            variables.insert(name.trim().to_string(), unquoted(value.trim()).to_string());
            Ok(())
        }
    }
}

fn hosts(inventory: &mut Inventory, group: &str, line: &str) -> Result<(), String> {
    let mut words = words(line)?.into_iter();
    let pattern = words.next().unwrap_or_default();
    let mut variables = Vec::new();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("'{word}' behind the host '{pattern}' is no variable like name=value"))?;
        variables.push((name.to_string(), value.to_string()));
    }
    let (pattern, port) = with_port(&pattern);
    variables.extend(port.map(|port| ("ansible_port".to_string(), port.to_string())));
    for name in range::expand(pattern)? {
        inventory.add_host(group, &name)?.extend(variables.iter().cloned());
        if group != ALL {
            inventory.groups.entry(ALL.to_string()).or_default();
        }
    }
    Ok(())
}

/// `host:2222`, but neither `[0:2]` nor an IPv6 address.
fn with_port(pattern: &str) -> (&str, Option<&str>) {
    match pattern.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && (!host.contains(':') || host.contains('[')) => {
            (host, Some(port))
        }
        _ => (pattern, None),
    }
}

/// The words of a line, as a shell takes quotes; a `#` at a word's beginning ends the line.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('\''), letter) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().extend(letters.next()),
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_string());
    }
    words.extend(word);
    Ok(words)
}

fn unquoted(value: &str) -> &str {
    let inside = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}
