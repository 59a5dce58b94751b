//! Permissions: what a user may configure, write and read in a vhost.

use super::super::command::{BASE, Section, Spec, TIMEOUT};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::{Formatter, Output, Row};
use super::super::given::{between, no_words, one_word};
use super::super::protocol::{Refusal, Request};
use super::super::session::{Session, usual_words};

use super::users::unknown_user;

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "set_permissions",
        section: Section::Access,
        description: "Sets user permissions for a vhost",
        usage: "set_permissions [--vhost <vhost>] <username> <conf> <write> <read>",
        arguments: &[
            ("<username>", "Self-explanatory"),
            ("<conf>", "Configuration permission pattern"),
            ("<write>", "Write permission pattern"),
            ("<read>", "Read permission pattern"),
        ],
        guides: &["access-control", "virtual-hosts"],
        check: |given| between(given, 4, 4),
        banner: |given| {
            Some(format!(
                "Setting permissions for user \"{}\" in vhost \"{}\" ...",
                given.word(0),
                given.vhost()
            ))
        },
        run: |session| {
            let given = &session.given;
            let request = Request::SetPermissions {
                user: given.word(0).to_string(),
                vhost: given.vhost().to_string(),
                configure: given.word(1).to_string(),
                write: given.word(2).to_string(),
                read: given.word(3).to_string(),
            };
            change(session, &request)
        },
        ..BASE
    },
    Spec {
        name: "clear_permissions",
        section: Section::Access,
        description: "Revokes user permissions for a vhost",
        usage: "clear_permissions [--vhost <vhost>] <username>",
        arguments: &[("<username>", "Name of the user whose permissions should be revoked")],
        guides: &["access-control"],
        check: one_word,
        banner: |given| {
            Some(format!(
                "Clearing permissions for user \"{}\" in vhost \"{}\" ...",
                given.word(0),
                given.vhost()
            ))
        },
        run: |session| {
            let (user, vhost) = (session.given.word(0).to_string(), session.given.vhost().to_string());
            change(session, &Request::ClearPermissions { user, vhost })
        },
        ..BASE
    },
    Spec {
        name: "list_permissions",
        section: Section::Access,
        description: "Lists user permissions in a virtual host",
        usage: "list_permissions [--vhost <vhost>] [--no-table-headers]",
        guides: &["access-control", "virtual-hosts"],
        switches: TIMEOUT,
        formatter: Formatter::Table,
        check: no_words,
        banner: |given| Some(format!("Listing permissions for vhost \"{}\" ...", given.vhost())),
        run: |session| {
            let vhost = Some(session.given.vhost().to_string());
            list(session, &Request::ListPermissions { vhost, user: None }, "user")
        },
        ..BASE
    },
    Spec {
        name: "list_user_permissions",
        section: Section::Access,
        description: "Lists permissions of a user across all virtual hosts",
        usage: "list_user_permissions [--no-table-headers] <username>",
        arguments: &[("<username>", "Name of the user")],
        guides: &["access-control", "virtual-hosts"],
        switches: TIMEOUT,
        formatter: Formatter::Table,
        check: one_word,
        banner: |given| Some(format!("Listing permissions for user \"{}\" ...", given.word(0))),
        run: |session| {
            let user = Some(session.given.word(0).to_string());
            list(session, &Request::ListPermissions { vhost: None, user }, "vhost")
        },
        ..BASE
    },
];

fn change(session: &mut Session, request: &Request) -> Result<Output, Failure> {
    match session.try_ask(request)? {
        Ok(_) => Ok(Output::Done),
        Err(Refusal::NoSuchUser(user)) => Err(unknown_user(session, &user)),
        Err(Refusal::NoSuchVhost(vhost)) => {
            let text = format!("Virtual host {vhost} does not exist");
            Err(session.worded(&text, Failure::error(UNAVAILABLE, &text)))
        }
        Err(other) => Err(usual_words(&other)),
    }
}

fn list(session: &mut Session, request: &Request, first: &str) -> Result<Output, Failure> {
    let answer = session.listing(request)?;
    answer.end.map_err(|refusal| usual_words(&refusal))?;
    let names = [first, "configure", "write", "read"];
    let named = |row: Vec<_>| -> Row { names.iter().map(|name| (*name).to_string()).zip(row).collect() };
    Ok(Output::Listed(answer.rows.into_iter().map(named).collect()))
}
