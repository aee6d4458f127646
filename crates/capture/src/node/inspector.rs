//! The inspector of a Node process that runs already: where it listens, and one expression evaluated in it.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::go::listeners;
use crate::http::{self, Limits, Trust, Url};
use crate::proc_files;
use crate::signals;

/// The port that SIGUSR1 opens, unless the command line names another.
const DEFAULT_PORT: u16 = 9229;
/// How long a Node process may take to open its inspector. A busy one does it all the same: another thread does.
const OPENING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
const LISTING: Limits = Limits { time: Duration::from_secs(1), bytes: 1 << 20 };
/// No message is larger: what is evaluated answers with a few words.
const LARGEST_MESSAGE: u64 = 16 << 20;
/// Any value will do: the answer to it is not checked, the server is one of this machine.
const HANDSHAKE_KEY: &str = "YnJpbWxpbmUgaW5zcGVjdA==";

/// Where a process's inspector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inspector {
    /// `ws://host:port/id`.
    pub(crate) url: String,
    /// Whether it was opened for this.
    pub(crate) opened: bool,
}

/// Why a process has no inspector to be used.
#[derive(Debug, thiserror::Error)]
pub enum InspectorError {
    /// SIGUSR1 is not caught: it would end the process.
    #[error("process {pid} has no inspector, and SIGUSR1 would end it: it was started with --disable-sigusr1")]
    NoSignal {
        /// The process.
        pid: u32,
    },
    /// Another program has the port that SIGUSR1 opens.
    #[error("process {pid} has no inspector, and the port {port} that SIGUSR1 opens is taken by another program")]
    PortTaken {
        /// The process.
        pid: u32,
        /// The port.
        port: u16,
    },
    /// The signal was sent and nothing listens.
    #[error("process {pid} got SIGUSR1 and opened no inspector within {} s: it has a handler of its own", OPENING.as_secs())]
    NotOpened {
        /// The process.
        pid: u32,
    },
    /// The connection or what came over it.
    #[error("inspector `{url}`: {reason}")]
    Failed {
        /// Its URL.
        url: String,
        /// What happened.
        reason: String,
    },
}

/// Whether a process is Node, by its executable.
pub fn is_node(pid: u32) -> bool {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    name == "node" || name == "nodejs"
}

/// The inspector of a process; opened by SIGUSR1 where there is none.
pub(crate) fn find_or_open(pid: u32) -> Result<Inspector, InspectorError> {
    if let Some(url) = find(pid) {
        return Ok(Inspector { url, opened: false });
    }
    if !proc_files::catches(pid, libc::SIGUSR1) {
        return Err(InspectorError::NoSignal { pid });
    }
    let port = port_of(&proc_files::command_line(pid).unwrap_or_default());
    if port != 0 && TcpStream::connect(("127.0.0.1", port)).is_ok() {
        return Err(InspectorError::PortTaken { pid, port });
    }
    signals::send(pid, libc::SIGUSR1);
    let start = Instant::now();
    while start.elapsed() < OPENING {
        if let Some(url) = find(pid) {
            return Ok(Inspector { url, opened: true });
        }
        std::thread::sleep(LOOK);
    }
    Err(InspectorError::NotOpened { pid })
}

/// The process on this machine whose inspector has this URL.
pub fn owner(url: &str) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_node(*pid)).find(|pid| find(*pid).is_some_and(|found| place(&found) == place(url)))
}

