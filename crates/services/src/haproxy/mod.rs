//! HAProxy: all APIs, the database and the consoles are reached through it. Its backends are judged by
//! what each is built for: a Redis has one usable server by design, a Galera only `backup` ones.
//!
//! | room | what |
//! |---|---|
//! | `config` | its configuration |
//! | `facts` | what its stats socket says |
//! | `page` | asks the page with statistics where the socket is not ours to open |
//! | `names` | which service stands behind a backend |
//! | `backend` | one backend: which servers are usable |
//! | `judge` | the rules |

mod backend;
mod config;
mod facts;
mod judge;
mod names;
mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

pub use facts::{Facts, Info, Part, Row};

use crate::answer::Trouble;
use crate::ask::Ask;
use crate::place::Place;
use crate::service::{Context, Judgement, Kind, Member, Service, Target};
use crate::view::{Process, View};

/// The most that one answer may have: 500 bytes a row, of which there are some hundreds.
const ANSWER_MAX: usize = 8 << 20;
/// Debian's and Red Hat's unit.
const UNITS: &[&str] = &["haproxy.service"];
/// Names of containers: Kolla's and TripleO's without Pacemaker; TripleO's bundle adds a number.
const CONTAINERS: &[&str] = &["haproxy", "haproxy-bundle-podman-", "haproxy-bundle-docker-"];
/// Made on hosts that run it, and only there.
const GENERATED: &[&str] =
    &["/var/lib/config-data/puppet-generated/haproxy/etc/haproxy/", "/etc/kolla/haproxy/"];
/// Debian's and Red Hat's sockets, for a process whose configuration cannot be read.
const SOCKETS: &[&str] = &["/run/haproxy/admin.sock", "/var/lib/haproxy/stats"];

/// The readers of outside bytes here, see `fuzzing`.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) const PARSERS: &[crate::fuzzing::Parser] = &[
    ("haproxy: show stat", |bytes| drop(facts::stat(&crate::fuzzing::text(bytes)))),
    ("haproxy: show info", |bytes| drop(facts::info(&crate::fuzzing::text(bytes)))),
    ("haproxy: page", |bytes| drop(page::body(bytes).and_then(|body| facts::stat(&body)))),
    ("haproxy: configuration", |bytes| drop(config::parse(&crate::fuzzing::text(bytes)))),
];

/// The kind.
#[derive(Debug)]
pub struct Haproxy;

impl Service for Haproxy {
    const KIND: Kind = Kind::Haproxy;
    const FILES: &'static [&'static str] = &[
        "/etc/haproxy/haproxy.cfg",
        "/etc/haproxy/conf.d/*.cfg",
        "/var/lib/config-data/puppet-generated/haproxy/etc/haproxy/*.cfg",
        "/etc/kolla/haproxy/*.cfg",
        "/etc/kolla/haproxy/services.d/*.cfg",
    ];
    const DAEMONS: &'static [&'static str] = &["haproxy"];
    type Facts = Facts;

    fn find(view: &View) -> Vec<Target> {
        let mut started: BTreeMap<Vec<String>, Vec<&Process>> = BTreeMap::new();
        for process in view.named(Self::DAEMONS) {
            started.entry(files_of(process)).or_default().push(process);
        }
        let mut found: Vec<_> =
            started.iter().map(|(files, processes)| running(view, files, processes)).collect();
        if found.is_empty()
            && let Some(evidence) = expected(view)
        {
            found.push(target(view, &configuration(view, &[], true), false, evidence));
        }
        found
    }

    async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
        let trouble = match through_socket(target, ask).await {
            Ok(facts) => return Ok(facts),
            Err(_) if !target.seen => Trouble::Down(format!("no process, though {}", target.evidence)),
            Err(trouble) => trouble,
        };
        match target.settings.get("page") {
            Some(page) if target.seen => through_page(page, target, ask).await,
            _ => Err(trouble),
        }
    }

    fn judge(members: &[Member<Facts>], context: &Context) -> Judgement {
        judge::judge(members, context)
    }
}

