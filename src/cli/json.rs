//! The JSON lines of `headless`: commands in, events out. Bytes and values only, no pipe.
//!
//! ```text
//! in   {"cmd":"add","tag":1,"id":"px1…","name":"Bob","text":"hi"}   accept{id} decline{id} block{id} remove{id} rename{id,name}
//!      send{to,text,allow:"no-fs"?}  messages{with,before?,limit?}  read{with,msg}  list  status  policy{id,policy}  quit
//! out  ready{id,name}  reply{tag?,ok,msg?,contacts?,messages?,older?,status?,network?}  error{tag?,code,text,position?}
//!      network{state,links,circuits,nodes,entries:[{ticket,verdict}]}  request{id,name,text}  contact{id,name,state,…}  removed{id}
//!      message{msg,from,to,text,secrecy,delivery,time}  delivery{msg,id,delivery,secrecy}  question{msg,id,reason}  notice{text}
//! ```
//!
//! A `tag` may be any JSON value; the reply or error to the command carries it back, numbers digit by digit. Fields that nobody knows are
//! ignored. A `position` counts characters from 0: in the line if it is no JSON, otherwise in the field that `text` speaks of.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::crypto::id::AccountId;
use crate::messenger::Command;
use crate::messenger::persistence::MAX_PAGE;
use crate::messenger::view::{ContactState, ContactView, Delivery, MessageView, Policy};
use crate::node::person::NetworkInfo;
use crate::wire::time::UnixMs;

/// Longest line of input in bytes. A text of 4 000 bytes, every one of them escaped, fits twice.
pub const MAX_LINE: usize = 64 * 1024;
/// Messages of one reply to `messages` if the command does not say.
const PAGE: usize = 100;

/// A command as it was meant. Ids are read by the messenger, which says where a mistake is.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Chat(Command),
    Quit,
}

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub text: String,
    pub position: Option<usize>,
}

/// One line of input.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub tag: Option<Value>,
    pub request: Result<Request, Refusal>,
}

fn refuse<T>(code: &'static str, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        text: text.into(),
        position: None,
    })
}

/// Reads one line without its line break.
pub fn parse(line: &[u8]) -> Line {
    if line.len() > MAX_LINE {
        return too_long();
    }
    match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(fields)) => Line {
            tag: fields.get("tag").cloned(),
            request: command(&fields),
        },
        Ok(_) => Line {
            tag: None,
            request: refuse(
                "bad-json",
                "a command is one JSON object on a line, such as {\"cmd\":\"list\"}",
            ),
        },
        Err(error) => Line {
            tag: None,
            request: Err(not_json(line, &error)),
        },
    }
}

fn not_json(line: &[u8], error: &serde_json::Error) -> Refusal {
    // The parser counts bytes from 1 and says so behind its words.
    let bytes = match error.is_eof() {
        true => line.len(),
        false => error.column().saturating_sub(1).min(line.len()),
    };
    let position = String::from_utf8_lossy(&line[..bytes]).chars().count();
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    Refusal {
        code: "bad-json",
        text: format!(
            "this is not JSON ({words}, at character {}); a command is one JSON object on a line, such as {{\"cmd\":\"list\"}}",
            position + 1
        ),
        position: Some(position),
    }
}

/// What stands for a line that was too long to be kept.
pub fn too_long() -> Line {
    Line {
        tag: None,
        request: refuse(
            "too-long",
            "a line has at most 64 kB; send the text in parts",
        ),
    }
}

fn command(fields: &Map<String, Value>) -> Result<Request, Refusal> {
    let own = |field| text(fields, field).map(str::to_owned);
    Ok(Request::Chat(match text(fields, "cmd")? {
        "add" => Command::Add {
            id: own("id")?,
            name: own("name")?,
            text: optional_text(fields, "text")?
                .unwrap_or_default()
                .to_owned(),
        },
        "accept" => Command::Accept { id: own("id")? },
        "decline" => Command::Decline { id: own("id")? },
        "block" => Command::Block { id: own("id")? },
        "remove" => Command::Remove { id: own("id")? },
        "rename" => Command::Rename {
            id: own("id")?,
            name: own("name")?,
        },
        "send" => Command::Send {
            to: own("to")?,
            text: own("text")?,
            allow_no_fs: match optional_text(fields, "allow")? {
                None => false,
                Some("no-fs") => true,
                Some(_) => return refuse("bad-field", "\"allow\" can only be \"no-fs\""),
            },
        },
        "messages" => Command::Messages {
            with: own("with")?,
            before: number(fields, "before")?,
            limit: number(fields, "limit")?.map_or(PAGE, |limit| {
                usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_PAGE)
            }),
        },
        "read" => Command::Read {
            with: own("with")?,
            up_to: number(fields, "msg")?.ok_or_else(|| missing("msg"))?,
        },
        "list" => Command::List,
        "status" => Command::Status,
        "policy" => Command::Policy {
            id: own("id")?,
            policy: match text(fields, "policy")? {
                "ask" => Policy::Ask,
                "wait" => Policy::Wait,
                "fs-only" => Policy::ForwardSecretOnly,
                _ => {
                    return refuse(
                        "bad-field",
                        "\"policy\" is \"ask\", \"wait\" or \"fs-only\"",
                    );
                }
            },
        },
        "quit" => return Ok(Request::Quit),
        _ => {
            return refuse(
                "unknown-command",
                "\"cmd\" is one of add, accept, decline, block, remove, rename, send, messages, read, list, status, policy, quit",
            );
        }
    }))
}

