//! A client of the live stream.
use super::http::Client;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

/// How long a message that should come may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What the server sent.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// JSON text.
    Json(Value),
    /// A state frame.
    Binary(Vec<u8>),
    /// Nothing within the time.
    Nothing,
    /// The connection ended.
    Closed,
}

/// A connection of the live stream.
pub(crate) struct Ws {
    runtime: Runtime,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The first message.
    pub(crate) hello: Value,
}

impl Ws {
    /// Opens the stream as `client`.
    #[track_caller]
    pub(crate) fn open(client: &Client) -> Self {
        Self::try_open(client, &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens the stream with headers of its own.
    ///
    /// Errors: what the handshake said, or no server.
    pub(crate) fn try_open(
        client: &Client,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Box<tungstenite::Error>> {
        let mut request = format!("ws://{}/api/v1/stream", client.addr()).into_client_request()?;
        let own = client.auth();
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in headers.iter().copied().chain(own) {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        Self::handshake(request)
    }

    /// Opens the stream with a token in the address, as the wall does.
    pub(crate) fn with_token(client: &Client, token: &str) -> Result<Self, Box<tungstenite::Error>> {
        Self::handshake(format!("ws://{}/api/v1/stream?token={token}", client.addr()).into_client_request()?)
    }

    fn handshake(request: tungstenite::handshake::client::Request) -> Result<Self, Box<tungstenite::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (socket, _) = runtime.block_on(connect_async(request))?;
        let mut stream = Self { runtime, socket, hello: Value::Null };
        match stream.next(TIMEOUT) {
            Said::Json(hello) if hello["type"] == "hello" => stream.hello = hello,
            Said::Closed => return Err(Box::new(tungstenite::Error::ConnectionClosed)),
            other => panic!("the first message is not hello: {other:?}"),
        }
        Ok(stream)
    }

    /// Sends JSON.
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    /// Sends any text.
    pub(crate) fn send_text(&mut self, message: &str) {
        self.runtime.block_on(self.socket.send(Message::text(message))).unwrap();
    }

    /// Sends text; says whether that was possible.
    pub(crate) fn try_send_text(&mut self, message: &str) -> bool {
        self.runtime.block_on(self.socket.send(Message::text(message))).is_ok()
    }

    /// Sends a ping; says whether that was possible.
    pub(crate) fn try_ping(&mut self) -> bool {
        self.runtime.block_on(self.socket.send(Message::Ping(Vec::new().into()))).is_ok()
    }

    /// Waits for the end; returns the code and the reason that the server gave.
    #[track_caller]
    pub(crate) fn close_reason(&mut self) -> (u16, String) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let socket = &mut self.socket;
            let message = self.runtime.block_on(async { timeout(left, socket.next()).await });
            match message {
                Ok(Some(Ok(Message::Close(Some(frame))))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Ok(Some(Ok(_))) => {}
                other => panic!("the stream ended without a reason: {other:?}"),
            }
        }
    }

    /// Subscribes to alerts after a sequence number.
    pub(crate) fn follow_alerts(&mut self, after: u64) {
        self.send(&json!({ "type": "subscribe", "channels": ["alerts"], "after": after }));
    }

    /// Waits for the next message.
    pub(crate) fn next(&mut self, limit: Duration) -> Said {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let socket = &mut self.socket;
            let message = self.runtime.block_on(async { timeout(left, socket.next()).await });
            match message {
                Err(_) => return Said::Nothing,
                Ok(Some(Ok(Message::Text(text)))) => return Said::Json(serde_json::from_str(&text).unwrap()),
                Ok(Some(Ok(Message::Binary(bytes)))) => return Said::Binary(bytes.to_vec()),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Said::Closed,
                Ok(Some(Ok(_))) => {}
            }
        }
    }

    /// Waits for a JSON message that `wanted` picks; passes over all others.
    #[track_caller]
    pub(crate) fn find<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        loop {
            match self.next(deadline.saturating_duration_since(Instant::now())) {
                Said::Json(message) => {
                    if let Some(found) = wanted(&message) {
                        return found;
                    }
                }
                Said::Binary(_) => {}
                other => panic!("no {what}: {other:?}"),
            }
        }
    }

    /// Waits for a message of this type.
    #[track_caller]
    pub(crate) fn of_type(&mut self, kind: &str) -> Value {
        self.find(TIMEOUT, kind, |message| (message["type"] == kind).then(|| message.clone()))
    }

    /// Waits for this transition of an alert of this rule.
    #[track_caller]
    pub(crate) fn transition(&mut self, rule: &str, transition: &str) -> Value {
        let what = format!("{transition} of {rule}");
        self.find(TIMEOUT, &what, |message| {
            let is = message["type"] == "alert"
                && message["alert"]["rule"] == rule
                && message["transition"] == transition;
            is.then(|| message.clone())
        })
    }
}
