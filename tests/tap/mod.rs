//! Eve on the loopback interface: a packet socket that sees every IPv4 packet, as a sniffer does. It needs the right to (CAP_NET_RAW).

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// AF_PACKET, SOCK_RAW and ETH_P_IP of Linux; with the last, a packet on loopback is seen once, when it comes in.
const PACKET: i32 = 17;
const RAW: i32 = 3;
const IPV4: u16 = 0x0800;
const ETHERNET: usize = 14;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
/// Four megabytes: a second of a busy network while nobody looks.
const BUFFER: usize = 4 << 20;

/// By the port it came from: how many payloads of which length.
pub type Seen = BTreeMap<u16, BTreeMap<usize, u64>>;

pub struct Tap {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Tap {
    pub fn open() -> io::Result<Tap> {
        let protocol = Protocol::from(i32::from(IPV4.to_be()));
        let mut socket = Socket::new(Domain::from(PACKET), Type::from(RAW), Some(protocol))?;
        let _ = socket.set_recv_buffer_size(BUFFER);
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::new();
            let mut frame = vec![0; 1 << 16];
            while !stopped.load(Ordering::Relaxed) {
                let Ok(length) = socket.read(&mut frame) else {
                    continue;
                };
                if let Some((port, payload)) = payload(&frame[..length]) {
                    *seen.entry(port).or_default().entry(payload).or_default() += 1;
                }
            }
            seen
        });
        Ok(Tap { stop, thread })
    }

    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the tap does not panic")
    }
}

/// Source port and length of the payload of a UDP datagram from and to this computer.
fn payload(frame: &[u8]) -> Option<(u16, usize)> {
    let packet = frame.get(ETHERNET..)?;
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if *packet.get(9)? != UDP || *packet.get(12)? != 127 {
        return None;
    }
    let udp = packet.get(header..)?;
    let field = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    Some((field(0)?, usize::from(field(4)?).checked_sub(UDP_HEADER)?))
}
