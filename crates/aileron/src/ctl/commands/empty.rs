//! Listings of what cannot be set here yet: policies, parameters, limits, topic permissions. Deployment tools ask for
//! them and go by an empty answer; `lacking` says of the commands that would set them that they are not there.

use super::super::command::{BASE, Section, Spec, TIMEOUT};
use super::super::failure::Failure;
use super::super::format::{Formatter, Output};
use super::super::given::{no_words, one_word};
use super::super::options::Kind;
use super::super::protocol::Request;
use super::super::session::{Session, usual_words};

/// What they have in common: of a vhost that has to be there.
const OF_VHOST: Spec =
    Spec { formatter: Formatter::Table, switches: TIMEOUT, check: no_words, run: none_in_vhost, ..BASE };

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        name: "list_policies",
        section: Section::Policies,
        description: "Lists all policies in a virtual host",
        usage: "list_policies [--vhost <vhost>] [--no-table-headers]",
        guides: &["parameters"],
        banner: |given| Some(format!("Listing policies for vhost \"{}\" ...", given.vhost())),
        ..OF_VHOST
    },
    Spec {
        name: "list_operator_policies",
        section: Section::Policies,
        description: "Lists operator policy overrides for a virtual host",
        usage: "list_operator_policies [--vhost <vhost>] [--no-table-headers]",
        guides: &["parameters"],
        banner: |given| {
            Some(format!("Listing operator policy overrides for vhost \"{}\" ...", given.vhost()))
        },
        ..OF_VHOST
    },
    Spec {
        name: "list_parameters",
        section: Section::Parameters,
        description: "Lists runtime parameters for a virtual host",
        usage: "list_parameters [--vhost <vhost>] [--no-table-headers]",
        guides: &["parameters"],
        banner: |given| Some(format!("Listing runtime parameters for vhost \"{}\" ...", given.vhost())),
        ..OF_VHOST
    },
    Spec {
        name: "list_global_parameters",
        section: Section::Parameters,
        description: "Lists global runtime parameters",
        usage: "list_global_parameters [--no-table-headers]",
        guides: &["parameters"],
        banner: |_| Some("Listing global runtime parameters ...".to_string()),
        run: |_| Ok(Output::Listed(Vec::new())),
        ..OF_VHOST
    },
    Spec {
        name: "list_topic_permissions",
        section: Section::Access,
        description: "Lists topic permissions in a virtual host",
        usage: "list_topic_permissions [--vhost <vhost>] [--no-table-headers]",
        guides: &["access-control"],
        banner: |given| Some(format!("Listing topic permissions for vhost \"{}\" ...", given.vhost())),
        ..OF_VHOST
    },
    Spec {
        name: "list_user_topic_permissions",
        section: Section::Access,
        description: "Lists user topic permissions",
        usage: "list_user_topic_permissions [--no-table-headers] <username>",
        arguments: &[("<username>", "Name of the user")],
        guides: &["access-control"],
        check: one_word,
        banner: |given| Some(format!("Listing topic permissions for user \"{}\" ...", given.word(0))),
        run: |session| {
            let user = session.given.word(0).to_string();
            is_user(session, user).map(|()| Output::Listed(Vec::new()))
        },
        ..OF_VHOST
    },
    Spec {
        name: "list_vhost_limits",
        section: Section::Vhosts,
        description: "Displays configured virtual host limits",
        usage: "list_vhost_limits [--vhost <vhost>] [--global] [--no-table-headers]",
        arguments: &[("--global", "list global limits (those not associated with a virtual host)")],
        guides: &["virtual-hosts"],
        switches: &[("global", Kind::Flag)],
        banner: |given| {
            Some(match given.options.flag("global") {
                true => "Listing limits for all vhosts ...".to_string(),
                false => format!("Listing limits for vhost \"{}\" ...", given.vhost()),
            })
        },
        ..OF_VHOST
    },
    Spec {
        name: "list_user_limits",
        section: Section::Users,
        description: "Displays configured user limits",
        usage: "list_user_limits [--user <username>] [--global]",
        arguments: &[("--global", "list limits for all the users")],
        guides: &["access-control"],
        switches: &[("global", Kind::Flag), ("user", Kind::Text)],
        banner: |given| {
            Some(match given.options.flag("global") {
                true => "Listing limits for all users ...".to_string(),
                false => {
                    format!(
                        "Listing limits for user \"{}\" ...",
                        given.options.text("user").unwrap_or("guest")
                    )
                }
            })
        },
        run: |session| {
            if session.given.options.flag("global") {
                return Ok(Output::Listed(Vec::new()));
            }
            let user = session.given.options.text("user").unwrap_or("guest").to_string();
            is_user(session, user).map(|()| Output::Said("{}".to_string()))
        },
        ..OF_VHOST
    },
];

fn none_in_vhost(session: &mut Session) -> Result<Output, Failure> {
    if !session.given.options.flag("global") {
        let vhost = Some(session.given.vhost().to_string());
        let answer = session.listing(&Request::ListPermissions { vhost, user: None })?;
        answer.end.map_err(|refusal| usual_words(&refusal))?;
    }
    Ok(Output::Listed(Vec::new()))
}

fn is_user(session: &mut Session, user: String) -> Result<(), Failure> {
    let request = Request::ListPermissions { vhost: None, user: Some(user) };
    session.listing(&request)?.end.map(drop).map_err(|refusal| usual_words(&refusal))
}
