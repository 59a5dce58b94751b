//! What a `redis.conf` or `sentinel.conf` says that matters here.

/// The words of each line, comments left out; a word may stand in quotes.
fn lines(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .map(words)
        .filter(|line| !line.is_empty())
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let mut word = String::new();
        if first == '"' || first == '\'' {
            let mut characters = rest.char_indices().skip(1);
            let mut end = rest.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '\\' => word.extend(characters.next().map(|(_, escaped)| escaped)),
                    _ if character == first => {
                        end = at + 1;
                        break;
                    }
                    _ => word.push(character),
                }
            }
            rest = rest.get(end..).unwrap_or_default();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            word.push_str(rest.get(..end).unwrap_or_default());
            rest = rest.get(end..).unwrap_or_default();
        }
        words.push(word);
        rest = rest.trim_start();
    }
    words
}

/// One configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Whether it is a Sentinel's: it monitors something.
    pub(super) sentinel: bool,
    /// The port; 0 for none.
    pub(super) port: u16,
    /// The port for TLS, if any.
    pub(super) tls_port: Option<u16>,
    /// The addresses it listens on, all if empty.
    pub(super) bind: Vec<String>,
    /// The Unix socket.
    pub(super) socket: Option<String>,
    /// Passwords that may let us in, the likeliest first: user (empty for the default one) and password.
    pub(super) passwords: Vec<(String, String)>,
}

impl Config {
    /// Reads a file's text; `None` if nothing in it is Redis'.
    pub(super) fn parse(text: &str) -> Option<Config> {
        let mut config = Config::default();
        let (mut port, mut known) = (None, false);
        let (mut own, mut others, mut user) = (Vec::new(), Vec::new(), String::new());
        for line in lines(text) {
            let mut words = line.iter().map(String::as_str);
            let name = words.next().unwrap_or_default().to_ascii_lowercase();
            let rest: Vec<&str> = words.collect();
            known |= KNOWN.contains(&name.as_str());
            match (name.as_str(), rest.as_slice()) {
                ("port", [number]) => port = number.parse().ok(),
                ("tls-port", [number]) => config.tls_port = number.parse().ok().filter(|port| *port > 0),
                ("bind", addresses) => {
                    config.bind =
                        addresses.iter().map(|one| one.trim_start_matches('-').to_string()).collect();
                }
                ("unixsocket", [path]) => config.socket = Some((*path).to_string()),
                ("requirepass", [password]) => own.push((String::new(), (*password).to_string())),
                ("masterauth", [password]) => others.push((*password).to_string()),
                ("masteruser", [name]) => user = (*name).to_string(),
                ("sentinel", ["monitor", ..]) => config.sentinel = true,
                ("sentinel", ["auth-pass", _, password]) => others.push((*password).to_string()),
                ("sentinel", ["auth-user", _, name]) => user = (*name).to_string(),
                _ => {}
            }
        }
        own.extend(others.into_iter().map(|password| (user.clone(), password)));
        own.retain(|(_, password)| !password.is_empty());
        config.passwords = own;
        config.port = port.unwrap_or(if config.sentinel { super::SENTINEL_PORT } else { super::PORT });
        (known || config.sentinel).then_some(config)
    }
}

/// Names by which a redis.conf is told from another file.
const KNOWN: &[&str] = &["port", "dir", "save", "appendonly", "replicaof", "slaveof", "dbfilename"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_servers_file_is_read() {
        let text = "# port 1\nbind 127.0.0.1 -::1\nport 6390\nrequirepass \"a \\\"b\"\nmasterauth 'c d'\nmasteruser repl\nunixsocket /run/r.sock\n";
        let config = Config::parse(text).unwrap();
        assert_eq!((config.port, config.sentinel), (6390, false));
        assert_eq!(config.bind, ["127.0.0.1", "::1"]);
        let pair = |user: &str, password: &str| (user.to_string(), password.to_string());
        assert_eq!(config.passwords, [pair("", "a \"b"), pair("repl", "c d")]);
        assert_eq!(config.socket.as_deref(), Some("/run/r.sock"));
    }

    #[test]
    fn a_sentinels_file_is_read_as_it_rewrites_it_itself() {
        let text = "dir \"/x\"\nsentinel monitor main 10.0.0.1 6379 2\nsentinel auth-pass main secret\nuser default on nopass ~* +@all\n";
        let config = Config::parse(text).unwrap();
        assert_eq!((config.port, config.sentinel), (26379, true));
        assert_eq!(config.passwords, [(String::new(), "secret".to_string())]);
        assert_eq!(Config::parse("[mysqld]\nuser=mysql\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = Config::parse(&text);
            let _ = Config::parse(&format!("bind {text}\nrequirepass \"{text}"));
        }
    }
}