/// Port and path of an inspector's URL: hosts have several names.
fn place(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("ws://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some((host.rsplit_once(':')?.1, path))
}

/// The inspector among the sockets of a process.
fn find(pid: u32) -> Option<String> {
    listeners(pid).iter().filter_map(|listener| listener.url.as_deref()).find_map(|url| {
        let body = http::get(&Url::parse(url).ok()?, "/json/list", Trust::Roots, LISTING).ok()?;
        let list: Value = serde_json::from_slice(&body).ok()?;
        let found = list.get(0)?.get("webSocketDebuggerUrl")?.as_str()?;
        found.starts_with("ws://").then(|| found.to_owned())
    })
}

/// `--inspect-port` of a command line.
fn port_of(command: &[String]) -> u16 {
    let named = |word: &String| {
        let value = word.strip_prefix("--inspect-port=").or_else(|| word.strip_prefix("--debug-port="))?;
        value.rsplit(':').next()?.parse().ok()
    };
    command.iter().find_map(named).unwrap_or(DEFAULT_PORT)
}

/// What `expression` is, evaluated in the main context with Node's `require`.
pub(crate) fn evaluate(url: &str, expression: &str) -> Result<Value, InspectorError> {
    let failed = |reason: String| InspectorError::Failed { url: url.to_owned(), reason };
    let request = json!({
        "id": 1, "method": "Runtime.evaluate",
        "params": {"expression": expression, "includeCommandLineAPI": true, "returnByValue": true, "silent": true},
    });
    let answer = exchange(url, &request.to_string()).map_err(|error| failed(error.to_string()))?;
    let result = &answer["result"];
    let thrown = result["exceptionDetails"]["exception"]["description"].as_str();
    match thrown.or_else(|| answer["error"]["message"].as_str()) {
        Some(reason) => Err(failed(reason.lines().next().unwrap_or_default().to_owned())),
        None => Ok(result["result"]["value"].clone()),
    }
}

/// Sends one message and returns the answer to it. The protocol's other messages are passed over.
fn exchange(url: &str, message: &str) -> io::Result<Value> {
    let rest = url.strip_prefix("ws://").ok_or_else(|| io::Error::other("expected a URL that begins with ws://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {HANDSHAKE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let head = head(&mut reader)?;
    if !head.starts_with("HTTP/1.1 101") {
        return Err(io::Error::other(format!("expected a WebSocket, found `{}`", head.lines().next().unwrap_or(""))));
    }
    stream.write_all(&frame(TEXT, message.as_bytes()))?;
    loop {
        let (opcode, payload) = receive(&mut reader)?;
        match opcode {
            TEXT => {
                let answer: Value = serde_json::from_slice(&payload)?;
                if answer["id"] == 1 {
                    // Whoever does not read the farewell is gone already.
                    let _ = stream.write_all(&frame(CLOSE, &[]));
                    return Ok(answer);
                }
            }
            PING => stream.write_all(&frame(PONG, &payload))?,
            CLOSE => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
    }
}

fn head(reader: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > 16 << 10 {
            return Err(io::Error::other("expected the head of an answer, found 16 KiB without an end"));
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame of RFC 6455 from a client: whole, and masked with zeros, which the standard's reason for masks (proxies) allows
/// on a connection within one machine.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    // The high bits: the message's last frame, and that there is a mask.
    let mut frame = vec![0x80 + opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 + length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 + 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 + 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A message from the server, put together from its frames.
fn receive(reader: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let (mut kind, mut message) = (0, Vec::new());
    loop {
        let mut head = [0; 2];
        reader.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                reader.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                reader.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            length => u64::from(length),
        };
        if message.len() as u64 + length > LARGEST_MESSAGE {
            return Err(io::Error::other(format!("expected a message of at most {LARGEST_MESSAGE} bytes")));
        }
        let opcode = head[0] & 0x0f;
        let mut payload = vec![0; length as usize];
        reader.read_exact(&mut payload)?;
        if opcode >= CLOSE {
            // Control frames may stand between those of a message.
            return Ok((opcode, payload));
        }
        if opcode != 0 {
            kind = opcode;
        }
        message.extend(payload);
        if head[0] & 0x80 != 0 {
            return Ok((kind, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_back() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut frame = frame(TEXT, &payload);
            // A server does not mask.
            let mask = frame.len() - length - 4;
            frame.drain(mask..mask + 4);
            frame[1] &= 0x7f;
            assert_eq!(receive(&mut &frame[..]).unwrap(), (TEXT, payload));
        }
        assert!(receive(&mut &[0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0][..]).is_err(), "too large");
    }

    #[test]
    fn ports_and_places() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(port_of(&words("node app.js")), 9229);
        assert_eq!(port_of(&words("node --inspect-port=127.0.0.1:9300 app.js")), 9300);
        assert_eq!(place("ws://127.0.0.1:9229/a-b"), place("ws://localhost:9229/a-b"));
    }
}
