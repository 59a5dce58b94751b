//! Class exchange: declare, delete, bind, unbind. The order of checks is RabbitMQ's.

use std::sync::Arc;

use amqp::method::{Method, exchange as class};
use amqp::reply;
use amqp::table::{FieldTable, Value};

use super::Session;
use super::rights::Kind;
use crate::access::Right;
use crate::error::{Failure, Outcome};
use crate::exchange::routing::check_x_match;
use crate::exchange::{Destination, Exchange, ExchangeKind};
use crate::vhost::declare::{BindingRequest, ExchangeRequest};

impl Session {
    pub(super) fn exchange_declare(&mut self, number: u16, declare: &class::Declare<'_>) -> Outcome {
        let name = without_line_ends(declare.exchange);
        let vhost = Arc::clone(self.vhost()?);
        if declare.passive {
            not_default(&name)?;
            let end = vhost.exchange(&name)?.logged_up_to();
            self.promise(number, declare.no_wait, &Method::ExchangeDeclareOk, end);
            return Ok(());
        }
        let kind = ExchangeKind::from_name(declare.exchange_type).ok_or_else(|| {
            let what = format!("unknown exchange type '{}'", declare.exchange_type);
            Failure::precondition(what)
        })?;
        not_default(&name)?;
        self.check(Right::Configure, Kind::Exchange, &name)?;
        let arguments = declare.arguments.to_owned();
        let request = ExchangeRequest {
            name: &name,
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            arguments: arguments.clone(),
        };
        let exchange = match vhost.find_exchange(&name) {
            Some(existing) => existing,
            None => {
                if name.starts_with("amq.") {
                    let what = format!("exchange name '{name}' contains reserved prefix 'amq.*'");
                    return Err(Failure::refused(what));
                }
                self.check_alternate(&name, &arguments)?;
                vhost.create_exchange(request)?
            }
        };
        equivalent(&exchange, declare, kind, &arguments, &vhost.name)?;
        self.promise(number, declare.no_wait, &Method::ExchangeDeclareOk, exchange.logged_up_to());
        Ok(())
    }

    /// An alternate exchange has to be a name, and one this user may publish to (and read the exchange itself).
    fn check_alternate(&mut self, name: &str, arguments: &FieldTable) -> Outcome {
        let Some(value) = arguments.get("alternate-exchange") else { return Ok(()) };
        let Some(alternate) = value.as_str().map(str::to_owned) else {
            let (kind, vhost) = (value.type_name(), &self.vhost()?.name);
            let what = format!(
                "invalid type '{kind}' for arg 'alternate-exchange' in exchange '{name}' in vhost '{vhost}'"
            );
            return Err(Failure::precondition(what));
        };
        self.check(Right::Read, Kind::Exchange, name)?;
        self.check(Right::Write, Kind::Exchange, &alternate)
    }

    pub(super) fn exchange_delete(&mut self, number: u16, delete: &class::Delete<'_>) -> Outcome {
        let name = without_line_ends(delete.exchange);
        let vhost = Arc::clone(self.vhost()?);
        not_default(&name)?;
        if name.starts_with("amq.") {
            let what = format!("deletion of system exchange '{name}' in vhost '{}' not allowed", vhost.name);
            return Err(Failure::refused(what));
        }
        self.check(Right::Configure, Kind::Exchange, &name)?;
        let exchange = vhost.find_exchange(&name);
        if let Some(exchange) = &exchange
            && !vhost.delete_exchange(exchange, delete.if_unused)
        {
            let what = format!("exchange '{name}' in vhost '{}' in use", vhost.name);
            return Err(Failure::precondition(what));
        }
        let end =
            if exchange.is_none_or(|exchange| exchange.durable) { vhost.store().said_up_to() } else { 0 };
        self.promise(number, delete.no_wait, &Method::ExchangeDeleteOk, end);
        Ok(())
    }

