//! An inventory as YAML: groups by name, each with `hosts`, `children` and `vars`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{ALL, Inventory, InventoryError, Variables, range};

/// How deep groups may lie in groups.
const DEPTH_MAX: usize = 32;

/// Reads the whole text.
pub(super) fn read(inventory: &mut Inventory, text: &str) -> Result<(), InventoryError> {
    let top = document(&inventory.path, text)?;
    for (name, body) in mapping(&top, "the inventory").map_err(|cause| inventory.wrong(cause))? {
        group(inventory, name, body, 0).map_err(|cause| inventory.wrong(cause))?;
    }
    Ok(())
}

/// Reads a file of variables.
pub(super) fn variables(path: &Path, text: &str) -> Result<Variables, InventoryError> {
    let top = document(path, text)?;
    match mapping(&top, "the file") {
        Ok(map) => Ok(as_text(map)),
        Err(cause) => Err(InventoryError::Content { path: path.to_path_buf(), cause }),
    }
}

fn document(path: &Path, text: &str) -> Result<Value, InventoryError> {
    let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line() as usize);
        let said = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let cause = said.lines().next().unwrap_or_default().to_string();
        InventoryError::Line { path: path.to_path_buf(), line, cause }
    })
}

fn group(inventory: &mut Inventory, name: &str, body: &Value, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("groups lie more than {DEPTH_MAX} deep in each other"));
    }
    inventory.groups.entry(name.to_string()).or_default();
    for (key, value) in mapping(body, &format!("the group '{name}'"))? {
        let what = format!("'{key}' of the group '{name}'");
        match key.as_str() {
            "hosts" => {
                for (pattern, own) in mapping(value, &what)? {
                    let own = as_text(mapping(own, &format!("the host '{pattern}'"))?);
                    for host in range::expand(pattern)? {
                        inventory.add_host(name, &host)?.extend(own.clone());
                    }
                }
            }
            "children" => {
                for (child, inside) in mapping(value, &what)? {
                    group(inventory, child, inside, depth + 1)?;
                    let children = &mut inventory.groups.entry(name.to_string()).or_default().children;
                    if child != ALL && !children.contains(child) {
                        children.push(child.clone());
                    }
                }
            }
            "vars" => {
                let own = as_text(mapping(value, &what)?);
                inventory.groups.entry(name.to_string()).or_default().variables.extend(own);
            }
            other => {
                return Err(format!(
                    "the group '{name}' has '{other}', which is not among hosts, children and vars"
                ));
            }
        }
    }
    Ok(())
}

/// A mapping; nothing at all is an empty one.
fn mapping<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(&NONE),
        Value::String(text) if text.is_empty() => Ok(&NONE),
        _ => Err(format!("{what} is no mapping (a line 'name:' for each)")),
    }
}

/// Variables that are one value each; lists and mappings say nothing on how a host is reached.
fn as_text(map: &Map<String, Value>) -> Variables {
    map.iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.clone(), text.clone())),
            Value::Number(number) => Some((name.clone(), number.to_string())),
            Value::Bool(yes) => Some((name.clone(), yes.to_string())),
            _ => None,
        })
        .collect()
}
