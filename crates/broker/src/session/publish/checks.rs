//! What the broker reads of a message's properties, and what it refuses.

use std::borrow::Cow;

use amqp::properties::Properties;
use amqp::table::{RawTable, ValueRef};
use smallvec::SmallVec;

use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::vhost::replies::REPLY_TO;

/// Longest time to live, in milliseconds: ten years of 365 days.
pub(crate) const LONGEST_TTL: u64 = 315_360_000_000;

/// The properties that concern the broker.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) persistent: bool,
    pub(super) priority: u8,
    pub(super) ttl_ms: Option<u64>,
    /// Further routing keys: the headers CC and BCC.
    pub(super) more_keys: SmallVec<[Vec<u8>; 2]>,
    /// The properties as consumers get them, where that is not as they came.
    pub(super) rewritten: Option<Vec<u8>>,
}

impl Session {
    pub(super) fn check_properties(&mut self, number: u16, properties: &Properties<'_>) -> Outcome<Checked> {
        let mut checked = Checked { priority: properties.priority.unwrap_or(0), ..Checked::default() };
        if let Some(user) = properties.user_id {
            self.check_user_id(user)?;
        }
        checked.ttl_ms = properties.expiration.map(expiration).transpose()?;
        checked.persistent = match properties.delivery_mode {
            None | Some(1) => false,
            Some(2) => true,
            Some(mode) => {
                let what = format!("invalid message: {{delivery_mode_unknown,{mode}}}");
                return Err(Failure::precondition(what));
            }
        };
        if let Some(headers) = properties.headers_raw.filter(|raw| !raw.is_empty()) {
            sender_selected(headers, properties, &mut checked)?;
        }
        if properties.reply_to == Some(REPLY_TO.as_bytes()) {
            let address = self.reply_address(number)?;
            let mut rewritten = Vec::new();
            Properties { reply_to: Some(address.as_bytes()), ..*properties }.encode(&mut rewritten);
            checked.rewritten = Some(rewritten);
        }
        Ok(checked)
    }

    fn check_user_id(&self, claimed: &[u8]) -> Outcome {
        let may_claim = |tags: &[String]| tags.iter().any(|tag| tag == "impersonator");
        let identity = self.card.identity.get();
        if claimed == self.user().as_bytes() || identity.is_some_and(|i| may_claim(&i.tags)) {
            return Ok(());
        }
        let (claimed, user) = (String::from_utf8_lossy(claimed), self.user());
        let what = format!("user_id property set to '{claimed}' but authenticated user was '{user}'");
        Err(Failure::precondition(what))
    }
}

/// Reads CC and BCC. BCC is not for the consumers to see.
fn sender_selected(raw: &[u8], properties: &Properties<'_>, checked: &mut Checked) -> Outcome {
    let headers = RawTable::parse(raw)
        .map_err(|_| Failure::connection(amqp::reply::INTERNAL_ERROR, "malformed headers table"))?;
    for name in ["CC", "BCC"] {
        let Some(value) = headers.get(name) else { continue };
        let refused = |kind: &str| {
            let what = format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{kind}}}");
            Failure::precondition(what)
        };
        let keys = value.as_array().ok_or_else(|| refused(value.type_name()))?;
        // What is no text among them names no queue.
        checked.more_keys.extend(keys.iter().filter_map(|key| match key {
            ValueRef::LongStr(key) => Some(key.to_vec()),
            _ => None,
        }));
    }
    if headers.get("BCC").is_some() {
        let mut visible = headers.to_owned();
        visible.remove("BCC");
        let encoded = visible.to_bytes();
        let mut rewritten = Vec::new();
        Properties { headers_raw: Some(&encoded), ..*properties }.encode(&mut rewritten);
        checked.rewritten = Some(rewritten);
    }
    Ok(())
}

/// The `expiration` property: digits, at most ten years. The texts are RabbitMQ's, Erlang terms and all.
fn expiration(bytes: &[u8]) -> Outcome<u64> {
    let text = String::from_utf8_lossy(bytes);
    let refused = |why: &str| Failure::precondition(format_args!("invalid expiration '{text}': {why}"));
    // Erlang breaks a term over two lines where it would reach beyond the 80th column.
    let column = "invalid expiration '': ".len() + text.chars().count();
    let pair = |tag: &str, value: &str| {
        let is_long = column + tag.len() + value.len() + "{,}".len() > 80;
        let gap = if is_long { format!("\n{:1$}", "", column + 1) } else { String::new() };
        format!("{{{tag},{gap}{value}}}")
    };
    let (sign, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1, bytes),
    };
    let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, leftover) = digits.split_at(len);
    if number.is_empty() {
        return Err(refused("no_integer"));
    }
    if !leftover.is_empty() {
        return Err(refused(&pair("leftover_string", &format!("\"{}\"", String::from_utf8_lossy(leftover)))));
    }
    let number: Cow<'_, str> = String::from_utf8_lossy(number);
    let number = number.trim_start_matches('0');
    match number.parse::<u64>() {
        _ if number.is_empty() => Ok(0),
        _ if sign < 0 => Err(refused(&pair("value_negative", &format!("-{number}")))),
        Ok(value) if value <= LONGEST_TTL => Ok(value),
        _ => Err(refused(&pair("value_too_large", number))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations_are_read_as_rabbitmq_reads_them() {
        for (text, value) in [("0", 0), ("+5", 5), ("0060000", 60_000), ("315360000000", LONGEST_TTL)] {
            assert_eq!(expiration(text.as_bytes()), Ok(value));
        }
        for (text, why) in [
            ("abc", "no_integer"),
            ("", "no_integer"),
            (" 10", "no_integer"),
            ("10 ", "{leftover_string,\" \"}"),
            ("-1", "{value_negative,-1}"),
            ("315360000001", "{value_too_large,315360000001}"),
            (
                "99999999999999999999",
                "{value_too_large,\n                                            99999999999999999999}",
            ),
        ] {
            let failure = expiration(text.as_bytes()).unwrap_err();
            assert_eq!(failure.text, format!("PRECONDITION_FAILED - invalid expiration '{text}': {why}"));
        }
    }
}
