//! `x-match`: how many of a headers binding's conditions must hold.

use amqp::table::{FieldTable, Value};

/// The four modes, as two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum XMatch {
    All,
    Any,
    AllWithX,
    AnyWithX,
}

impl XMatch {
    /// The mode of a binding; `all` when it says nothing (or what [`check_x_match`] would refuse).
    pub(super) fn of(arguments: &FieldTable) -> XMatch {
        arguments.get("x-match").and_then(XMatch::read).unwrap_or(XMatch::All)
    }

    pub(super) fn all(self) -> bool {
        matches!(self, XMatch::All | XMatch::AllWithX)
    }

    pub(super) fn with_x(self) -> bool {
        matches!(self, XMatch::AllWithX | XMatch::AnyWithX)
    }

    fn read(value: &Value) -> Option<XMatch> {
        let Value::LongStr(bytes) = value else { return None };
        Some(match bytes.as_slice() {
            b"all" => XMatch::All,
            b"any" => XMatch::Any,
            b"all-with-x" => XMatch::AllWithX,
            b"any-with-x" => XMatch::AnyWithX,
            _ => return None,
        })
    }
}

/// A binding's `x-match` is none of the four words. Shown in RabbitMQ's text, which goes behind
/// `PRECONDITION_FAILED - ` and ends the channel.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct InvalidXMatch {
    text: String,
}

/// Checks the arguments of a binding to a headers exchange, before it is added.
///
/// # Errors
/// [`InvalidXMatch`] with the text for the client.
pub(crate) fn check_x_match(arguments: &FieldTable) -> Result<(), InvalidXMatch> {
    let Some(value) = arguments.get("x-match") else { return Ok(()) };
    if XMatch::read(value).is_some() {
        return Ok(());
    }
    let shown = term(value);
    let text = match value {
        Value::LongStr(_) => {
            format!("Invalid x-match field value {shown}; expected all, any, all-with-x, or any-with-x")
        }
        _ => format!("Invalid x-match field type {} (value {shown}); expected longstr", value.type_name()),
    };
    Err(InvalidXMatch { text })
}

/// The value as Erlang prints it.
fn term(value: &Value) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    match value {
        Value::LongStr(bytes) | Value::Bytes(bytes) => binary(bytes),
        Value::Bool(value) => value.to_string(),
        Value::F32(value) => format!("{:?}", f64::from(*value)),
        Value::F64(value) => format!("{value:?}"),
        Value::Decimal { scale, value } => format!("{{{scale},{value}}}"),
        Value::Timestamp(seconds) => seconds.to_string(),
        Value::Void => "undefined".to_owned(),
        Value::Array(items) => {
            list(items.iter().map(|item| format!("{{{},{}}}", item.type_name(), term(item))).collect())
        }
        Value::Table(table) => {
            let entry = |(name, value): (&str, &Value)| {
                format!("{{{},{},{}}}", binary(name.as_bytes()), value.type_name(), term(value))
            };
            list(table.iter().map(entry).collect())
        }
        number => number.as_int().map_or_else(String::new, |number| number.to_string()),
    }
}

fn binary(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok("") => "<<>>".to_owned(),
        Ok(text) if text.chars().all(|c| !c.is_control() && c.is_ascii()) => {
            format!("<<\"{}\">>", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Ok(text) if text.chars().all(|c| !c.is_control()) => format!("<<\"{text}\"/utf8>>"),
        _ => {
            let codes: Vec<String> = bytes.iter().map(u8::to_string).collect();
            format!("<<{}>>", codes.join(","))
        }
    }
}