/// The files behind `-f`.
fn files_of(process: &Process) -> Vec<String> {
    let mut words = process.arguments.iter();
    let mut files = Vec::new();
    while let Some(word) = words.next() {
        if word == "-f" {
            files.extend(words.next().cloned());
        }
    }
    files
}

/// The configuration a process was started with. In a container its path means another file than on the
/// host, so what deployment tools generate goes first.
fn configuration<'a>(view: &'a View, files: &[String], generated: bool) -> Vec<(&'a str, &'a str)> {
    let of = |wanted: &dyn Fn(&str) -> bool| {
        let files = view.files.iter().filter(|(path, _)| wanted(path));
        files.map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>()
    };
    if generated {
        let known = GENERATED.iter().map(|folder| of(&|path| path.starts_with(folder)));
        if let Some(found) = known.into_iter().find(|found| !found.is_empty()) {
            return found;
        }
    }
    if files.is_empty() {
        return of(&|path| path.starts_with("/etc/haproxy/"));
    }
    of(&|path| files.iter().any(|file| path == file || path.starts_with(&format!("{file}/"))))
}

fn running(view: &View, files: &[String], processes: &[&Process]) -> Target {
    let contained = processes.iter().any(|process| process.container.is_some());
    let mut read = configuration(view, files, contained);
    if read.is_empty() {
        read = configuration(view, files, true);
    }
    let first = processes.first().map_or(0, |process| process.pid);
    let mut target = target(view, &read, true, format!("process {first}"));
    if read.is_empty() {
        target.settings.insert("unread".to_string(), files.join(", "));
    }
    target.settings.insert("root".to_string(), format!("/proc/{first}/root"));
    let master = processes.iter().any(|process| process.arguments.iter().any(|word| word.starts_with("-W")));
    let workers = processes.len().saturating_sub(usize::from(master));
    target.settings.insert("workers".to_string(), workers.to_string());
    target
}

/// Why it should run where it does not.
fn expected(view: &View) -> Option<String> {
    if let Some(evidence) = CONTAINERS.iter().find_map(|name| view.expected(UNITS, name)) {
        return Some(evidence);
    }
    let bundle = |name: &str| CONTAINERS.iter().any(|start| start.ends_with('-') && name.starts_with(start));
    if let Some(one) = view.containers.iter().find(|one| bundle(&one.name) && !one.running) {
        return Some(format!("{} container {} has stopped", one.engine, one.name));
    }
    let file = view.files.keys().find(|path| GENERATED.iter().any(|folder| path.starts_with(folder)))?;
    Some(format!("it is configured in {file}"))
}

fn target(view: &View, read: &[(&str, &str)], seen: bool, evidence: String) -> Target {
    let texts: Vec<_> = read.iter().map(|(_, text)| *text).collect();
    let config = config::parse(&texts.join("\n"));
    let mut settings = BTreeMap::new();
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        config.addresses.iter().cloned().partition(|address| match address.parse() {
            Ok(address) => view.addresses.contains(&address),
            Err(_) => true,
        });
    settings.insert("here".to_string(), here.join(" "));
    settings.insert("elsewhere".to_string(), elsewhere.join(" "));
    settings.insert("primaries".to_string(), Vec::from_iter(config.primaries.iter().cloned()).join(" "));
    if let Some(page) = &config.page {
        settings.insert("page".to_string(), format!("{} {}", page.address, page.uri));
        settings
            .insert("files".to_string(), read.iter().map(|(path, _)| *path).collect::<Vec<_>>().join(" "));
    }
    let place = config.sockets.first().map_or_else(
        || Place::Unix(PathBuf::from(SOCKETS.first().copied().unwrap_or_default())),
        |socket| match socket.rsplit_once(':') {
            Some((host, port)) if !socket.starts_with('/') => {
                Place::Tcp(reachable(host), port.parse().unwrap_or_default())
            }
            _ => Place::Unix(PathBuf::from(socket)),
        },
    );
    if config.sockets.is_empty() {
        settings.insert("guessed".to_string(), SOCKETS.join(" "));
    }
    let kind = Kind::Haproxy;
    Target { kind, host: view.host.clone(), place, port: None, seen, evidence, settings }
}

