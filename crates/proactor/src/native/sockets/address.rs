//! Socket addresses in the form of WinSock.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::null_mut;

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, SOCKADDR, SOCKADDR_IN,
    SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKADDR_STORAGE,
};

/// An address that the kernel reads or writes while an operation is in flight. It is on the heap, so that it
/// does not move with the operation. A vector of one and not a box: a box would claim that nothing else
/// reaches its contents.
#[derive(Debug)]
pub(crate) struct Address(Vec<Storage>);

/// The address and its length side by side.
struct Storage {
    address: SOCKADDR_STORAGE,
    /// In bytes. The kernel reads it as the space that there is, and writes the length of the address.
    length: i32,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Storage")
    }
}

impl Address {
    /// Space for any address.
    pub(crate) fn empty() -> Address {
        Address(vec![Storage {
            address: SOCKADDR_STORAGE::default(),
            length: size_of::<SOCKADDR_STORAGE>() as i32,
        }])
    }

    /// This address.
    pub(crate) fn new(address: SocketAddr) -> Address {
        let mut storage = Address::empty();
        let at = (&raw mut storage.0[0].address).cast::<SOCKADDR>();
        storage.0[0].length = match address {
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
                // SAFETY: there is space for any address, aligned for all of them.
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
                // SAFETY: there is space for any address, aligned for all of them.
                unsafe { at.cast::<SOCKADDR_IN6>().write(address) };
                size_of::<SOCKADDR_IN6>() as i32
            }
        };
        storage
    }

    /// The places of the address and of its length, as calls want them.
    pub(super) fn parts(&mut self) -> (*mut SOCKADDR, *mut i32) {
        match self.0.first_mut() {
            Some(storage) => ((&raw mut storage.address).cast(), &raw mut storage.length),
            None => (null_mut(), null_mut()),
        }
    }

    /// The address that the kernel has written; `None` if it is neither IPv4 nor IPv6.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        let storage = self.0.first()?;
        // SAFETY: the storage is initialised and longer than any length that is read.
        unsafe { read(&raw const storage.address.ss_family, storage.length) }
    }
}

/// The address that begins with this family.
///
/// # Safety
/// `length` bytes can be read from `family` on.
unsafe fn read(family: *const u16, length: i32) -> Option<SocketAddr> {
    let length = usize::try_from(length).ok()?;
    if length < size_of::<u16>() {
        return None;
    }
    // SAFETY: there are at least two bytes.
    match unsafe { family.read_unaligned() } {
        AF_INET if length >= size_of::<SOCKADDR_IN>() => {
            // SAFETY: there are enough bytes, and any bytes make a SOCKADDR_IN.
            let address = unsafe { family.cast::<SOCKADDR_IN>().read_unaligned() };
            // SAFETY: the members of the union are plain bytes of the same size.
            let ip = Ipv4Addr::from(unsafe { address.sin_addr.S_un.S_addr }.to_ne_bytes());
            let port = u16::from_be(address.sin_port);
            Some(SocketAddrV4::new(ip, port).into())
        }
        AF_INET6 if length >= size_of::<SOCKADDR_IN6>() => {
            // SAFETY: there are enough bytes, and any bytes make a SOCKADDR_IN6.
            let address = unsafe { family.cast::<SOCKADDR_IN6>().read_unaligned() };
            // SAFETY: the members of the unions are plain bytes of the same size.
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

/// The address that GetAcceptExSockaddrs points to; `None` if it points nowhere.
///
/// # Safety
/// `address` is null, or `length` bytes can be read from it.
pub(super) unsafe fn of_parts(address: *const SOCKADDR, length: i32) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: the address is not null, so `length` bytes can be read from it.
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
        assert_eq!(Address::empty().get(), None);
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
