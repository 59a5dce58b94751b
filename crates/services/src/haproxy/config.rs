//! What HAProxy's configuration says of the way in and of its backends (its configuration manual, sections 2 to 4).
//!
//! Only what a survey needs is read: stats sockets and pages, addresses, and backends that are built to
//! have one usable server because their check asks for the primary.

use std::collections::BTreeSet;

/// A page with statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Where it listens, as written behind `bind`.
    pub address: String,
    /// Its path.
    pub uri: String,
    /// NAME:PASSWORD, if it wants one.
    pub login: String,
}

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Places of its stats sockets: a path, or ADDRESS:PORT.
    pub sockets: Vec<String>,
    /// Addresses of its frontends, without ports, without those that mean all or loopback.
    pub addresses: BTreeSet<String>,
    /// Backends whose check passes on the primary only.
    pub primaries: BTreeSet<String>,
    /// The first page with statistics.
    pub page: Option<Page>,
}

/// The path of the page where the configuration has none.
const PAGE_URI: &str = "/haproxy?stats";
/// Words of a check that only a primary answers as wanted: Redis, Patroni.
const PRIMARY_CHECKS: &[&str] = &["role:master", "/master", "/primary", "/leader"];

/// Reads a configuration, or several one after the other.
pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::default();
    let mut section = String::new();
    let mut name = String::new();
    let mut page = Page::default();
    let mut has_page = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_ascii_whitespace().collect();
        let Some(&first) = words.first() else { continue };
        let second = words.get(1).copied().unwrap_or_default();
        let third = words.get(2).copied().unwrap_or_default();
        if is_section(first) {
            keep(&mut config, has_page, &mut page);
            has_page = false;
            (section, name) = (first.to_string(), second.to_string());
            if let ("frontend" | "listen", true) = (first, third.contains(':')) {
                bind(&mut config, &mut page, third);
            }
            continue;
        }
        match (section.as_str(), first, second) {
            ("global", "stats", "socket") => config.sockets.push(socket(third)),
            ("frontend" | "listen", "bind", _) => bind(&mut config, &mut page, second),
            ("frontend" | "listen", "stats", "enable") => has_page = true,
            ("frontend" | "listen", "stats", "uri") => {
                has_page = true;
                page.uri = third.to_string();
            }
            ("frontend" | "listen", "stats", "auth") => {
                has_page = true;
                page.login = third.to_string();
            }
            ("backend" | "listen", "tcp-check" | "http-check" | "option", _)
                if words.iter().any(|word| is_primary_check(word)) =>
            {
                config.primaries.insert(name.clone());
            }
            _ => {}
        }
    }
    keep(&mut config, has_page, &mut page);
    config
}

fn is_section(word: &str) -> bool {
    const SECTIONS: &[&str] = &[
        "global",
        "defaults",
        "frontend",
        "backend",
        "listen",
        "peers",
        "resolvers",
        "mailers",
        "userlist",
        "program",
        "cache",
        "ring",
        "http-errors",
        "fcgi-app",
        "crt-list",
        "log-forward",
    ];
    SECTIONS.contains(&word)
}

fn is_primary_check(word: &str) -> bool {
    PRIMARY_CHECKS.iter().any(|check| word == *check || (check.contains(':') && word.contains(check)))
}

fn keep(config: &mut Config, has_page: bool, page: &mut Page) {
    let mut found = std::mem::take(page);
    if has_page && config.page.is_none() && !found.address.is_empty() {
        if found.uri.is_empty() {
            found.uri = PAGE_URI.to_string();
        }
        config.page = Some(found);
    }
}

/// A socket's place without the family in front of it.
fn socket(word: &str) -> String {
    let bare = ["unix@", "ipv4@", "ipv6@"].iter().find_map(|family| word.strip_prefix(family));
    bare.unwrap_or(word).to_string()
}

fn bind(config: &mut Config, page: &mut Page, word: &str) {
    for one in word.split(',') {
        let one = socket(one);
        let Some((host, _)) = one.rsplit_once(':') else { continue };
        if page.address.is_empty() {
            page.address = one.clone();
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let anywhere = matches!(host, "" | "*" | "::" | "0.0.0.0" | "::1") || host.starts_with("127.");
        if !anywhere && !host.starts_with('/') {
            config.addresses.insert(host.to_string());
        }
    }
}