fn reachable(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if matches!(host, "" | "*" | "0.0.0.0") { "127.0.0.1".to_string() } else { host.to_string() }
}

/// Where its socket may be: as configured, the same below the process' root if it runs in a container,
/// the distributions' places.
fn candidates(target: &Target) -> Vec<Place> {
    let mut all = vec![target.place.clone()];
    if let (Place::Unix(path), Some(root)) = (&target.place, target.settings.get("root")) {
        all.push(Place::Unix(PathBuf::from(format!("{root}{}", path.display()))));
    }
    let guessed = target.settings.get("guessed").map_or("", String::as_str);
    all.extend(guessed.split_ascii_whitespace().skip(1).map(|path| Place::Unix(PathBuf::from(path))));
    all
}

async fn through_socket(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
    let mut trouble = None;
    for place in candidates(target) {
        match whole(&place, "show info\n", ask).await {
            Ok(answer) => {
                let info = facts::info(&answer)?;
                let rows = facts::stat(&whole(&place, "show stat\n", ask).await?)?;
                return Ok(Facts { info: Some(info), rows });
            }
            // The first trouble is the one to tell: that of the configured place.
            Err(other) => trouble = trouble.or(Some(other)),
        }
    }
    Err(match trouble {
        _ if target.settings.contains_key("unread") => Trouble::Denied(
            "it runs, but its configuration cannot be read, so its stats socket is not known: run this as root"
                .to_string(),
        ),
        _ if target.settings.contains_key("guessed") => {
            Trouble::Denied("its configuration has no stats socket and no page with statistics".to_string())
        }
        Some(Trouble::Down(cause)) if cause.contains("No such file") => Trouble::Denied(format!(
            "it runs, but its stats socket is not there ({cause}): is the folder mounted into its container?"
        )),
        Some(trouble) => trouble,
        None => Trouble::Denied("it has no stats socket".to_string()),
    })
}

async fn through_page(page: &str, target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
    let (address, uri) = page.split_once(' ').unwrap_or((page, "/"));
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
    let place = Place::Tcp(reachable(host), port.parse().unwrap_or_default());
    let login = match ask.credential(Kind::Haproxy) {
        Some(credential) => format!("{}:{}", credential.user, credential.password),
        None => configured_login(target, ask).await,
    };
    let answer = bytes(&place, &page::request(address, uri, &login), ask).await?;
    Ok(Facts { info: None, rows: facts::stat(&page::body(&answer)?)? })
}

/// The page's login out of the configuration: not kept with the target, which may travel between hosts.
async fn configured_login(target: &Target, ask: &Ask) -> String {
    let mut text = String::new();
    for file in target.settings.get("files").map_or("", String::as_str).split_ascii_whitespace() {
        if let Ok(bytes) = ask.read(Path::new(file)).await {
            text.push_str(&String::from_utf8_lossy(&bytes));
            text.push('\n');
        }
    }
    config::parse(&text).page.map(|page| page.login).unwrap_or_default()
}

async fn whole(place: &Place, question: &str, ask: &Ask) -> Result<String, Trouble> {
    Ok(String::from_utf8_lossy(&bytes(place, question, ask).await?).into_owned())
}

/// Sends a question and reads until the other side hangs up.
async fn bytes(place: &Place, question: &str, ask: &Ask) -> Result<Vec<u8>, Trouble> {
    let mut stream = ask.connect(place).await?;
    let trouble = |error| Trouble::from_io(&error, &format!("asking {place}"));
    stream.write_all(question.as_bytes()).await.map_err(trouble)?;
    read_to_end(&mut stream).await.map_err(trouble)
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}