fn missing(field: &str) -> Refusal {
    Refusal {
        code: "bad-field",
        text: format!("the command needs \"{field}\""),
        position: None,
    }
}

fn optional_text<'a>(
    fields: &'a Map<String, Value>,
    field: &str,
) -> Result<Option<&'a str>, Refusal> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => refuse("bad-field", format!("\"{field}\" must be a string")),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, field: &str) -> Result<&'a str, Refusal> {
    optional_text(fields, field)?.ok_or_else(|| missing(field))
}

fn number(fields: &Map<String, Value>, field: &str) -> Result<Option<u64>, Refusal> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => refuse("bad-field", format!("\"{field}\" must be a whole number")),
        },
    }
}

/// One line of output.
#[derive(Serialize, Debug)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Out {
    Ready {
        id: String,
        name: String,
    },
    Reply(Reply),
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<Value>,
        code: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<usize>,
    },
    Network(Network),
    Request {
        id: String,
        name: String,
        text: String,
    },
    Contact(Contact),
    Removed {
        id: String,
    },
    Message(Message),
    Delivery {
        msg: u64,
        id: String,
        delivery: &'static str,
        secrecy: u8,
    },
    Question {
        msg: u64,
        id: String,
        reason: String,
    },
    Notice {
        text: String,
    },
}

/// The answer to a command that was carried out.
#[derive(Serialize, Debug, Default)]
pub struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Value>,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts: Option<Vec<Contact>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    /// There are messages before the first of `messages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
}

#[derive(Serialize, Debug)]
pub struct Status {
    pub id: String,
    pub name: String,
    pub contacts: u32,
    pub requests: u32,
    pub queued: u32,
    pub unread: u32,
}

#[derive(Serialize, Debug, Clone, PartialEq)]
pub struct Network {
    /// "offline", "joining" or "online".
    pub state: &'static str,
    pub links: usize,
    pub circuits: usize,
    pub nodes: usize,
    pub entries: Vec<Entry>,
}

#[derive(Serialize, Debug, Clone, PartialEq)]
pub struct Entry {
    pub ticket: String,
    pub verdict: &'static str,
}

#[derive(Serialize, Debug)]
pub struct Contact {
    pub id: String,
    pub name: String,
    pub state: &'static str,
    pub policy: &'static str,
    pub session: bool,
    pub reachable: bool,
    pub unread: u32,
    pub queued: u32,
}

#[derive(Serialize, Debug)]
pub struct Message {
    pub msg: u64,
    pub from: String,
    pub to: String,
    pub text: String,
    pub secrecy: u8,
    pub delivery: &'static str,
    pub time: String,
}

impl Out {
    /// The line, without its line break.
    pub fn line(&self) -> String {
        serde_json::to_string(self)
            .expect("strings, numbers and lists of them always have a JSON text")
    }

    pub fn refusal(tag: Option<Value>, refusal: Refusal) -> Out {
        Out::Error {
            tag,
            code: refusal.code.to_owned(),
            text: refusal.text,
            position: refusal.position,
        }
    }
}

impl Network {
    pub fn of(info: &NetworkInfo, entries: Vec<Entry>) -> Network {
        let links = info
            .links
            .iter()
            .filter(|row| row.purpose == "link" && row.state == "up")
            .count();
        let circuits = info
            .circuits
            .iter()
            .filter(|row| row.state == "ready")
            .count();
        let state = match (info.online, links) {
            (true, _) => "online",
            (false, 0) => "offline",
            (false, _) => "joining",
        };
        Network {
            state,
            links,
            circuits,
            nodes: info.estimated_nodes,
            entries,
        }
    }
}

impl Contact {
    pub fn of(view: &ContactView) -> Contact {
        Contact {
            id: view.id.to_string(),
            name: view.name.clone(),
            state: match view.state {
                ContactState::Asked => "asked",
                ContactState::Asking => "asking",
                ContactState::Accepted => "accepted",
                ContactState::Declined => "declined",
                ContactState::Blocked => "blocked",
            },
            policy: match view.policy {
                Policy::Ask => "ask",
                Policy::Wait => "wait",
                Policy::ForwardSecretOnly => "fs-only",
            },
            session: view.session,
            reachable: view.reachable,
            unread: view.unread,
            queued: view.queued,
        }
    }
}

