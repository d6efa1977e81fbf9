//! Whom a request comes from: found once, at the door, and an extension of the request from there on.
use super::{forwarded, listener::Peer, origin::Asked};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use ioc_model::share::Network;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// What is believed of a request's way here.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Proxies whose word counts.
    pub proxies: Arc<[Network]>,
    /// Everything comes through a proxy that speaks HTTPS, whatever the headers say.
    pub behind_tls: bool,
    /// Length of the IPv6 prefix that counts as one network, in bits.
    pub ipv6_prefix: u8,
}

/// The client behind a request.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address, also behind a proxy.
    pub address: IpAddr,
    /// What counts as its address in shares.
    pub network: Network,
    /// It speaks HTTPS, with us or with a proxy.
    pub https: bool,
    /// As what it asked for us.
    pub asked: Asked,
    /// Its connection, or the proxy's.
    pub peer: Peer,
}

/// Finds the client and notes it in the request.
pub async fn find(State(trust): State<Trust>, mut request: Request, next: Next) -> Response {
    let nobody = || Peer::detached(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(nobody);
    let origin = forwarded::origin(peer.address.ip(), request.headers(), &trust.proxies);
    let https = peer.tls || trust.behind_tls || origin.https == Some(true);
    let is_known = https || origin.https.is_some() || !origin.is_proxied;
    let client = Client {
        address: origin.address,
        network: Network::of(origin.address, trust.ipv6_prefix),
        https,
        asked: Asked { https: is_known.then_some(https), hosts: origin.hosts, ports: origin.ports },
        peer,
    };
    request.extensions_mut().insert(client);
    next.run(request).await
}
