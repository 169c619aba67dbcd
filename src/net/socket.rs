//! The one UDP socket of a node.
//!
//! 512 bytes and their headers fit every IPv4 and IPv6 link (576, 1280), so nothing has to be probed, and nothing is ever cut into
//! fragments: the system is told so. No address is shared with another process: a second node on the same port is a mistake, not a wish.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::platform;

/// A bound socket on its way to the wire task; nobody else sends on it.
pub type Bound = std::net::UdpSocket;

/// Kernel buffer each way: 2 000 cells, a tenth of a second of all links of a busy node while it is not scheduled.
const BUFFER: usize = 1 << 20;

/// Opens and binds the socket, non-blocking. `[::]` takes both families where the host has both; 0.0.0.0 is tried in its place where
/// the host has no IPv6.
pub fn bind(listen: SocketAddr) -> io::Result<std::net::UdpSocket> {
    match open(listen) {
        Err(error) if listen.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_ipv6(&error) => {
            open(SocketAddr::from(([0, 0, 0, 0], listen.port())))
        }
        opened => opened,
    }
}

/// The host was built or started without IPv6.
fn no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable
    ) || error.raw_os_error() == Some(platform::NO_SUCH_FAMILY)
}

fn open(listen: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(listen),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if listen.is_ipv6() {
        socket.set_only_v6(listen.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    // A smaller buffer is a slower node, not a broken one: the kernel caps it where the administrator says so.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    // Where the system does not know the option, 512 bytes are whole on every usual path all the same.
    let _ = platform::never_fragment(&socket);
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    Ok(socket.into())
}

/// The own address towards the internet, as the routing table has it; nothing is sent. `None` without a route.
pub fn way_out() -> Option<IpAddr> {
    // An address for documentation (RFC 5737): connecting a UDP socket only asks the routing table.
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket
        .connect((std::net::Ipv4Addr::new(203, 0, 113, 1), 9))
        .ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// The address as the machines know it: an IPv4 address never wears IPv6 clothes.
pub fn plain(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip().to_canonical(), from.port())
}

/// The address as this socket can send to it; `None` if it cannot (an IPv6 address and an IPv4 socket).
pub fn dressed(to: SocketAddr, socket_is_ipv6: bool) -> Option<SocketAddr> {
    match (to, socket_is_ipv6) {
        (SocketAddr::V4(v4), true) => Some(SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))),
        (SocketAddr::V6(_), false) => None,
        _ => Some(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_goes_through_a_dual_socket_and_comes_back_plain() {
        let v4: SocketAddr = "192.0.2.7:9".parse().expect("written here");
        let v6: SocketAddr = "[2001:db8::1]:9".parse().expect("written here");
        let mapped = dressed(v4, true).expect("mapped");
        assert!(mapped.is_ipv6());
        assert_eq!(plain(mapped), v4);
        assert_eq!(dressed(v4, false), Some(v4));
        assert_eq!(dressed(v6, false), None);
        assert_eq!(plain(v6), v6);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_datagram_of_ours_is_cut_into_fragments() {
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, ip_mtu_discover, ipv6_mtu_discover,
        };
        for (ip, ipv6) in [("127.0.0.1", false), ("::1", true), ("::", true)] {
            let ip: IpAddr = ip.parse().expect("written here");
            let Ok(socket) = open(SocketAddr::new(ip, 0)) else {
                assert!(ipv6, "loopback is there; IPv6 need not be");
                continue;
            };
            assert_eq!(ip_mtu_discover(&socket), Ok(Ipv4PathMtuDiscovery::PROBE));
            if ipv6 {
                assert_eq!(ipv6_mtu_discover(&socket), Ok(Ipv6PathMtuDiscovery::PROBE));
            }
        }
    }

    #[test]
    fn two_sockets_never_share_a_port() {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback");
        let taken = first.local_addr().expect("bound");
        assert_eq!(
            bind(taken).expect_err("the port is taken").kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
