//! Where a node is reached: 16 bytes of IPv6 (IPv4 mapped) and a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::codec::{Malformed, Reader, Writer};
use super::size::ADDRESS;

/// An address in the one form that is compared, hashed and sent: an IPv4 address is always the mapped IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    ip: Ipv6Addr,
    port: u16,
}

impl Address {
    /// No address: all zeros on the wire.
    pub const NONE: Address = Address {
        ip: Ipv6Addr::UNSPECIFIED,
        port: 0,
    };

    pub fn read(r: &mut Reader<'_>) -> Result<Address, Malformed> {
        let ip: [u8; 16] = r.array("address")?;
        Ok(Address {
            ip: Ipv6Addr::from(ip),
            port: r.u16("port")?,
        })
    }

    pub fn write(&self, w: &mut Writer<'_>) {
        w.put(&self.ip.octets()).u16(self.port);
    }

    pub fn bytes(&self) -> [u8; ADDRESS] {
        let mut bytes = [0; ADDRESS];
        self.write(&mut Writer::new(&mut bytes));
        bytes
    }

    /// As the socket wants it: a mapped address becomes IPv4 again.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    pub fn ip(&self) -> IpAddr {
        self.ip.to_canonical()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The network it lies in, for "no two in one /16".
    pub fn network(&self) -> Network {
        match self.ip() {
            IpAddr::V4(v4) => {
                let o = v4.octets();
                Network([4, 0, 0, o[0], o[1]])
            }
            IpAddr::V6(v6) => {
                let o = v6.octets();
                Network([6, o[0], o[1], o[2], o[3]])
            }
        }
    }

    /// Whether a node with this reach may send there.
    pub fn is_allowed(&self, reach: Reach) -> bool {
        if self.port == 0 {
            return false;
        }
        match self.ip() {
            IpAddr::V4(ip) => {
                let never = ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_broadcast()
                    || ip.octets()[0] == 0;
                !never && (reach == Reach::Lan || (!is_local_v4(ip) && !is_reserved_v4(ip)))
            }
            IpAddr::V6(ip) => {
                let never = ip.is_unspecified() || ip.is_multicast();
                // Global unicast is 2000::/3; link-local needs a scope that 18 bytes do not carry.
                let global = ip.segments()[0] & 0xe000 == 0x2000;
                let lan = reach == Reach::Lan;
                !never && ((global && (lan || !is_reserved_v6(ip))) || (lan && is_local_v6(ip)))
            }
        }
    }

