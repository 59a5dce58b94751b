//! What RabbitMQ's configuration says of addresses and of the other nodes, in its three forms: the new one
//! (`listeners.tcp.1 = 10.0.0.1:5672`), Erlang's terms (`{tcp_listeners, [{"10.0.0.1", 5672}]}`), and the
//! environment (`NODE_IP_ADDRESS=10.0.0.1`), which deployment tools still mix.

use std::collections::BTreeSet;

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Where clients are taken: address (empty for all) and port.
    pub(super) plain: Vec<(String, u16)>,
    /// The same with TLS.
    pub(super) tls: Vec<(String, u16)>,
    /// The management's port.
    pub(super) management: Option<u16>,
    /// The nodes that the cluster is formed of.
    pub(super) nodes: BTreeSet<String>,
}

/// Reads a configuration, or several one after the other.
pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::default();
    let (mut host, mut port) = (None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '%'])) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']));
        match key.trim_start_matches("export ").trim_start_matches("RABBITMQ_") {
            "NODE_IP_ADDRESS" => host = Some(value.to_string()),
            "NODE_PORT" => port = value.parse().ok(),
            "management.tcp.port" | "management.ssl.port" | "management.listener.port" => {
                config.management = value.parse().ok();
            }
            key if key.starts_with("listeners.tcp.") => config.plain.extend(address(value)),
            key if key.starts_with("listeners.ssl.") => config.tls.extend(address(value)),
            key if key.starts_with("cluster_formation.classic_config.nodes.") => {
                config.nodes.insert(value.to_string());
            }
            _ => {}
        }
    }
    config.plain.extend(listeners(text, "tcp_listeners"));
    config.tls.extend(listeners(text, "ssl_listeners"));
    if let Some(list) = behind(text, "cluster_nodes") {
        let quoted = list.split('\'').skip(1).step_by(2);
        config.nodes.extend(quoted.filter(|name| name.contains('@')).map(ToString::to_string));
    }
    if config.plain.is_empty() && (host.is_some() || port.is_some()) {
        config.plain.push((host.unwrap_or_default(), port.unwrap_or(super::PORT)));
    }
    config
}

/// "5672", "10.0.0.1:5672", "\[::1\]:5672", ":::5672"; "none" is none.
fn address(value: &str) -> Option<(String, u16)> {
    let (host, port) = value.rsplit_once(':').unwrap_or(("", value));
    Some((host.trim_matches(['[', ']']).to_string(), port.trim().parse().ok()?))
}

/// The addresses of a list of Erlang's terms: numbers, or pairs of text and number.
fn listeners(text: &str, key: &str) -> Vec<(String, u16)> {
    let Some(list) = behind(text, key) else { return Vec::new() };
    let mut found = Vec::new();
    let mut host = String::new();
    for word in list.split(['{', '}', ',', ' ', '\n', '\t']).filter(|word| !word.is_empty()) {
        if let Some(quoted) = word.strip_prefix('"') {
            host = quoted.trim_end_matches('"').to_string();
        } else if let Ok(port) = word.parse() {
            found.push((std::mem::take(&mut host), port));
        }
    }
    found
}

/// What stands in the brackets behind a key of Erlang's terms, comments left out.
fn behind(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(|line| line.split('%').next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let (_, rest) = text.split_once(&format!("{{{key}"))?;
    let (_, list) = rest.split_once('[')?;
    Some(list.split(']').next().unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> (String, u16) {
        (host.to_string(), port)
    }

    #[test]
    fn the_new_form_is_read() {
        let config = parse(
            "# x\nlisteners.tcp.1 = 10.77.0.11:5672\nlisteners.ssl.default=5671\nmanagement.tcp.port = 15673\n\
             cluster_formation.classic_config.nodes.1 = rabbit@controller-0\nlisteners.tcp.2 = none\n",
        );
        assert_eq!(config.plain, [at("10.77.0.11", 5672)]);
        assert_eq!(config.tls, [at("", 5671)]);
        assert_eq!(config.management, Some(15673));
        assert_eq!(config.nodes, BTreeSet::from(["rabbit@controller-0".to_string()]));
    }

    #[test]
    fn erlangs_terms_and_the_environment_are_read() {
        let config = parse(
            "% This file managed by Puppet\n[\n  {rabbit, [\n    {tcp_listen_options, [binary]},\n    \
             {cluster_nodes, {['rabbit@c0', 'rabbit@c1'], disc}},\n    {tcp_listeners, [{\"172.17.0.5\", 5672}]},\n    \
             {ssl_listeners, [5671]}\n  ]}\n].\n",
        );
        assert_eq!(config.plain, [at("172.17.0.5", 5672)]);
        assert_eq!(config.tls, [at("", 5671)]);
        assert_eq!(config.nodes.len(), 2);
        let config =
            parse("NODENAME=rabbit@c0\nexport RABBITMQ_NODE_IP_ADDRESS=\"172.17.0.5\"\nNODE_PORT=5673\n");
        assert_eq!(config.plain, [at("172.17.0.5", 5673)]);
        assert_eq!(parse("#NODE_PORT=5673\n%{tcp_listeners, [1]}\n"), Config::default());
        assert_eq!(parse("listeners.tcp.1 = [fd00::1]:5672").plain, [at("fd00::1", 5672)]);
    }
}
