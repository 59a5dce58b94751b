//! Users: who may log in, with what password and what tags.

use std::io::BufRead;

use broker::access::PasswordHash;

use super::super::command::{BASE, Needs, Section, Spec, TIMEOUT};
use super::super::failure::{DATA, Failure, NO_USER, SOFTWARE};
use super::super::format::{Formatter, Output, Row};
use super::super::given::{Given, Misuse, NO_COLUMNS, between, no_words, one_word};
use super::super::protocol::{Listing, Refusal, Request, Secret};
use super::super::session::{Session, no_such_user, usual_words};
use super::super::term::Term;

const CREATED: &str = "Done. Don't forget to grant the user permissions to some virtual hosts! \
                       See 'rabbitmqctl help set_permissions' to learn more.";
const NO_PASSWORD: &str = "Password is not provided via argument or stdin";

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "add_user",
        section: Section::Users,
        description: "Creates a new user in the internal database. This user will have no permissions for any virtual hosts by default.",
        usage: "add_user <username> <password>",
        arguments: &[
            ("<username>", "Self-explanatory"),
            (
                "<password>",
                "Password this user will authenticate with. Use a blank string to disable password-based authentication.",
            ),
        ],
        guides: &["access-control"],
        check: |given| {
            between(given, 1, 2)?;
            match given.words.as_slice() {
                [name, _] if name.is_empty() => Err(Misuse::BadArgument("user cannot be an empty string")),
                _ => Ok(()),
            }
        },
        banner: |given| Some(format!("Adding user \"{}\" ...", given.word(0))),
        run: add_user,
        ..BASE
    },
    Spec {
        name: "delete_user",
        section: Section::Users,
        description: "Removes a user from the internal database. Has no effect on users provided by external backends such as LDAP",
        usage: "delete_user <username>",
        arguments: &[("<username>", "Name of the user to delete.")],
        guides: &["access-control"],
        check: one_word,
        banner: |given| Some(format!("Deleting user \"{}\" ...", given.word(0))),
        run: |session| {
            let name = session.given.word(0).to_string();
            change(session, &Request::DeleteUser { name })
        },
        ..BASE
    },
    Spec {
        name: "change_password",
        section: Section::Users,
        description: "Changes the user password",
        usage: "change_password <username> <password>",
        arguments: &[
            ("<username>", "Name of the user whose password should be changed"),
            ("<password>", "New password to set"),
        ],
        guides: &["access-control"],
        check: |given| between(given, 1, 2),
        banner: |given| Some(format!("Changing password for user \"{}\" ...", given.word(0))),
        run: |session| {
            let (name, password) = credentials(session, SOFTWARE)?;
            change(session, &Request::ChangePassword { name, password })
        },
        ..BASE
    },
    Spec {
        name: "clear_password",
        section: Section::Users,
        description: "Clears (resets) password and disables password login for a user",
        usage: "clear_password <username>",
        arguments: &[("<username>", "Name of the user whose password should be cleared")],
        guides: &["access-control"],
        check: one_word,
        banner: |given| Some(format!("Clearing password for user \"{}\" ...", given.word(0))),
        run: |session| {
            let name = session.given.word(0).to_string();
            session.ask(&Request::ClearPassword { name }).map(|_| Output::Done)
        },
        ..BASE
    },
    Spec {
        name: "authenticate_user",
        section: Section::Users,
        description: "Attempts to authenticate a user. Exits with a non-zero code if authentication fails.",
        usage: "authenticate_user <username> <password>",
        arguments: &[
            ("<username>", "Username to use"),
            ("<password>", "Password to use. Can be entered via stdin in interactive mode."),
        ],
        guides: &["access-control"],
        check: |given| between(given, 1, 2),
        banner: |given| Some(format!("Authenticating user \"{}\" ...", given.word(0))),
        run: authenticate,
        ..BASE
    },
    // Of RabbitMQ 4; its banner shows the password, ours does not.
    Spec {
        name: "hash_password",
        section: Section::Users,
        description: "Hashes a password as definitions files have it, and changes nothing",
        usage: "hash_password <cleartext_password>",
        arguments: &[("<cleartext_password>", "The password; read from standard input where none is given")],
        needs: Needs::Nothing,
        check: |given| {
            between(given, 0, 1)?;
            match given.words.as_slice() {
                [password] if password.is_empty() => {
                    Err(Misuse::BadArgument("password cannot be an empty string"))
                }
                _ => Ok(()),
            }
        },
        banner: |_| Some("Will hash provided password".to_string()),
        run: hash_password,
        ..BASE
    },
    Spec {
        name: "set_user_tags",
        section: Section::Users,
        description: "Sets user tags",
        usage: "set_user_tags <username> <tag> [...]",
        arguments: &[("<username>", "Self-explanatory"), ("<tags>", "Space separated list of tags")],
        guides: &["management", "access-control"],
        check: |given| between(given, 1, usize::MAX),
        banner: |given| {
            let tags = given.words.get(1..).unwrap_or_default().join(", ");
            Some(format!("Setting tags for user \"{}\" to [{tags}] ...", given.word(0)))
        },
        run: |session| {
            let name = session.given.word(0).to_string();
            let tags = session.given.words.get(1..).unwrap_or_default().to_vec();
            change(session, &Request::SetUserTags { name, tags })
        },
        ..BASE
    },
    Spec {
        name: "list_users",
        section: Section::Users,
        description: "List user names and tags",
        usage: "list_users [--no-table-headers]",
        guides: &["access-control"],
        switches: TIMEOUT,
        formatter: Formatter::Table,
        columns: NO_COLUMNS,
        check: no_words,
        banner: |_| Some("Listing users ...".to_string()),
        run: list_users,
        ..BASE
    },
];

