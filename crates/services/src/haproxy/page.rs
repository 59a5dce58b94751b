//! The page with statistics: the way in where the stats socket is not ours to open.

use crate::answer::Trouble;

/// The request for the page as CSV; `login` is NAME:PASSWORD.
pub(super) fn request(host: &str, uri: &str, login: &str) -> String {
    let authorization = match login {
        "" => String::new(),
        login => format!("Authorization: Basic {}\r\n", basic(login)),
    };
    format!("GET {uri};csv HTTP/1.0\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n")
}

/// The body of a whole answer.
///
/// # Errors
/// When the page wants another login, or the answer is no such page.
pub(super) fn body(answer: &[u8]) -> Result<String, Trouble> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(Trouble::Broken(format!("{} bytes that are no HTTP", answer.len())));
    };
    let status = head.lines().next().unwrap_or_default();
    match status.split_ascii_whitespace().nth(1) {
        Some("200") => {}
        Some("401" | "403") => {
            return Err(Trouble::Denied(format!("its page with statistics answers '{status}'")));
        }
        _ => return Err(Trouble::Broken(format!("its page with statistics answers '{status}'"))),
    }
    let chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.contains("chunked")
    });
    Ok(if chunked { unchunk(body) } else { body.to_string() })
}

/// The chunks of a body in one piece, as far as they go.
fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let digits = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(digits, 16) else { break };
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        let Some(after) = rest.get(size..).and_then(|after| after.strip_prefix("\r\n")) else { break };
        body = after;
    }
    whole
}

/// The header's form of a name and password.
fn basic(login: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, login)
}