    pub(super) fn exchange_bind(&mut self, number: u16, bind: &class::Bind<'_>) -> Outcome {
        let arguments = bind.arguments.to_owned();
        self.check_exchange_binding(bind.source, bind.destination)?;
        let vhost = Arc::clone(self.vhost()?);
        let source = vhost.exchange(bind.source)?;
        let destination = Destination::Exchange(vhost.exchange(bind.destination)?);
        check_headers(&source, &arguments)?;
        let request = BindingRequest { source: bind.source, destination, key: bind.routing_key, arguments };
        let end = vhost.bind(&request)?;
        self.promise(number, bind.no_wait, &Method::ExchangeBindOk, end);
        Ok(())
    }

    pub(super) fn exchange_unbind(&mut self, number: u16, unbind: &class::Unbind<'_>) -> Outcome {
        let arguments = unbind.arguments.to_owned();
        self.check_exchange_binding(unbind.source, unbind.destination)?;
        let vhost = Arc::clone(self.vhost()?);
        let mut end = vhost.store().said_up_to();
        if let (Some(_), Some(destination)) =
            (vhost.find_exchange(unbind.source), vhost.find_exchange(unbind.destination))
        {
            let destination = Destination::Exchange(destination);
            let key = unbind.routing_key;
            end = vhost.unbind(&BindingRequest { source: unbind.source, destination, key, arguments })?;
        }
        self.promise(number, unbind.no_wait, &Method::ExchangeUnbindOk, end);
        Ok(())
    }

    fn check_exchange_binding(&mut self, source: &str, destination: &str) -> Outcome {
        not_default(destination)?;
        not_default(source)?;
        self.check(Right::Write, Kind::Exchange, destination)?;
        self.check(Right::Read, Kind::Exchange, source)
    }
}

/// Bindings to a headers exchange say in `x-match` what has to match.
pub(super) fn check_headers(source: &Exchange, arguments: &FieldTable) -> Outcome {
    if source.kind != ExchangeKind::Headers {
        return Ok(());
    }
    check_x_match(arguments).map_err(Failure::precondition)
}

/// The default exchange cannot be declared, deleted or bound.
pub(super) fn not_default(name: &str) -> Outcome {
    if name.is_empty() {
        return Err(Failure::refused("operation not permitted on the default exchange"));
    }
    Ok(())
}

/// RabbitMQ takes CR and LF out of names in declarations.
pub(super) fn without_line_ends(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains(['\r', '\n']) { name.replace(['\r', '\n'], "").into() } else { name.into() }
}

fn equivalent(
    exchange: &Exchange,
    declare: &class::Declare<'_>,
    kind: ExchangeKind,
    arguments: &FieldTable,
    vhost: &str,
) -> Outcome {
    let differ = |what: &str, received: &str, current: &str| {
        let name = &exchange.name;
        Err(Failure::channel(
            reply::PRECONDITION_FAILED,
            format_args!(
                "inequivalent arg '{what}' for exchange '{name}' in vhost '{vhost}': received {received} but current is {current}"
            ),
        ))
    };
    if kind != exchange.kind {
        return differ("type", &format!("'{}'", kind.name()), &format!("'{}'", exchange.kind.name()));
    }
    let flags = [
        ("durable", declare.durable, exchange.durable),
        ("auto_delete", declare.auto_delete, exchange.auto_delete),
        ("internal", declare.internal, exchange.internal),
    ];
    for (what, received, current) in flags {
        if received != current {
            return differ(what, &format!("'{received}'"), &format!("'{current}'"));
        }
    }
    let key = "alternate-exchange";
    let (received, current) = (arguments.get(key), exchange.arguments.get(key));
    match (received, current) {
        (None, None) => Ok(()),
        (Some(received), Some(current)) if received == current => Ok(()),
        (Some(received), Some(current)) => differ(key, &bare(received), &bare(current)),
        _ => differ(key, &described(received), &described(current)),
    }
}

/// A value where both sides have one.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{value:?}"), |text| format!("'{text}'"))
}

/// A value where the other side has none.
fn described(value: Option<&Value>) -> String {
    let Some(value) = value else { return "none".to_owned() };
    let text = value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned);
    format!("the value '{text}' of type '{}'", value.type_name())
}