fn add_user(session: &mut Session) -> Result<Output, Failure> {
    let (name, password) = credentials(session, DATA)?;
    match session.try_ask(&Request::AddUser { name, password })? {
        Ok(_) if session.given.options.text("formatter") == Some("json") => {
            Ok(Output::Value(Term::Map(vec![
                (Term::atom("message"), Term::text(CREATED)),
                (Term::atom("node"), Term::text(session.given.node.clone())),
                (Term::atom("status"), Term::text("ok")),
            ])))
        }
        Ok(_) if session.given.silent() => Ok(Output::Done),
        Ok(_) => Ok(Output::Said(CREATED.to_string())),
        Err(Refusal::UserExists(user)) => Err(session.worded(
            &format!("User {user} already exists"),
            Failure::error(SOFTWARE, format!("User \"{user}\" already exists")),
        )),
        Err(other) => Err(usual_words(&other)),
    }
}

fn authenticate(session: &mut Session) -> Result<Output, Failure> {
    let (name, password) = credentials(session, SOFTWARE)?;
    match session.try_ask(&Request::AuthenticateUser { name, password })? {
        Ok(_) => Ok(Output::Said("Success".to_string())),
        Err(Refusal::BadCredentials(user)) => Err(Failure::error(
            DATA,
            format!("Error: failed to authenticate user \"{user}\"\nuser '{user}' - invalid credentials"),
        )),
        Err(other) => Err(usual_words(&other)),
    }
}

fn list_users(session: &mut Session) -> Result<Output, Failure> {
    let columns = vec!["user".to_string(), "tags".to_string()];
    let request = Request::List { what: Listing::Users, vhost: String::new(), columns: columns.clone() };
    let answer = session.listing(&request)?;
    answer.end.map_err(|refusal| usual_words(&refusal))?;
    let rows: Vec<Row> =
        answer.rows.into_iter().map(|row| columns.iter().cloned().zip(row).collect()).collect();
    Ok(Output::Listed(rows))
}

fn hash_password(session: &mut Session) -> Result<Output, Failure> {
    let Secret(password) = password(&session.given, 0, DATA)?;
    let hash = PasswordHash::new(password.as_bytes())
        .map_err(|error| Failure::error(SOFTWARE, format!("cannot hash the password: {error}")))?;
    Ok(Output::Answered(Term::text(hash.to_base64())))
}

/// Sends a change to a user, who may not be there.
fn change(session: &mut Session, request: &Request) -> Result<Output, Failure> {
    match session.try_ask(request)? {
        Ok(_) => Ok(Output::Done),
        Err(Refusal::NoSuchUser(user)) => {
            Err(session.worded(&format!("User {user} does not exists"), no_such_user(&user)))
        }
        Err(other) => Err(usual_words(&other)),
    }
}

/// Name and password.
fn credentials(session: &Session, missing: u8) -> Result<(String, Secret), Failure> {
    Ok((session.given.word(0).to_string(), password(&session.given, 1, missing)?))
}

/// The password at `at`; one that is no argument is read from standard input.
fn password(given: &Given, at: usize, missing: u8) -> Result<Secret, Failure> {
    if let Some(password) = given.words.get(at) {
        return Ok(Secret(password.clone()));
    }
    if !given.silent() {
        super::super::print_line("Password: ")?;
    }
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(Failure::error(missing, NO_PASSWORD)),
        Ok(_) => Ok(Secret(line.trim().to_string())),
        Err(error) => Err(Failure::error(missing, format!("{NO_PASSWORD} ({error})"))),
    }
}

/// A user named in a permission command who is not there.
pub(super) fn unknown_user(session: &Session, user: &str) -> Failure {
    let text = format!("User {user} does not exist");
    session.worded(&text, Failure::error(NO_USER, &text))
}
