//! Addresses of sockets as WinSock has them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::null_mut;

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, SOCKADDR, SOCKADDR_IN,
    SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKADDR_STORAGE,
};

/// An address that the kernel reads or writes. On the heap, for as long as it may do so; a vector, because
/// that, unlike a box, does not claim to be the only pointer to its contents.
#[derive(Debug)]
pub(crate) struct Address(Vec<Storage>);

struct Storage {
    address: SOCKADDR_STORAGE,
    length: i32,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Storage")
    }
}

impl Address {
    /// Room for any.
    pub(crate) fn room() -> Address {
        Address(vec![Storage {
            address: SOCKADDR_STORAGE::default(),
            length: size_of::<SOCKADDR_STORAGE>() as i32,
        }])
    }

    pub(crate) fn new(address: SocketAddr) -> Address {
        let mut room = Address::room();
        let at = (&raw mut room.0[0].address).cast::<SOCKADDR>();
        room.0[0].length = match address {
            SocketAddr::V4(address) => {
                let address = SOCKADDR_IN {
                    sin_family: AF_INET,
                    sin_port: address.port().to_be(),
                    sin_addr: IN_ADDR {
                        S_un: IN_ADDR_0 {
                            S_addr: u32::from_ne_bytes(address.ip().octets()),
                        },
                    },
                    ..SOCKADDR_IN::default()
                };
                // SAFETY: there is room for any address.
                unsafe { at.cast::<SOCKADDR_IN>().write(address) };
                size_of::<SOCKADDR_IN>() as i32
            }
            SocketAddr::V6(address) => {
                let address = SOCKADDR_IN6 {
                    sin6_family: AF_INET6,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: IN6_ADDR {
                        u: IN6_ADDR_0 {
                            Byte: address.ip().octets(),
                        },
                    },
                    Anonymous: SOCKADDR_IN6_0 {
                        sin6_scope_id: address.scope_id(),
                    },
                };
                // SAFETY: there is room for any address.
                unsafe { at.cast::<SOCKADDR_IN6>().write(address) };
                size_of::<SOCKADDR_IN6>() as i32
            }
        };
        room
    }

    /// Where the kernel reads or writes, and where it finds the length and puts it.
    pub(crate) fn parts(&mut self) -> (*mut SOCKADDR, *mut i32) {
        match self.0.first_mut() {
            Some(storage) => ((&raw mut storage.address).cast(), &raw mut storage.length),
            None => (null_mut(), null_mut()),
        }
    }

    /// What is there now; none if it is no address of the internet.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        let storage = self.0.first()?;
        // SAFETY: it is a whole one, and any bytes are a valid value.
        unsafe { read(&raw const storage.address.ss_family, storage.length) }
    }
}

/// The address that begins at `family`.
///
/// # Safety
/// `length` bytes can be read from there.
unsafe fn read(family: *const u16, length: i32) -> Option<SocketAddr> {
    let length = usize::try_from(length).ok()?;
    if length < size_of::<u16>() {
        return None;
    }
    // SAFETY: there are two bytes.
    match unsafe { family.read_unaligned() } {
        AF_INET if length >= size_of::<SOCKADDR_IN>() => {
            // SAFETY: there are as many bytes, and every one of them is an address.
            let address = unsafe { family.cast::<SOCKADDR_IN>().read_unaligned() };
            // SAFETY: plain bytes, whichever member they were written by.
            let ip = Ipv4Addr::from(unsafe { address.sin_addr.S_un.S_addr }.to_ne_bytes());
            let port = u16::from_be(address.sin_port);
            Some(SocketAddrV4::new(ip, port).into())
        }
        AF_INET6 if length >= size_of::<SOCKADDR_IN6>() => {
            // SAFETY: as above.
            let address = unsafe { family.cast::<SOCKADDR_IN6>().read_unaligned() };
            // SAFETY: as above.
            let (ip, scope) = unsafe {
                (
                    Ipv6Addr::from(address.sin6_addr.u.Byte),
                    address.Anonymous.sin6_scope_id,
                )
            };
            let port = u16::from_be(address.sin6_port);
            Some(SocketAddrV6::new(ip, port, address.sin6_flowinfo, scope).into())
        }
        _ => None,
    }
}

/// [`read`] for what GetAcceptExSockaddrs points to.
///
/// # Safety
/// `length` bytes can be read from `address`.
pub(crate) unsafe fn of_parts(address: *const SOCKADDR, length: i32) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: as demanded of the caller.
    unsafe { read(address.cast(), length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_as_they_went() {
        for address in [
            "127.0.0.1:80",
            "255.1.2.3:65535",
            "[::1]:443",
            "[fe80::1%7]:9",
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(Address::new(address).get(), Some(address));
        }
        assert_eq!(Address::room().get(), None);
    }

    #[test]
    fn an_address_that_is_cut_off_is_none() {
        let mut address = Address::new(SocketAddr::from(([127, 0, 0, 1], 80)));
        for length in [-1, 0, 1, 2, 15] {
            address.0[0].length = length;
            assert_eq!(address.get(), None, "{length}");
        }
    }
}