impl Message {
    /// `own` is the profile's AccountID.
    pub fn of(view: &MessageView, own: &AccountId) -> Message {
        let (from, to) = if view.mine {
            (own, &view.contact)
        } else {
            (&view.contact, own)
        };
        Message {
            msg: view.number,
            from: from.to_string(),
            to: to.to_string(),
            text: view.text.clone(),
            secrecy: view.secrecy.level(),
            delivery: delivery(view.delivery),
            time: utc(view.time),
        }
    }
}

pub fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Queued => "queued",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Failed => "failed",
        Delivery::Expired => "expired",
    }
}

/// RFC 3339 with milliseconds: `2026-11-21T21:58:07.042Z`.
pub fn utc(time: UnixMs) -> String {
    let (days, ms) = (time.0 / 86_400_000, time.0 % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar, by counting eras of 400 years that begin on a 1 March.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const TO_1970: u64 = 719_468;
    let shifted = days.saturating_add(TO_1970);
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> Refusal {
        parse(line.as_bytes()).request.expect_err("not a command")
    }

    #[test]
    fn whatever_a_script_writes_gets_an_answer_with_a_code() {
        let cases = [
            ("", "bad-json"),
            ("{", "bad-json"),
            ("[1]", "bad-json"),
            ("\u{feff}{}", "bad-json"),
            ("{}", "bad-field"),
            (r#"{"cmd":7}"#, "bad-field"),
            (r#"{"cmd":"dance"}"#, "unknown-command"),
            (r#"{"cmd":"send","text":"x"}"#, "bad-field"),
            (r#"{"cmd":"accept","id":["px1"]}"#, "bad-field"),
        ];
        for (line, code) in cases {
            assert_eq!(refused(line).code, code, "{line}");
        }
        assert_eq!(
            parse(&vec![b' '; MAX_LINE + 1])
                .request
                .expect_err("too long")
                .code,
            "too-long"
        );
        assert_eq!(
            parse(&[b'"', 0xff, b'"'])
                .request
                .expect_err("not UTF-8")
                .code,
            "bad-json"
        );
        let deep = "[".repeat(MAX_LINE);
        assert_eq!(refused(&deep).code, "bad-json");
    }

    #[test]
    fn a_tag_of_any_kind_comes_back_also_with_an_error() {
        let line = parse(br#"{"cmd":"dance","tag":{"a":[1,null]}}"#);
        let refusal = line.request.expect_err("unknown");
        let out = Out::refusal(line.tag, refusal).line();
        let value: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value["tag"], serde_json::json!({"a": [1, null]}));
        assert_eq!(value["event"], "error");
        assert!(value.get("position").is_none());
        assert_eq!(
            parse(br#"{"cmd":"quit","tag":"x"}"#).request,
            Ok(Request::Quit)
        );
    }

    #[test]
    fn a_number_as_a_tag_comes_back_digit_by_digit() {
        for tag in [
            "18446744073709551617",
            "1.50",
            "-0",
            "6.02e+23",
            "[1e-2,0.1]",
        ] {
            let line = parse(format!(r#"{{"cmd":"list","tag":{tag}}}"#).as_bytes());
            let out = Out::Reply(Reply {
                tag: line.tag,
                ok: true,
                ..Reply::default()
            });
            assert!(
                out.line().contains(&format!(r#""tag":{tag},"#)),
                "{}",
                out.line()
            );
        }
    }

    #[test]
    fn the_place_where_json_ends_is_counted_in_characters_from_0() {
        for (line, position) in [("{]", 1), (r#"{"cmd":"ä€",}"#, 12), ("", 0), ("{\"a\":", 5)] {
            let refusal = refused(line);
            assert_eq!(refusal.position, Some(position), "{line}: {}", refusal.text);
            assert!(
                refusal
                    .text
                    .contains(&format!("at character {}", position + 1))
            );
            assert!(!refusal.text.contains("line 1"), "{}", refusal.text);
        }
    }

    #[test]
    fn a_text_never_breaks_a_line() {
        let out = Out::Notice {
            text: "a\nb\r\u{2028}\u{85}\"".to_owned(),
        }
        .line();
        assert!(!out.contains(['\n', '\r']));
        let value: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value["text"], "a\nb\r\u{2028}\u{85}\"");
    }

    #[test]
    fn times_are_utc_as_rfc_3339_writes_them() {
        assert_eq!(utc(UnixMs(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(UnixMs(951_782_400_000)), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc(UnixMs(1_795_341_487_042)), "2026-11-22T09:58:07.042Z");
        assert_eq!(utc(UnixMs(4_107_542_399_999)), "2100-02-28T23:59:59.999Z");
        assert_eq!(utc(UnixMs(4_107_542_400_000)), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_network_without_links_is_offline() {
        let network = Network::of(&NetworkInfo::default(), Vec::new());
        assert_eq!(
            (network.state, network.links, network.circuits),
            ("offline", 0, 0)
        );
    }
}