    /// A private, loopback or link-local address: reachable in LAN mode only.
    pub fn is_local(&self) -> bool {
        match self.ip() {
            IpAddr::V4(ip) => is_local_v4(ip),
            IpAddr::V6(ip) => is_local_v6(ip),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Address {
        let ip = match addr.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Address {
            ip,
            port: addr.port(),
        }
    }
}

/// An IPv4 /16 or an IPv6 /32: what one operator easily has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network([u8; 5]);

/// Which addresses a node talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public unicast addresses only, so that no stranger can aim this node at machines of its own network.
    Public,
    /// `--lan`: private and loopback ones too.
    Lan,
}

impl Reach {
    pub fn of(lan: bool) -> Reach {
        if lan { Reach::Lan } else { Reach::Public }
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    ip.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}

/// 240.0.0.0/4, those of protocols, of benchmarks and of documentation (RFC 6890), and the way into 6to4 (RFC 7526).
fn is_reserved_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    a >= 240
        || (a == 198 && b & 0xfe == 18)
        || matches!([a, b, c], [192, 0, 0] | [192, 88, 99])
        || ip.is_documentation()
}

/// Those of protocols, with Teredo (2001::/23), of documentation (2001:db8::/32, 3fff::/20), and 6to4 (2002::/16). Teredo and 6to4 hold
/// an IPv4 address that a tunnel would bring the cell to, and nobody here would have looked at it.
fn is_reserved_v6(ip: Ipv6Addr) -> bool {
    match (ip.segments()[0], ip.segments()[1]) {
        (0x2001, second) => second < 0x0200 || second == 0x0db8,
        (0x2002, _) => true,
        (0x3fff, second) => second < 0x1000,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::from(text.parse::<SocketAddr>().expect("a literal of this test"))
    }

    #[test]
    fn ipv4_and_its_mapped_form_are_one_address() {
        let plain = address("198.51.7.9:4000");
        let mapped = address("[::ffff:198.51.7.9]:4000");
        assert_eq!(plain, mapped);
        assert_eq!(
            mapped.socket(),
            "198.51.7.9:4000".parse().expect("a literal")
        );
        let mut r = Reader::new(&[0; 17]);
        assert!(Address::read(&mut r).is_err());
        assert_eq!(Address::read(&mut Reader::new(&plain.bytes())), Ok(plain));
    }

    #[test]
    fn nothing_is_ever_sent_to_port_zero_multicast_broadcast_or_nowhere() {
        for text in [
            "1.2.3.4:0",
            "224.0.0.1:9",
            "255.255.255.255:9",
            "0.0.0.0:9",
            "0.1.2.3:9",
            "[::]:9",
            "[ff02::1]:9",
        ] {
            assert!(!address(text).is_allowed(Reach::Lan), "{text}");
            assert!(!address(text).is_allowed(Reach::Public), "{text}");
        }
    }

    #[test]
    fn private_addresses_are_for_lan_mode_only() {
        for text in [
            "127.0.0.1:9",
            "10.1.2.3:9",
            "192.168.1.1:9",
            "172.16.0.1:9",
            "169.254.1.1:9",
            "100.64.0.1:9",
            "[::1]:9",
            "[fd00::1]:9",
        ] {
            assert!(address(text).is_allowed(Reach::Lan), "{text}");
            assert!(!address(text).is_allowed(Reach::Public), "{text}");
        }
        for text in [
            "9.9.9.9:9",
            "[2a00:1450::1]:9",
            "[2001:200::1]:9",
            "[2003::1]:9",
            "[3fff:1000::1]:9",
        ] {
            assert!(address(text).is_allowed(Reach::Public), "{text}");
        }
    }

    #[test]
    fn no_public_node_sends_where_nobody_lives_or_a_tunnel_leads_home() {
        for text in [
            "240.1.2.3:9",
            "198.19.0.1:9",
            "192.0.2.1:9",
            "198.51.100.1:9",
            "203.0.113.1:9",
            "192.0.0.8:9",
            "192.88.99.1:9",
            "[2001:db8::1]:9",
            "[3fff:fff::1]:9",
            "[2002:c0a8:101::1]:9",
            "[2001:0:c0a8:101::1]:9",
            "[64:ff9b::c0a8:101]:9",
            "[::c0a8:101]:9",
            "[4000::1]:9",
        ] {
            assert!(!address(text).is_allowed(Reach::Public), "{text}");
        }
        for home in ["[::ffff:192.168.1.1]:9", "[::ffff:127.0.0.1]:9"] {
            assert!(!address(home).is_allowed(Reach::Public), "{home}");
            assert!(address(home).is_allowed(Reach::Lan), "{home}");
        }
    }

    #[test]
    fn a_network_is_the_first_two_bytes_of_ipv4_and_the_first_four_of_ipv6() {
        assert_eq!(
            address("9.8.1.1:1").network(),
            address("9.8.200.3:7").network()
        );
        assert_ne!(
            address("9.8.1.1:1").network(),
            address("9.9.1.1:1").network()
        );
        assert_eq!(
            address("[2a00:1450:1::1]:1").network(),
            address("[2a00:1450:2::1]:1").network()
        );
        assert_ne!(
            address("[2a00:1450::1]:1").network(),
            address("[2a00:1451::1]:1").network()
        );
    }
}
