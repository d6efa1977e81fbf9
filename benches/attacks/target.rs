//! What an attack is, and what it is given.
use ioc_benches::{
    Outcome,
    fleet::{self, Device},
    ioc::Ioc,
    load::Client,
    mqtt,
};
use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::atomic::AtomicBool,
    time::Duration,
};

/// How long the server may leave an attacker without an answer that it waits for.
pub(crate) const ANSWER: Duration = Duration::from_millis(250);

/// One attack: runs until it is told to stop and says in a word what it got through.
pub(crate) struct Attack {
    /// A line's name.
    pub(crate) name: &'static str,
    /// The attacker.
    pub(crate) run: fn(&Target, &AtomicBool) -> Outcome<String>,
}

/// A running server, and what an attacker may own.
pub(crate) struct Target<'a> {
    /// The server.
    pub(crate) ioc: &'a Ioc,
    /// A noise meter.
    pub(crate) device: Device,
    /// Its sign-in.
    pub(crate) client: Client,
}

impl<'a> Target<'a> {
    /// Registers the attacker's device.
    pub(crate) fn new(ioc: &'a Ioc) -> Outcome<Self> {
        let device = fleet::devices(17).remove(16);
        let client = ioc.register(std::slice::from_ref(&device))?.remove(0);
        Ok(Self { ioc, device, client })
    }

    /// Signs in as the attacker's device.
    pub(crate) fn sign_in(&self) -> Outcome<TcpStream> {
        sign_in(self.ioc.mqtt, &self.client)
    }
}

/// Signs in; reads wait [`ANSWER`] at most from then on.
pub(crate) fn sign_in(broker: SocketAddr, client: &Client) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(broker)?;
    stream.set_nodelay(true)?;
    let login = client.password.as_deref().map(|password| (client.user.as_str(), password));
    stream.write_all(&mqtt::connect(&client.id, login, 0))?;
    mqtt::read_connack(&mut stream)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    Ok(stream)
}
